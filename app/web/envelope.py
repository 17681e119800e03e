"""What every request and every answer has: an id, a log line, hardening headers, a problem form."""

import re
import secrets
from dataclasses import dataclass, field
from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict
from structlog.typing import FilteringBoundLogger

from app.domain.failures import GatewayError
from app.protocol.trace_context import trace_id
from app.services.no_tracer import NoTracer
from app.services.ports import Observer, Tracer
from app.web.problems import Answer, answer_to, problem_response

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_ROUTINE = ("/livez", "/readyz", "/metrics")
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
    trace_id: str | None = None
    stages: dict[str, float] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


JOURNEY = web.RequestKey("journey", Journey)


def envelope(logger: FilteringBoundLogger, *, observer: Observer, tracer: Tracer) -> Middleware:
    """Make the outermost middleware. Nothing but a cancellation leaves it as an exception.

    Health checks and scrapes make no traces: they would be most of them.
    """
    no_tracer = NoTracer()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        journey = Journey(request_id(request), perf_counter())
        request[JOURNEY] = journey
        route = _route(request)
        tracing = no_tracer if route in _ROUTINE else tracer
        with tracing.request(request.method, route, request.headers) as span:
            journey.trace_id = span.trace_id or trace_id(request.headers.getall("traceparent", ()))
            response = await _respond(request, handler, journey, logger)
            span.note("http.response.status_code", response.status)
        finish(response.headers, journey)
        log_request(logger, request, response.status, journey, route=route)
        seconds = perf_counter() - journey.started
        observer.request_ended(request.method, route, response.status, seconds, journey.facts)
        return response

    return middleware


async def _respond(
    request: web.Request, handler: Handler, journey: Journey, logger: FilteringBoundLogger
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 - the border: what is not known is our fault
        return _answer(error, journey, logger)


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
    """Write the one line that tells of a request; of routine ones only for debugging."""
    log = logger.debug if route in _ROUTINE else logger.info
    log(
        "request",
        method=request.method,
        route=route,
        status=status,
        request_id=journey.request_id,
        **({} if journey.trace_id is None else {"trace_id": journey.trace_id}),
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
    if isinstance(error, GatewayError) and error.request_id is not None:
        journey.facts["gateway_request_id"] = error.request_id
    return problem_response(answer, journey.request_id)
