"""The problems: one table of what each says, means, and asks of whom.

Answers, the OpenAPI document and the pages under `/problems` are made from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, by the kind of caller: an app, a page in a browser, or a server."""

    app: str
    browser: str
    server: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of problem: its code is the last part of its type."""

    code: str
    status: int
    title: str
    detail: str
    advice: Advice

    @property
    def pauses(self) -> bool:
        """Whether its answer carries Retry-After."""
        return self.status in (429, 503)


_MEND = Advice(
    "Do not repeat the request as it is: it fails again. This is a fault of the app; report it, "
    "with the request's id.",
    "Do not repeat the request as it is: it fails again. This is a fault of the page; report it, "
    "with the request's id.",
    "Do not repeat the request as it is: it fails again. Mend the code that makes it.",
)
_WAIT = Advice(
    "Go on showing the badges that were kept, and say so. Ask again after Retry-After plus a "
    "random second or two. Log nobody out.",
    "Show what the page has, and say that it may be out of date. Ask again after Retry-After "
    "plus a random second or two. Log nobody out.",
    "Ask again after Retry-After plus a random part of it; until then leave the badges out of "
    "the page rather than failing it.",
)
_ONCE_MORE = Advice(
    "Try once more after 1 to 3 seconds, chosen at random; then go on showing the badges that "
    "were kept.",
    "Try once more after 1 to 3 seconds, chosen at random; then offer a button to try again.",
    "Try once more after 1 to 3 seconds, chosen at random; then leave the badges out of the page.",
)
_NEW_TOKEN = Advice(
    "Renew the token and try once more. Only if that one is refused too, ask the customer to log "
    "in again.",
    "Renew the token and try once more. Only if that one is refused too, send the customer to the "
    "login page.",
    "Renew the customer's token and try once more. A webhook: check the shared secret.",
)
_OTHER_TOKEN = Advice(
    "Do not repeat the request with this token. Ask the login for the scope that "
    "WWW-Authenticate names.",
    "Do not repeat the request with this token. Ask the login for the scope that "
    "WWW-Authenticate names.",
    "Do not repeat the request with this token. Let the identity provider grant this client the "
    "scope that WWW-Authenticate names.",
)
_NOBODY = Advice(
    "Do not repeat the request with this token. If the login has an address or number still to be "
    "confirmed, ask the customer to do that; else show no badges.",
    "Do not repeat the request with this token. If the login has an address or number still to be "
    "confirmed, ask the customer to do that; else show no badges.",
    "Do not repeat the request with this token. Check that the identity provider puts the agreed "
    "claim into tokens for this audience.",
)
_STRANGER = Advice(
    "Show the place for badges as empty, and invite the customer to join the programme. Ask again "
    "when he has joined, or the next time the app starts.",
    "Show the place for badges as empty, and invite the customer to join the programme.",
    "Treat the customer as one without badges. Ask again when he has joined the programme.",
)
_SLOWER = Advice(
    "Wait for Retry-After plus a random second or two. Send If-None-Match, and ask when a screen "
    "is opened rather than by a timer.",
    "Wait for Retry-After plus a random second or two. Ask when the page is shown rather than by "
    "a timer.",
    "Wait for Retry-After plus a random part of it. The limit is each customer's own; asking for "
    "one customer from many processes uses up the same one. With If-None-Match send Cache-Control: "
    "max-age=0: Node's fetch would add no-cache, which asks for what is there now.",
)
_AGAIN = Advice(
    "Apps do not meet this.",
    "Pages do not meet this.",
    "Send the same event or invalidation again after Retry-After: nothing was invalidated.",
)

_ALL = (
    Problem("bad-request", 400, "Bad request", "The request or its body is malformed.", _MEND),
    Problem(
        "invalid-query",
        400,
        "Invalid query",
        "The query string has faults; errors names each of them.",
        _MEND,
    ),
    Problem(
        "unauthenticated",
        401,
        "Not authenticated",
        "A valid bearer token is needed. Get a new one, and try once more.",
        _NEW_TOKEN,
    ),
    Problem(
        "insufficient-scope",
        403,
        "Insufficient scope",
        "The token is good, but lacks a scope that is needed here.",
        _OTHER_TOKEN,
    ),
    Problem(
        "no-customer-identity",
        403,
        "No customer identity",
        "The token is good, but names no customer in a way that can be used.",
        _NOBODY,
    ),
    Problem("not-found", 404, "Not found", "There is nothing here.", _MEND),
    Problem(
        "customer-not-found",
        404,
        "Customer not found",
        "The loyalty programme does not know this customer.",
        _STRANGER,
    ),
    Problem(
        "method-not-allowed",
        405,
        "Method not allowed",
        "This resource does not take that method; Allow names those it takes.",
        _MEND,
    ),
    Problem("not-acceptable", 406, "Not acceptable", "Only application/json is to be had.", _MEND),
    Problem("content-too-large", 413, "Content too large", "The body is too large.", _MEND),
    Problem("uri-too-long", 414, "URI too long", "The request line is too long.", _MEND),
    Problem(
        "header-fields-too-large",
        431,
        "Header fields too large",
        "There are too many header fields, or one of them is too long.",
        _MEND,
    ),
    Problem(
        "rate-limited",
        429,
        "Too many requests",
        "This customer has used up what is allowed. Try again after Retry-After.",
        _SLOWER,
    ),
    Problem(
        "internal-error", 500, "Internal error", "Something went wrong on our side.", _ONCE_MORE
    ),
    Problem(
        "gateway-bad-answer",
        502,
        "Bad answer",
        "The loyalty programme answered something that is not a list of badges.",
        _ONCE_MORE,
    ),
    Problem(
        "gateway-unavailable",
        503,
        "Loyalty programme unavailable",
        "The loyalty programme can't be asked now. Try again after Retry-After.",
        _WAIT,
    ),
    Problem(
        "cache-unavailable",
        503,
        "Cache unavailable",
        "What is kept can't be invalidated now. Try again after Retry-After.",
        _AGAIN,
    ),
    Problem(
        "identity-unavailable",
        503,
        "Identity unavailable",
        "Tokens can't be verified now. Keep the token, and try again after Retry-After.",
        _WAIT,
    ),
    Problem(
        "overloaded",
        503,
        "Overloaded",
        "There is too much to do here now. Try again after Retry-After.",
        _WAIT,
    ),
    Problem(
        "gateway-timeout",
        504,
        "No answer in time",
        "The loyalty programme did not answer in time.",
        _ONCE_MORE,
    ),
)

PROBLEMS: Mapping[str, Problem] = MappingProxyType({problem.code: problem for problem in _ALL})
