"""CORS: pages of listed origins may read answers (Fetch Standard, section 3.2).

Ours rather than aiohttp-cors: that one speaks per route, so that it says nothing on errors that
have no route, and it refuses preflights by a 403 of its own. What is needed is these few header
fields, on whatever is answered.
"""

from collections.abc import Callable, Collection

from aiohttp import hdrs, web

from app.web.lean_response import LeanResponse

EXPOSED = (
    "Age",
    "Badges-As-Of",
    "Cache-Status",
    "ETag",
    "Link",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)
_EXPOSED = ", ".join(EXPOSED)
_METHODS = "GET, HEAD"
_HEADERS = "Authorization, Cache-Control, If-None-Match, X-Request-Id, traceparent"
_PREFLIGHT_LIFE = "7200"  # seconds; no browser believes more

Adorn = Callable[[web.BaseRequest, LeanResponse], None]


def cross_origin(origins: Collection[str]) -> Adorn:
    """Make what adds the header fields to an answer, just before it is sent.

    That is outside of every middleware: problems and 304 get them too. An error of framing tells
    no origin, so that it can only say that answers depend on it. A preflight is answered by the
    route's own OPTIONS handler, without credential; only a 204 grants anything. Credentials mode is
    never allowed: the Authorization header alone authenticates, and a page sets it itself.
    """

    def adorn(request: web.BaseRequest, response: LeanResponse) -> None:
        if not origins:
            return
        vary = response.headers.get(hdrs.VARY)
        response.headers[hdrs.VARY] = f"{vary}, Origin" if vary else "Origin"
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or origin not in origins:
            return
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
        if _is_preflight(request) and response.status == 204:  # noqa: PLR2004
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = _METHODS
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = _HEADERS
            response.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = _PREFLIGHT_LIFE

    return adorn


def _is_preflight(request: web.BaseRequest) -> bool:
    return request.method == hdrs.METH_OPTIONS and (
        hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    )
