"""How cached answers look over HTTP: validators, coding, and what the cache says of them."""

from datetime import UTC, datetime
from typing import cast

from aiohttp import web

from app.protocol.content import decompress
from app.services.badges import Served, Source
from app.web.envelope import Journey
from app.web.lean_response import LeanResponse
from app.web.negotiation import accepts_gzip, matches

_CACHE_NAME = "badges-bff"
_OK, _NOT_MODIFIED = 200, 304


def respond(
    request: web.Request, *, compressed: bytes, digest: str, headers: dict[str, str]
) -> web.StreamResponse:
    """Answer with a body that was compressed before, or with 304 if the caller has it already.

    `headers` are those that a 200 and a 304 have in common.
    """
    gzip = accepts_gzip(request.headers.getall("Accept-Encoding", ()))
    tag = f'"{digest}-gzip"' if gzip else f'"{digest}"'
    headers["ETag"] = tag
    known = request.headers.getall("If-None-Match", ())
    if known and matches(known, tag):
        return _lean(LeanResponse(_NOT_MODIFIED, headers))
    headers["Content-Type"] = "application/json"
    if gzip:
        headers["Content-Encoding"] = "gzip"
    return _lean(LeanResponse(_OK, headers, compressed if gzip else decompress(compressed)))


def _lean(response: LeanResponse) -> web.StreamResponse:
    """Give aiohttp what it takes for one of its own responses."""
    return cast("web.StreamResponse", response)


def cache_headers(served: Served) -> dict[str, str]:
    """Say how old an answer is, and where it came from."""
    as_of = datetime.fromtimestamp(served.entry.fetched_at, UTC).isoformat(timespec="milliseconds")
    return {
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Encoding",
        "Age": str(int(served.age)),
        "Badges-As-Of": as_of.replace("+00:00", "Z"),
        "Cache-Status": f"{_CACHE_NAME}; {_cache_status(served)}",
    }


def note(served: Served, journey: Journey) -> None:
    """Keep for the log line, and for Server-Timing, how an answer came about."""
    journey.stages["cache"] = served.looking_up
    if served.fetching is not None:
        journey.stages["gateway"] = served.fetching
    journey.facts["cache"] = served.source.value
    journey.facts["age"] = round(served.age, 3)
    if served.stale_reason is not None:
        journey.facts["stale_reason"] = served.stale_reason
    if served.gateway_request_id is not None:
        journey.facts["gateway_request_id"] = served.gateway_request_id


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
