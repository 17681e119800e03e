"""What traces nothing: for where tracing is off, and for what is not worth a trace."""

from collections.abc import Mapping
from contextlib import nullcontext
from types import MappingProxyType

from app.services.ports import Span

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class _NoSpan:
    """A span that keeps nothing."""

    trace_id = None

    def note(self, name: str, value: str | int) -> None:
        """Keep nothing."""


class NoTracer:
    """Traces nothing, at no cost worth having. See `app.services.ports.Tracer`."""

    active = False

    def __init__(self) -> None:
        self._nothing: nullcontext[Span] = nullcontext(_NoSpan())

    def request(self, _method: str, _route: str, _headers: Mapping[str, str]) -> nullcontext[Span]:
        """Do not trace a request."""
        return self._nothing

    def span(self, _name: str) -> nullcontext[Span]:
        """Do not trace a piece of work."""
        return self._nothing

    def call(self, _name: str) -> nullcontext[Span]:
        """Do not trace a call."""
        return self._nothing

    def headers(self) -> Mapping[str, str]:
        """Tell nobody of anything."""
        return _NO_HEADERS
