// How a storefront asks for badges: the token, the two requests, and what the headers say.
// Nothing here touches the document.

const PATIENCE = 10_000; // milliseconds; the service itself answers within five seconds
const RETRIES_WHEN_BUSY = 5;

/** A failure that can be shown: an RFC 9457 problem, or something said in the same form. */
export class Problem extends Error {
  constructor({ status = 0, title, detail = "", requestId = null, retryAfter = null }) {
    super(title);
    Object.assign(this, { status, title, detail, requestId, retryAfter });
  }

  /** Read an answer that is an error; a load balancer's answer may be no problem document. */
  static async of(answer) {
    const seconds = Number.parseInt(answer.headers.get("Retry-After"), 10);
    const told = await answer.json().catch(() => ({}));
    return new Problem({
      status: answer.status,
      title: told.title ?? `The service answered ${answer.status}`,
      detail: told.detail,
      requestId: told.requestId ?? answer.headers.get("X-Request-Id"),
      retryAfter: Number.isNaN(seconds) ? null : seconds,
    });
  }

  /** Put whatever `fetch` throws into words. */
  static from(error) {
    if (error instanceof Problem) return error;
    if (error.name === "TimeoutError") {
      return new Problem({ title: "No answer in time", detail: "The connection may be slow." });
    }
    if (error instanceof SyntaxError) {
      return new Problem({ title: "The answer can't be read", detail: "It may be cut short." });
    }
    return new Problem({ title: "The service can't be reached", detail: "Are you online?" });
  }

  /**
   * The seconds after which to ask again without being told to, or null: better not.
   * Busy: as long as the service asks for, plus jitter, so that not all come back at once.
   * A bad answer or none in time: once, after one to three seconds. Whatever else: never.
   */
  retryIn(attempts) {
    if (this.status === 429 || this.status === 503) {
      const asked = Math.max(this.retryAfter ?? 5, 1);
      return attempts < RETRIES_WHEN_BUSY ? asked + Math.random() * (1 + asked / 5) : null;
    }
    if (this.status === 502 || this.status === 504) {
      return attempts < 1 ? 1 + 2 * Math.random() : null;
    }
    return null;
  }

  /** Whether the visitor may ask again himself: a request that was wrong stays wrong. */
  get mayPass() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** A customer who is signed in. The token is kept in memory alone: closing the page signs out. */
export class Session {
  #customer;
  #token = null;
  #signingIn = null;

  constructor(customer) {
    this.#customer = customer;
  }

  /**
   * Get one address of the service: its JSON, its `Link`s, how fresh it is, its headers.
   * `pull` asks for what is newer than a few seconds. Throws a Problem, or an AbortError.
   */
  async get(address, { signal, pull = false }) {
    try {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
      const answer = await this.#askTwice(address, bounded, pull);
      if (!answer.ok) throw await Problem.of(answer);
      const body = await answer.json();
      return { body, links: links(answer), freshness: freshness(answer), headers: answer.headers };
    } catch (error) {
      throw signal.aborted ? signal.reason : Problem.from(error);
    }
  }

  /** Ask; where the token is refused, once more with a new one. */
  async #askTwice(address, signal, pull) {
    const token = this.#token ?? (await this.#signIn(null));
    const answer = await ask(address, token, signal, pull);
    if (answer.status !== 401) return answer;
    return ask(address, await this.#signIn(token), signal, pull);
  }

  /** Return a token other than the refused one; all who need it at once share one request. */
  async #signIn(refused) {
    if (this.#token !== refused) return this.#token;
    this.#signingIn ??= this.#newToken().finally(() => (this.#signingIn = null));
    return this.#signingIn;
  }

  /** The sandbox's way to sign in. A shop asks its identity provider, or its own server, here. */
  async #newToken() {
    const address = `/login/${encodeURIComponent(this.#customer)}`;
    const answer = await fetch(address, { method: "POST", signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw await Problem.of(answer);
    this.#token = (await answer.text()).trim();
    return this.#token;
  }
}

/**
 * Leave If-None-Match to the browser: it keeps the answer, asks with the ETag, and turns a 304 into
 * the 200 that it has.
 */
function ask(address, token, signal, pull) {
  const headers = { Authorization: `Bearer ${token}` };
  if (pull) headers["Cache-Control"] = "no-cache";
  return fetch(address, { headers, signal });
}

/** Return the addresses in `Link` by their relation: `<?page=2>; rel="next"`, and so on. */
function links(answer) {
  const header = answer.headers.get("Link") ?? "";
  const found = header.matchAll(/<([^>]*)>\s*;\s*rel="?(\w+)"?/g);
  return Object.fromEntries(
    [...found].map(([, target, relation]) => [relation, new URL(target, answer.url).href]),
  );
}

/**
 * Return how fresh an answer is: `asOf` (a Date or null), `stale`, and `failed` where newer badges
 * were asked for and could not be had. RFC 9211: a negative `ttl` means that the answer is stale;
 * stale without having failed, it is being refreshed behind.
 */
function freshness(answer) {
  const time = answer.headers.get("Badges-As-Of");
  const status = /badges-bff;([^,]*)/.exec(answer.headers.get("Cache-Status") ?? "")?.[1] ?? "";
  return {
    asOf: time === null ? null : new Date(time),
    stale: /ttl=-/.test(status),
    failed: /detail=stale-if-error/.test(status),
  };
}
