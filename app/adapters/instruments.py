"""Instruments of prometheus-client as we use them: one prefix, one registry, children at hand."""

from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

_PREFIX = "badges_bff_"

T = TypeVar("T", bound=MetricWrapperBase)


class Children(dict[tuple[str, ...], T]):
    """The children of an instrument by their label values, in the order of the labels.

    The library's `labels()` takes a lock and checks all names, each time: too dear for a request.
    """

    def __init__(self, instrument: T) -> None:
        super().__init__()
        self._instrument = instrument

    def __missing__(self, values: tuple[str, ...]) -> T:
        child = self[values] = self._instrument.labels(*values)
        return child


class Maker:
    """Makes instruments in a registry. Names follow the conventions of Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, text: str) -> Counter:
        """Make a counter; the library adds `_total` to its name."""
        return Counter(_PREFIX + name, text, registry=self._registry)

    def counters(self, name: str, text: str, *labels: str) -> Children[Counter]:
        """Make counters with labels."""
        return Children(Counter(_PREFIX + name, text, labels, registry=self._registry))

    def histogram(self, name: str, text: str, *, buckets: tuple[float, ...]) -> Histogram:
        """Make a histogram."""
        return Histogram(_PREFIX + name, text, buckets=buckets, registry=self._registry)

    def histograms(
        self, name: str, text: str, *labels: str, buckets: tuple[float, ...]
    ) -> Children[Histogram]:
        """Make histograms with labels."""
        return Children(
            Histogram(_PREFIX + name, text, labels, buckets=buckets, registry=self._registry)
        )

    def gauge(self, name: str, text: str) -> Gauge:
        """Make a gauge."""
        return Gauge(_PREFIX + name, text, registry=self._registry)

    def gauges(self, name: str, text: str, *labels: str) -> Children[Gauge]:
        """Make gauges with labels."""
        return Children(Gauge(_PREFIX + name, text, labels, registry=self._registry))
