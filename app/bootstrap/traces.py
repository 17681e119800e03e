"""Whether there are traces, and where they go."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from structlog.typing import FilteringBoundLogger

from app.services.no_tracer import NoTracer
from app.services.ports import Tracer

# OpenTelemetry's own variables: where traces are sent to, and that there are to be none.
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_DISABLED = "OTEL_SDK_DISABLED"


@asynccontextmanager
async def tracing(
    environment: Mapping[str, str], logger: FilteringBoundLogger
) -> AsyncIterator[Tracer]:
    """Trace if the environment says where to send traces, and the extra for it is installed."""
    if not _wanted(environment):
        yield NoTracer()
        return
    try:
        # Not above: who does not install the extra has no such module.
        from app.adapters.opentelemetry_tracing import exporting  # noqa: PLC0415
    except ImportError:
        logger.warning("tracing_unavailable", missing="badges-bff[tracing]")
        yield NoTracer()
        return
    async with exporting() as tracer:
        yield tracer


def _wanted(environment: Mapping[str, str]) -> bool:
    disabled = environment.get(_DISABLED, "").lower() == "true"
    return not disabled and any(environment.get(name) for name in _ENDPOINTS)
