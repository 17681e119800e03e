// A client for a storefront's server: badges of one customer. `openapi.ts` is generated:
//   npx openapi-typescript https://badges.example.com/openapi.json -o openapi.ts

import type { components, paths } from "./openapi.js";
import { Problem } from "./problem.js";

export type Badge = components["schemas"]["Badge"];
export type Query = NonNullable<paths["/me/badges"]["get"]["parameters"]["query"]>;

type Route = "/me/badges" | "/me/badges/summary";
type Body<R extends Route> = paths[R]["get"]["responses"][200]["content"]["application/json"];

export interface Answer<T> {
  body: T;
  /** The address of the next page, or null. */
  next: string | null;
  /** When the badges were fetched from the loyalty programme. */
  asOf: Date | null;
  /** Newer badges were wanted and could not be had: say "as of ...". */
  stale: boolean;
}

export interface Options {
  /** Where the service is, such as https://badges.example.com. */
  origin: string;
  /** Returns the customer's token; where one was `refused`, a new one. */
  token: (refused?: string) => Promise<string>;
  /** Seconds to spend on waiting before tries; 0 for a page that rather goes without badges. */
  patience?: number;
  pause?: (seconds: number) => Promise<unknown>;
  random?: () => number;
}

const PATIENCE = 5; // seconds
const TIMEOUT = 10_000; // milliseconds; the service itself answers before
const MOST_KEPT = 50; // answers of one customer

/** Make one for each customer who is logged in, and drop it when he logs out. */
export class BadgesClient {
  readonly #options: Required<Options>;
  readonly #kept = new Map<string, { etag: string; body: unknown }>();

  constructor(options: Options) {
    const pause = (seconds: number) => new Promise((done) => setTimeout(done, seconds * 1000));
    this.#options = { patience: PATIENCE, pause, random: Math.random, ...options };
  }

  /** One page. `refresh` (the customer asked for it) wants what is newer than some seconds. */
  page(query: Query = {}, refresh = false): Promise<Answer<Body<"/me/badges">>> {
    const address = this.#address("/me/badges");
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) address.searchParams.set(name, String(value));
    }
    return this.#get<"/me/badges">(address, refresh);
  }

  /** What a home screen shows. Null is "none", or "not known now" if `incomplete` names it. */
  summary(refresh = false): Promise<Answer<Body<"/me/badges/summary">>> {
    return this.#get<"/me/badges/summary">(this.#address("/me/badges/summary"), refresh);
  }

  /** All badges, page by page. The list may change meanwhile, so that one may come twice. */
  async *all(query: Query = {}): AsyncGenerator<Badge> {
    const seen = new Set<string>();
    let answer = await this.page({ size: 100, ...query });
    for (;;) {
      for (const badge of answer.body.badges) {
        if (!seen.has(badge.id)) yield badge;
        seen.add(badge.id);
      }
      if (answer.next === null) return;
      answer = await this.#get<"/me/badges">(new URL(answer.next), false);
    }
  }

  #address(route: Route): URL {
    return new URL(route, this.#options.origin);
  }

  /** Ask until there is an answer, patience is at an end, or asking again is no use. */
  async #get<R extends Route>(address: URL, refresh: boolean): Promise<Answer<Body<R>>> {
    const id = crypto.randomUUID();
    let patience = this.#options.patience;
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#try<R>(address, refresh, id);
      } catch (error) {
        const again = error instanceof Problem ? error.retryIn(tries, this.#options.random) : null;
        if (again === null || again > patience) throw error;
        patience -= again;
        await this.#options.pause(again);
      }
    }
  }

  async #try<R extends Route>(address: URL, refresh: boolean, id: string) {
    const kept = this.#kept.get(address.href);
    const answer = await this.#ask(address, id, headers(id, refresh, kept?.etag));
    if (answer.status === 304 && kept) return this.#told(address, answer, kept.body as Body<R>);
    if (!answer.ok) throw await Problem.of(answer, id);
    const body: Body<R> = await arrived(id, answer.json());
    this.#keep(address, answer, body);
    return this.#told(address, answer, body);
  }

  /** Ask; where the token is refused, once more with a new one. */
  async #ask(address: URL, id: string, headers: Record<string, string>): Promise<Response> {
    const send = (token: string) => {
      const signal = AbortSignal.timeout(TIMEOUT);
      const authorized = { ...headers, Authorization: `Bearer ${token}` };
      return arrived(id, fetch(address, { headers: authorized, redirect: "error", signal }));
    };
    const token = await this.#options.token();
    const answer = await send(token);
    if (answer.status !== 401) return answer;
    await answer.body?.cancel();
    return send(await this.#options.token(token));
  }

  /** Keep an answer to ask for by its ETag; one without, or an incomplete one, isn't to be kept. */
  #keep(address: URL, answer: Response, body: unknown): void {
    this.#kept.delete(address.href);
    const etag = answer.headers.get("ETag");
    if (etag === null || /no-store/.test(answer.headers.get("Cache-Control") ?? "")) return;
    this.#kept.set(address.href, { etag, body });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest);
  }

  #told<T>(address: URL, answer: Response, body: T): Answer<T> {
    const asOf = answer.headers.get("Badges-As-Of");
    const stale = /detail=stale-if-error/.test(answer.headers.get("Cache-Status") ?? "");
    const next = nextPage(address, answer.headers.get("Link") ?? "");
    return { body, next, asOf: asOf === null ? null : new Date(asOf), stale };
  }
}

/** Wait for what comes over the network; if it doesn't come, or is cut short, that is a problem. */
function arrived<T>(id: string, coming: Promise<T>): Promise<T> {
  return coming.catch((cause: unknown) => {
    throw new Problem(0, id, null, {}, { cause });
  });
}

/**
 * Node's `fetch` takes an If-None-Match of ours for a wish to go around caches, and adds
 * `Cache-Control: no-cache`, which here means to refresh; a Cache-Control of ours it leaves alone.
 */
function headers(id: string, refresh: boolean, etag?: string): Record<string, string> {
  return {
    Accept: "application/json",
    "Cache-Control": refresh ? "no-cache" : "max-age=0",
    "X-Request-Id": id,
    ...(etag === undefined ? {} : { "If-None-Match": etag }),
  };
}

/** `Link` holds references like `<?page=2&size=10>; rel="next"`. The token goes nowhere else. */
function nextPage(address: URL, link: string): string | null {
  const target = /<([^>]*)>\s*;\s*rel="?next"?/.exec(link)?.[1];
  if (target === undefined) return null;
  const next = new URL(target, address);
  return next.origin === address.origin ? next.href : null;
}
