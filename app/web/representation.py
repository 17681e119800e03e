"""How cached answers look over HTTP: validators, coding, and what the cache says of them."""

from aiohttp import web

from app.protocol import instants
from app.protocol.content import decompress
from app.services.badges import Served, Source
from app.services.records import RequestRecord
from app.web.lean_response import LeanResponse
from app.web.negotiation import accepts_gzip, matches

_CACHE_NAME = "badges-bff"
_OK, _NOT_MODIFIED = 200, 304
_JSON = "Content-Type: application/json\r\n"
_GZIP = "Content-Encoding: gzip\r\n"


def respond(request: web.Request, *, compressed: bytes, digest: str, fields: str) -> LeanResponse:
    """Answer with a body that was compressed before, or with 304 if the caller has it already.

    `fields` are those that a 200 and a 304 have in common, in the form of a head.
    """
    gzip = accepts_gzip(request.headers.getall("Accept-Encoding", ()))
    tag = f'"{digest}-gzip"' if gzip else f'"{digest}"'
    fields = f"{fields}ETag: {tag}\r\n"
    headers = {"Vary": "Accept-Encoding"}
    known = request.headers.getall("If-None-Match", ())
    if known and matches(known, tag):
        return LeanResponse(_NOT_MODIFIED, headers, fields=fields)
    if gzip:
        return LeanResponse(_OK, headers, compressed, fields=f"{fields}{_JSON}{_GZIP}")
    return LeanResponse(_OK, headers, decompress(compressed), fields=f"{fields}{_JSON}")


def cache_fields(
    served: Served, *, oldest: Served | None = None, cache_control: str = "private, no-cache"
) -> str:
    """Say how old an answer is, and where it came from.

    Where it was made of several, `served` is the one that speaks for all, but of their age.
    """
    oldest = oldest or served
    return (
        f"Cache-Control: {cache_control}\r\n"
        f"Age: {int(oldest.age)}\r\n"
        f"Badges-As-Of: {instants.to_text(int(oldest.entry.fetched_at * 1000))}\r\n"
        f"Cache-Status: {_CACHE_NAME}; {_cache_status(served)}\r\n"
    )


def note(served: Served, record: RequestRecord) -> None:
    """Keep for the log line, and for Server-Timing, how an answer came about."""
    record.cache_duration = round(served.looking_up, 6)
    record.cache = served.source
    record.age = round(served.age, 3)
    if served.fetching is not None:
        record.gateway_duration = round(served.fetching, 6)
    if served.stale_reason is not None:
        record.stale_reason = served.stale_reason
    if served.gateway_request_id is not None:
        record.gateway_request_id = served.gateway_request_id


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
