"""Traces: which spans a request makes, what is in them, and when there are none."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from house import House, Service, eventually
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from app.adapters import opentelemetry_tracing
from app.adapters.logs import Log
from app.adapters.opentelemetry_tracing import OpenTelemetryTracer
from app.bootstrap import running
from app.bootstrap.traces import tracing
from app.services.no_tracer import NoTracer
from app.settings import load_settings

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@dataclass
class Traced:
    """A service that is traced, and its spans."""

    service: Service
    exporter: InMemorySpanExporter

    def spans(self, name: str) -> list[ReadableSpan]:
        """Return the finished spans of that name."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def span(self, name: str) -> ReadableSpan:
        """Return the last finished span of that name."""
        return self.spans(name)[-1]


@pytest.fixture
async def traced(house: House) -> AsyncIterator[Traced]:
    """A service whose spans stay in memory."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    log = Log(log_format="json", level="debug", stream=house.log)
    async with AsyncExitStack() as stack:
        running_service = await stack.enter_async_context(
            running(
                load_settings(None, house.environment(BFF_GATEWAY__RETRIES="0")),
                log,
                clock=house.clock,
                timer=house.clock,
                tracer=OpenTelemetryTracer(provider),
            )
        )
        session = await stack.enter_async_context(ClientSession(auto_decompress=False))
        service = Service(running_service.public, running_service.admin, session, house.issuer)
        await service.ready()
        yield Traced(service, exporter)
    provider.shutdown()


def parent(span: ReadableSpan) -> str | None:
    """Return the id of a span's parent."""
    return None if span.parent is None else format_span_id(span.parent.span_id)


def identity(span: ReadableSpan) -> str:
    """Return the id of a span."""
    return format_span_id(span.context.span_id)


async def fail(_: web.Request) -> web.Response:
    """Fail at once."""
    return web.Response(status=500)


async def test_a_miss_shows_its_way(traced: Traced) -> None:
    """Request, look-up, flight and call belong to one trace, each below what it is a part of."""
    await traced.service.get()

    request = traced.span("GET /me/badges")
    flight, call = traced.span("flight"), traced.span("gateway call")
    look_up = next(span for span in traced.spans("store read") if parent(span) == identity(request))
    assert request.parent is None
    assert parent(flight) == identity(request)
    assert parent(call) == identity(flight)
    assert {span.context.trace_id for span in (look_up, flight, call)} == {request.context.trace_id}
    kinds = [span.kind for span in (request, look_up, flight, call)]
    assert kinds == [SpanKind.SERVER, SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.CLIENT]
    assert dict(request.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/me/badges",
        "http.response.status_code": 200,
    }


async def test_a_hit_has_no_flight(traced: Traced) -> None:
    """What was not done is not in the trace."""
    await traced.service.get()
    traced.exporter.clear()

    await traced.service.get()

    names = [span.name for span in traced.exporter.get_finished_spans()]
    assert sorted(names) == ["GET /me/badges", "store read"]


async def test_the_token_call_is_traced(traced: Traced) -> None:
    """It is made once, ahead of all requests."""
    await eventually(lambda: len(traced.spans("token call")) == 1)

    assert traced.span("token call").kind is SpanKind.CLIENT


async def test_a_trace_comes_in_and_goes_out(house: House, traced: Traced) -> None:
    """The caller's trace goes on at the gateway, below our span of that call, and in our log."""
    await traced.service.get(headers=TRACEPARENT)

    request, call = traced.span("GET /me/badges"), traced.span("gateway call")
    assert format_trace_id(request.context.trace_id) == TRACE
    assert parent(request) == PARENT
    sent = house.gateway.badge_calls[-1].headers["traceparent"]
    assert sent == f"00-{TRACE}-{identity(call)}-01"
    assert house.events("request")[-1]["trace_id"] == TRACE


async def test_without_a_trace_one_begins(house: House, traced: Traced) -> None:
    """Its id is in the log line, so that one leads to the other."""
    await traced.service.get()

    made = format_trace_id(traced.span("GET /me/badges").context.trace_id)
    assert house.events("request")[-1]["trace_id"] == made


async def test_a_caller_that_does_not_sample_is_heeded(house: House, traced: Traced) -> None:
    """Nothing is kept, and the gateway is told the same."""
    traced.exporter.clear()

    await traced.service.get(headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})

    assert not traced.exporter.get_finished_spans()
    assert house.gateway.badge_calls[-1].headers["traceparent"].endswith("-00")


