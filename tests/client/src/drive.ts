// For the test: does what each line of standard input says, and tells by a line what came of it.
// Tokens and pauses are asked for in the same way, so that no test has to wait.

import { createInterface } from "node:readline";

import { BadgesClient, type Query } from "./badges.js";
import { Problem } from "./problem.js";

interface Order {
  call: "page" | "summary" | "all";
  query?: Query;
  refresh?: boolean;
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(question: object): Promise<unknown> {
  console.log(JSON.stringify(question));
  return JSON.parse((await lines.next()).value);
}

const client = new BadgesClient({
  origin: process.argv[2] ?? "",
  token: async (refused) => String(await ask({ token: refused ?? null })),
  pause: (seconds) => ask({ pause: seconds }),
});

async function carryOut({ call, query, refresh }: Order): Promise<unknown> {
  if (call === "page") return client.page(query, refresh);
  if (call === "summary") return client.summary(refresh);
  const badges = [];
  for await (const badge of client.all(query)) badges.push(badge);
  return badges;
}

for (let line = await lines.next(); !line.done; line = await lines.next()) {
  try {
    console.log(JSON.stringify({ answer: await carryOut(JSON.parse(line.value)) }));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { status, code, requestId, message, retryAfter } = error;
    console.log(JSON.stringify({ problem: { status, code, requestId, message, retryAfter } }));
  }
}
