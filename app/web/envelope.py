"""What every request and every answer has: an id, a log line, hardening headers, a problem form."""

import re
import secrets
from dataclasses import dataclass, field
from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict
from structlog.typing import FilteringBoundLogger

from app.web.problems import Answer, answer_to, problem_response

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_HEALTH = ("/livez", "/readyz")
_HARDENING = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("Server", "badges-bff"),
)


@dataclass(slots=True)
class Journey:
    """What is known of a request while it is served: for its answer's headers and its log line.

    `stages` holds durations in seconds by the name of the stage; `facts` goes into the log line as
    it is. `headers` are those that the answer is to have whatever becomes of the request: what a
    handler puts there before it fails is in the problem, too.
    """

    request_id: str
    started: float
    stages: dict[str, float] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


JOURNEY = web.RequestKey("journey", Journey)


def envelope(logger: FilteringBoundLogger) -> Middleware:
    """Make the outermost middleware. Nothing but a cancellation leaves it as an exception."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        journey = Journey(request_id(request), perf_counter())
        request[JOURNEY] = journey
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - the border: what is not known is our fault
            response = _answer(error, journey, logger)
        finish(response.headers, journey)
        log_request(logger, request, response.status, journey, route=_route(request))
        return response

    return middleware


def request_id(request: web.BaseRequest) -> str:
    """Return the caller's own id of the request if it is well-formed, else a new one."""
    given = request.headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def finish(headers: CIMultiDict[str], journey: Journey) -> None:
    """Add to an answer's headers what all answers have, and what was decided on the way."""
    headers.update(journey.headers)
    headers["X-Request-Id"] = journey.request_id
    total = perf_counter() - journey.started
    headers["Server-Timing"] = ", ".join(
        f"{stage};dur={seconds * 1000:.1f}"
        for stage, seconds in (*journey.stages.items(), ("total", total))
    )
    for name, value in _HARDENING:
        headers.setdefault(name, value)


def log_request(
    logger: FilteringBoundLogger,
    request: web.BaseRequest,
    status: int,
    journey: Journey,
    *,
    route: str = "-",
) -> None:
    """Write the one line that tells of a request; health checks are for debugging alone."""
    log = logger.debug if route in _HEALTH else logger.info
    log(
        "request",
        method=request.method,
        route=route,
        status=status,
        request_id=journey.request_id,
        duration=round(perf_counter() - journey.started, 6),
        **{f"{stage}_duration": round(seconds, 6) for stage, seconds in journey.stages.items()},
        **journey.facts,
    )


def _route(request: web.Request) -> str:
    """Name the route by its pattern: paths hold whatever callers put there."""
    resource = request.match_info.route.resource
    return "-" if resource is None else resource.canonical


def _answer(error: Exception, journey: Journey, logger: FilteringBoundLogger) -> web.Response:
    answer = answer_to(error)
    if answer is None:
        logger.error("internal_error", request_id=journey.request_id, error=error)
        answer = Answer("internal-error", {}, {})
    journey.facts["problem"] = answer.code
    return problem_response(answer, journey.request_id)