async def test_a_failure_is_an_error_by_its_name(house: House, traced: Traced) -> None:
    """The failing spans have an error type and no text; the request one of a server's fault."""
    house.gateway.behaviour = fail

    await traced.service.get()

    flight, request = traced.span("flight"), traced.span("GET /me/badges")
    assert flight.status.status_code is StatusCode.ERROR
    assert (flight.attributes or {})["error.type"] == "server-error"
    assert not flight.events
    assert flight.status.description is None
    assert traced.span("gateway call").status.status_code is StatusCode.ERROR
    assert request.status.status_code is StatusCode.ERROR
    assert (request.attributes or {})["http.response.status_code"] == 502


async def test_nothing_personal_is_in_a_span(house: House, traced: Traced) -> None:
    """Not the customer, not his token, not the query, not an address."""
    token = house.issuer.token("ada")
    await traced.service.get("/me/badges?name=Birthday", token=token)
    await traced.service.get("/me/381921157", token=token)

    text = "".join(span.to_json() for span in traced.exporter.get_finished_spans())

    for secret in ("381921157", "Birthday", token, "127.0.0.1", "gateway-pass-word"):
        assert secret not in text


async def test_routine_is_not_traced(traced: Traced) -> None:
    """Health checks and scrapes would be most of all traces."""
    traced.exporter.clear()
    for target in ("/livez", "/readyz", "/metrics"):
        await traced.service.get(target, token=None, admin=True)

    assert not traced.exporter.get_finished_spans()


async def test_a_service_without_traces_tells_nobody_of_any(house: House) -> None:
    """Off, nothing goes out, not even the caller's own context."""
    service = await house.start()

    await service.get(headers=TRACEPARENT)

    assert "traceparent" not in house.gateway.badge_calls[-1].headers


@pytest.mark.parametrize(
    "environment",
    [{}, {ENDPOINT: ""}, {ENDPOINT: "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}],
)
async def test_it_is_off_unless_wanted(house: House, environment: dict[str, str]) -> None:
    """Without an address there is nothing to send to; OpenTelemetry's own switch is heeded."""
    log = Log(log_format="json", level="debug", stream=house.log)

    async with tracing(environment, log.events) as tracer:
        assert isinstance(tracer, NoTracer)
    assert not house.log.getvalue()


async def test_without_the_extra_the_log_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address alone is not enough; the service runs all the same."""
    monkeypatch.setitem(sys.modules, "app.adapters.opentelemetry_tracing", None)
    log = Log(log_format="json", level="debug", stream=house.log)

    async with tracing({ENDPOINT: "http://127.0.0.1:4318"}, log.events) as tracer:
        assert isinstance(tracer, NoTracer)
    assert house.events("tracing_unavailable")[0]["missing"] == "badges-bff[tracing]"


async def test_spans_reach_the_collector(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left when the service ends is sent before it is gone."""
    received: list[bytes] = []

    async def collect(request: web.Request) -> web.Response:
        received.append(await request.read())
        return web.Response()

    collector = web.Application()
    collector.router.add_post("/v1/traces", collect)
    log = Log(log_format="json", level="debug", stream=house.log)
    async with TestServer(collector, host="127.0.0.1") as server:
        monkeypatch.setenv(ENDPOINT, str(server.make_url("")))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        async with tracing({ENDPOINT: "set"}, log.events) as tracer:
            with tracer.span("a piece of work"):
                await asyncio.sleep(0)

    assert len(received) == 1
    assert b"a piece of work" in received[0]
    assert b"badges-bff" in received[0]


async def test_a_collector_that_hangs_does_not_keep_the_process(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the service waits for it only so long."""
    monkeypatch.setattr(opentelemetry_tracing, "_FLUSH", 0.2)
    asked, released = asyncio.Event(), asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        asked.set()
        await released.wait()
        return web.Response()

    collector = web.Application()
    collector.router.add_post("/v1/traces", hang)
    log = Log(log_format="json", level="debug", stream=house.log)
    async with TestServer(collector, host="127.0.0.1") as server, asyncio.timeout(5):
        monkeypatch.setenv(ENDPOINT, str(server.make_url("")))
        async with tracing({ENDPOINT: "set"}, log.events) as tracer:
            with tracer.span("a piece of work"):
                await asyncio.sleep(0)
        assert asked.is_set()
        assert not released.is_set()
        released.set()
