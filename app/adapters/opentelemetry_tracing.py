"""Traces by OpenTelemetry: an optional extra, configured by its own standard variables.

It is on if the extra is installed and there is somewhere to send traces to. Spans hold names,
methods, route patterns, statuses and the names of failures: no address, no text, no customer.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from threading import Thread

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span as RecordedSpan
from opentelemetry.trace import SpanKind, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app import __version__
from app.domain.failures import GatewayError
from app.services.ports import Span

_FLUSH = 2.0
_STATUS = "http.response.status_code"
_FIRST_ERROR = 500


class _Span:
    """A span of OpenTelemetry as the service sees it."""

    def __init__(self, span: RecordedSpan) -> None:
        self._span = span

    @property
    def trace_id(self) -> str:
        """The id of the trace."""
        return format_trace_id(self._span.get_span_context().trace_id)

    def note(self, name: str, value: str | int) -> None:
        """Note an attribute; a status of a server's fault makes the span an error."""
        self._span.set_attribute(name, value)
        if name == _STATUS and isinstance(value, int) and value >= _FIRST_ERROR:
            self._span.set_status(StatusCode.ERROR)


class OpenTelemetryTracer:
    """Traces through a provider that it does not own. See `app.services.ports.Tracer`."""

    active = True

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("badges_bff", __version__)
        self._context = TraceContextTextMapPropagator()

    @contextmanager
    def request(self, method: str, route: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """Trace a request, as a part of the trace that its headers name."""
        parent = self._context.extract(headers, context=Context())
        with self._span(f"{method} {route}", SpanKind.SERVER, parent) as span:
            span.note("http.request.method", method)
            span.note("http.route", route)
            yield span

    def span(self, name: str) -> AbstractContextManager[Span]:
        """Trace a piece of work."""
        return self._span(name, SpanKind.INTERNAL)

    def call(self, name: str) -> AbstractContextManager[Span]:
        """Trace a call to another service."""
        return self._span(name, SpanKind.CLIENT)

    def headers(self) -> Mapping[str, str]:
        """Return the headers that tell another service of the trace."""
        headers: dict[str, str] = {}
        self._context.inject(headers)
        return headers

    @contextmanager
    def _span(self, name: str, kind: SpanKind, parent: Context | None = None) -> Iterator[Span]:
        """Trace a block. Of an error only its kind is kept: its text may hold anything."""
        with self._tracer.start_as_current_span(
            name, parent, kind, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield _Span(span)
            except BaseException as error:
                kept = error.failure.value if isinstance(error, GatewayError) else type(error)
                span.set_attribute("error.type", getattr(kept, "__name__", str(kept)))
                span.set_status(StatusCode.ERROR)
                raise


@asynccontextmanager
async def exporting() -> AsyncIterator[OpenTelemetryTracer]:
    """Send traces to where OpenTelemetry's variables say; on leaving, what is left within 2 s."""
    resource = Resource.create({"service.name": "badges-bff", "service.version": __version__})
    provider = TracerProvider(
        resource=resource.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield OpenTelemetryTracer(provider)
    finally:
        await _shut_down(provider)


async def _shut_down(provider: TracerProvider) -> None:
    """Send what is left. A collector that does not answer keeps a thread, and nobody else."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def shut_down() -> None:
        provider.shutdown()
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(done.set)

    Thread(target=shut_down, daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(_FLUSH):
            await done.wait()
