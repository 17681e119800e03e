"""`GET /me/badges`."""

import asyncio
from datetime import UTC, datetime
from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from app.domain.identity import Customer, InvalidCredentialError, MissingCredentialError
from app.protocol.content import decompress
from app.protocol.entries import Entry, EntryKeys
from app.protocol.query import parse_query
from app.services.authentication import Authenticator
from app.services.badges import BadgesReader, Served, Source
from app.services.load import InFlight
from app.services.request_rate import WINDOW, RequestRate, RequestRateExceededError
from app.web.envelope import JOURNEY, Journey
from app.web.negotiation import accepts_gzip, accepts_json, matches
from app.web.problems import ProblemError

_CACHE_NAME = "badges-bff"
_SCHEME = "bearer "


def badges_handler(
    *,
    authenticator: Authenticator,
    reader: BadgesReader,
    keys: EntryKeys,
    in_flight: InFlight,
    request_rate: RequestRate | None,
    deadline: float,
) -> Handler:
    """Make the handler. The order of its steps is the contract's order of judging a request.

    Without a request rate there is no limit to it. A request has `deadline` seconds in all.
    """

    async def get_badges(request: web.Request) -> web.Response:
        journey = request[JOURNEY]
        until = asyncio.get_running_loop().time() + deadline
        if not accepts_json(request.headers.getall("Accept", ())):
            raise ProblemError("not-acceptable")
        with in_flight:
            started = perf_counter()
            customer = await _authenticate(request, authenticator)
            journey.stages["identity"] = perf_counter() - started
            journey.facts["customer"] = keys.pseudonym(customer)
            if request_rate is not None:
                _take_one(request_rate, customer, journey)
            query = parse_query(request.rel_url.raw_query_string)
            served = await reader.read(customer, query, until=until, pulled=_is_pulled(request))
            _note(served, journey)
            return _answer(request, served)

    return get_badges


def _take_one(request_rate: RequestRate, customer: Customer, journey: Journey) -> None:
    """Count the request, and tell the customer in any case what is left of his quota.

    The fields are those of draft-ietf-httpapi-ratelimit-headers-11: `q` requests at once, restored
    evenly over `w` seconds; `r` are left now, and in `t` seconds the quota is whole again. The next
    request is admitted before that: when `Retry-After` says, which takes precedence (section 7).
    """
    allowance = request_rate.take(customer)
    journey.headers["RateLimit-Policy"] = f'"customer";q={request_rate.quota};w={WINDOW}'
    journey.headers["RateLimit"] = f'"customer";r={allowance.remaining};t={allowance.whole_in}'
    if allowance.wait:
        raise RequestRateExceededError(allowance.wait)


def _note(served: Served, journey: Journey) -> None:
    """Keep for the log line, and for Server-Timing, how the answer came about."""
    journey.stages["cache"] = served.looking_up
    if served.fetching is not None:
        journey.stages["gateway"] = served.fetching
    journey.facts["cache"] = served.source.value
    journey.facts["age"] = round(served.age, 3)


async def _authenticate(request: web.Request, authenticator: Authenticator) -> Customer:
    """Find the caller by the one bearer token of the request (RFC 6750 section 2.1)."""
    given = request.headers.getall("Authorization", ())
    if not given or not given[0][: len(_SCHEME)].lower().startswith(_SCHEME):
        raise MissingCredentialError
    if len(given) > 1:
        raise InvalidCredentialError("more than one")
    return await authenticator.authenticate(given[0][len(_SCHEME) :].strip())


def _is_pulled(request: web.Request) -> bool:
    """Whether the caller pulled to refresh: `no-cache`, the one directive that is heeded."""
    given = ",".join(request.headers.getall("Cache-Control", ()))
    return any(item.strip().lower() == "no-cache" for item in given.split(","))


def _answer(request: web.Request, served: Served) -> web.Response:
    gzip = accepts_gzip(request.headers.getall("Accept-Encoding", ()))
    headers = _headers(served, gzip=gzip)
    if matches(request.headers.getall("If-None-Match", ()), headers["ETag"]):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = "application/json"
    if gzip:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=_body(served.entry, gzip=gzip), headers=headers)


def _headers(served: Served, *, gzip: bool) -> CIMultiDict[str]:
    """Make the headers that a 200 and a 304 have in common."""
    entry = served.entry
    as_of = datetime.fromtimestamp(entry.fetched_at, UTC).isoformat(timespec="milliseconds")
    return CIMultiDict(
        {
            "ETag": f'"{entry.digest}{"-gzip" if gzip else ""}"',
            "Cache-Control": "private, no-cache",
            "Vary": "Accept-Encoding",
            "Age": str(int(served.age)),
            "Badges-As-Of": as_of.replace("+00:00", "Z"),
            "Cache-Status": f"{_CACHE_NAME}; {_cache_status(served)}",
            "Link": entry.link,
        }
    )


def _cache_status(served: Served) -> str:
    """Write the parameters of Cache-Status (RFC 9211)."""
    ttl = int(served.ttl)
    stored = "; collapsed" if served.collapsed else "; stored" if served.stored else ""
    match served.source:
        case Source.HIT:
            return f"hit; ttl={ttl}"
        case Source.MISS:
            return f"fwd=uri-miss{stored}"
        case Source.REFETCHED:
            return f"fwd=stale{stored}"
        case Source.STALE_IF_ERROR:
            return f"fwd=stale; ttl={ttl}; detail=stale-if-error"
        case Source.BYPASS:
            return "fwd=bypass"


def _body(entry: Entry, *, gzip: bool) -> bytes:
    body = entry.body or b""
    return body if gzip else decompress(body)
