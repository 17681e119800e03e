"""What every request and every answer has: an id, a log line, hardening headers, a problem form."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.typing import FilteringBoundLogger

from app.domain.failures import GatewayError
from app.protocol.trace_context import trace_id
from app.services.no_tracer import NoTracer
from app.services.ports import Observer, Tracer
from app.web.problems import Answer, answer_to, problem_response

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_ROUTINE = ("/livez", "/readyz", "/metrics")
_NO_ROUTE = "-"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Puts around each request what all have: id, log line, metrics, trace, hardening, problems."""

    logger: FilteringBoundLogger
    observer: Observer
    tracer: Tracer

    def around(self, handler: Handler, *, route: str) -> Handler:
        """Make a handler that nothing but a cancellation leaves as an exception.

        The route is named by its pattern: paths hold whatever callers put there. Health checks and
        scrapes make no traces: they would be most of them.
        """
        tracer = NoTracer() if route in _ROUTINE else self.tracer

        async def handle(request: web.Request) -> web.StreamResponse:
            journey = Journey(request_id(request), perf_counter())
            request[JOURNEY] = journey
            with tracer.request(request.method, route, request.headers) as span:
                given = request.headers.getall("traceparent", ())
                journey.trace_id = span.trace_id or trace_id(given)
                try:
                    response = await handler(request)
                except Exception as error:  # noqa: BLE001 - the border: the rest is our fault
                    response = self._answer(error, journey)
                span.note("http.response.status_code", response.status)
            self._finish(request, response, journey, route)
            return response

        return handle

    def refuse(self, request: web.BaseRequest, answer: Answer, **facts: object) -> web.Response:
        """Answer a request that came to no route."""
        journey = Journey(request_id(request), perf_counter())
        journey.facts.update(problem=answer.code, **facts)
        response = problem_response(answer, journey.request_id)
        self._finish(request, response, journey, _NO_ROUTE)
        return response

    def _answer(self, error: Exception, journey: Journey) -> web.Response:
        answer = answer_to(error)
        if answer is None:
            self.logger.error("internal_error", request_id=journey.request_id, error=error)
            answer = Answer("internal-error", {}, {})
        journey.facts["problem"] = answer.code
        if isinstance(error, GatewayError) and error.request_id is not None:
            journey.facts["gateway_request_id"] = error.request_id
        return problem_response(answer, journey.request_id)

    def _finish(
        self,
        request: web.BaseRequest,
        response: web.StreamResponse,
        journey: Journey,
        route: str,
    ) -> None:
        """Add what all answers have, and tell of the request: in one line, and in numbers."""
        seconds = perf_counter() - journey.started
        stages = journey.stages
        headers = response.headers
        headers.update(journey.headers)
        headers["X-Request-Id"] = journey.request_id
        headers["Server-Timing"] = _server_timing(stages, seconds)
        for name, value in _HARDENING:
            headers.setdefault(name, value)
        log = self.logger.debug if route in _ROUTINE else self.logger.info
        log(
            "request",
            method=request.method,
            route=route,
            status=response.status,
            request_id=journey.request_id,
            **({} if journey.trace_id is None else {"trace_id": journey.trace_id}),
            duration=round(seconds, 6),
            **{f"{stage}_duration": round(spent, 6) for stage, spent in stages.items()},
            **journey.facts,
        )
        self.observer.request_ended(request.method, route, response.status, seconds, journey.facts)


def request_id(request: web.BaseRequest) -> str:
    """Return the caller's own id of the request if it is well-formed, else a new one."""
    given = request.headers.get("X-Request-Id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return f"{random.getrandbits(128):032x}"


def _server_timing(stages: Mapping[str, float], total: float) -> str:
    """Write durations in milliseconds (Server Timing, section 3)."""
    parts = [f"{stage};dur={seconds * 1000:.1f}" for stage, seconds in stages.items()]
    return ", ".join((*parts, f"total;dur={total * 1000:.1f}"))
