// What can go wrong, and after how long it is worth asking again.

import type { components, operations } from "./openapi.js";

type Details = components["schemas"]["ProblemDetails"];

/** The codes that are known today. */
export type KnownCode = operations["getProblem"]["parameters"]["path"]["code"];

/** Editors offer the known codes, and those of tomorrow pass: treat one by its status. */
export type Code = KnownCode | (string & {});

/** An answer that is an error, or no answer at all (status 0). Quote `requestId` to support. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly requestId: string,
    readonly retryAfter: number | null = null, // seconds
    readonly details: Partial<Details> = {},
    options?: ErrorOptions,
  ) {
    super(details.title ?? (status === 0 ? "No answer" : `Status ${status}`), options);
    this.name = "Problem";
  }

  /** Read an error; one that comes from a machine on the way may be no problem document. */
  static async of(answer: Response, sentId: string): Promise<Problem> {
    const seconds = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
    const id = answer.headers.get("X-Request-Id") ?? sentId;
    const details = isProblem(answer) ? await answer.json().catch(() => ({})) : {};
    return new Problem(answer.status, id, Number.isNaN(seconds) ? null : seconds, details);
  }

  /** Null where a machine on the way answered, or nobody did. */
  get code(): Code | null {
    return this.details.code ?? null;
  }

  /**
   * The seconds after which to ask again, or null: never. 429 and 503: what the service asks for,
   * and some more, so that not all come back at once. No answer, or a bad one: once.
   */
  retryIn(tries: number, random: () => number): number | null {
    switch (this.status) {
      case 429:
      case 503: {
        const asked = Math.max(this.retryAfter ?? 5, 1);
        return asked + random() * (1 + asked / 5);
      }
      case 0:
      case 500:
      case 502:
      case 504:
        return tries === 1 ? 1 + 2 * random() : null;
      default:
        return null; // 401 had its second try with a new token; the rest stays wrong
    }
  }
}

function isProblem(answer: Response): boolean {
  return answer.headers.get("Content-Type")?.startsWith("application/problem+json") ?? false;
}
