"""What every request and every answer has: an id, a log line, hardening headers, a problem form."""

import random
import re
from dataclasses import dataclass
from time import perf_counter

from aiohttp import web
from msgspec import UNSET
from multidict import CIMultiDictProxy

from app.domain.failures import GatewayError
from app.domain.identity import InvalidCredentialError, MissingCredentialError
from app.protocol.trace_context import trace_id
from app.services.no_tracer import NoTracer
from app.services.ports import Observer, Tracer
from app.services.records import RequestRecord
from app.web.lean_response import Handler, LeanResponse
from app.web.problems import Answer, answer_to, problem_response
from app.web.proxies import TrustedProxies

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_ROUTINE = ("/livez", "/readyz", "/metrics")
_NO_ROUTE = "-"
_HARDENING = (
    "X-Content-Type-Options: nosniff\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Server: badges-bff\r\n"
)
_POLICY = "Content-Security-Policy"
_NOTHING_ALLOWED = f"{_POLICY}: default-src 'none'; frame-ancestors 'none'\r\n{_HARDENING}"


@dataclass(slots=True)
class Journey:
    """What is known of a request while it is served.

    `started` is by `perf_counter`. `fields` are header fields that the answer is to have whatever
    becomes of the request, in the form of a head: what a handler puts there before it fails is in
    the problem, too.
    """

    started: float
    record: RequestRecord
    fields: str = ""


JOURNEY = web.RequestKey("journey", Journey)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Puts around each request what all have: id, log line, metrics, trace, hardening, problems.

    Only the line of a request whose credential is missing or bad says where it came from: an
    address is personal data. A line with it names no customer, and the other way round, so the log
    never says who was where.
    """

    observer: Observer
    tracer: Tracer
    proxies: TrustedProxies

    def around(self, handler: Handler, *, route: str) -> Handler:
        """Make a handler that nothing but a cancellation leaves as an exception.

        The route is named by its pattern: paths hold whatever callers put there. Health checks and
        scrapes make no traces: they would be most of them.
        """
        routine = route in _ROUTINE
        tracer = NoTracer() if routine else self.tracer
        level = "debug" if routine else "info"

        async def handle(request: web.Request) -> LeanResponse:
            journey = _journey(request, route, level)
            request[JOURNEY] = journey
            with tracer.request(request.method, route, request.headers) as span:
                if span.trace_id is not None:
                    journey.record.trace_id = span.trace_id
                try:
                    response = await handler(request)
                except Exception as error:  # noqa: BLE001 - the border: the rest is our fault
                    response = self._answer(error, request, journey.record)
                span.note("http.response.status_code", response.status)
            self._finish(response, journey)
            return response

        return handle

    def refuse(
        self, request: web.BaseRequest, answer: Answer, *, client: str | None = None
    ) -> LeanResponse:
        """Answer a request that came to no route; `client` is for the log."""
        journey = _journey(request, _NO_ROUTE, "info")
        journey.record.problem = answer.code
        if client is not None:
            journey.record.client = client
        response = problem_response(answer, journey.record.request_id)
        self._finish(response, journey)
        return response

    def _answer(
        self, error: Exception, request: web.BaseRequest, record: RequestRecord
    ) -> LeanResponse:
        answer = answer_to(error)
        if answer is None:
            self.observer.request_failed(record.request_id, error)
            answer = Answer("internal-error", {}, {})
        record.problem = answer.code
        match error:
            case GatewayError(request_id=str() as gateway_request_id):
                record.gateway_request_id = gateway_request_id
            case MissingCredentialError() | InvalidCredentialError():
                origin = self.proxies.origin(request)
                record.client, record.client_scheme = origin.address, origin.scheme
        return problem_response(answer, record.request_id)

    def _finish(self, response: LeanResponse, journey: Journey) -> None:
        """Add what all answers have, and tell of the request."""
        record = journey.record
        record.status = response.status
        record.duration = round(perf_counter() - journey.started, 6)
        hardening = _HARDENING if _POLICY in response.headers else _NOTHING_ALLOWED
        response.fields = (
            f"{response.fields}{journey.fields}X-Request-Id: {record.request_id}\r\n"
            f"Server-Timing: {_server_timing(record)}\r\n{hardening}"
        )
        self.observer.request_ended(record)


def _journey(request: web.BaseRequest, route: str, level: str) -> Journey:
    headers = request.headers
    record = RequestRecord(
        level=level, method=request.method, route=route, request_id=request_id(headers)
    )
    if "traceparent" in headers:
        record.trace_id = trace_id(headers.getall("traceparent")) or UNSET
    return Journey(perf_counter(), record)


def request_id(headers: CIMultiDictProxy[str]) -> str:
    """Return the caller's own id of the request if it is well-formed, else a new one."""
    given = headers.get("X-Request-Id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return f"{random.getrandbits(128):032x}"


def _server_timing(record: RequestRecord) -> str:
    """Write durations in milliseconds (Server Timing, section 3)."""
    stages = ""
    if record.identity_duration is not UNSET:
        stages = f"identity;dur={record.identity_duration * 1000:.1f}, "
    if record.cache_duration is not UNSET:
        stages = f"{stages}cache;dur={record.cache_duration * 1000:.1f}, "
    if record.gateway_duration is not UNSET:
        stages = f"{stages}gateway;dur={record.gateway_duration * 1000:.1f}, "
    return f"{stages}total;dur={record.duration * 1000:.1f}"
