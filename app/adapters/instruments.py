"""Instruments of prometheus-client as we use them: one prefix, one registry, children at hand."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

_PREFIX = "badges_bff_"

T = TypeVar("T")


class Children(dict[tuple[str, ...], T]):
    """The children of an instrument by their label values, in the order of the labels.

    `make` is the library's `labels()`, which takes a lock and checks all names, each time: too dear
    for a request.
    """

    def __init__(self, make: Callable[..., T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, values: tuple[str, ...]) -> T:
        child = self[values] = self._make(*values)
        return child


class Distribution:
    """How many values fell into each bucket, and their sum. For one thread."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Add what was counted to an exposition."""
        bounds = map(floatToGoString, (*self._bounds, math.inf))
        cumulative = zip(bounds, accumulate(self._counts), strict=True)
        family.add_metric(labels, list(cumulative), self._sum)


class Histogram(Collector):
    """Distributions by label values.

    The library's own takes two locks for each value and looks for its bucket one by one. A service
    has one thread: a fifth of that does.
    """

    def __init__(
        self, name: str, text: str, labels: Sequence[str], *, buckets: Sequence[float]
    ) -> None:
        self._about = (name, text, None, None, labels)
        self._buckets = buckets
        self._distributions: dict[tuple[str, ...], Distribution] = {}

    def labels(self, *values: str) -> Distribution:
        """Return the distribution with these label values."""
        return self._distributions.setdefault(values, Distribution(self._buckets))

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """Name what is collected, for the registry."""
        return [HistogramMetricFamily(*self._about)]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Return what was counted."""
        family = HistogramMetricFamily(*self._about)
        for values, distribution in self._distributions.items():
            distribution.add_to(family, values)
        return [family]


class Maker:
    """Makes instruments in a registry. Names follow the conventions of Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, text: str) -> Counter:
        """Make a counter; the library adds `_total` to its name."""
        return Counter(_PREFIX + name, text, registry=self._registry)

    def counters(self, name: str, text: str, *labels: str) -> Children[Counter]:
        """Make counters with labels."""
        return Children(Counter(_PREFIX + name, text, labels, registry=self._registry).labels)

    def histogram(self, name: str, text: str, *, buckets: tuple[float, ...]) -> Distribution:
        """Make a histogram."""
        return self._histogram(name, text, (), buckets).labels()

    def histograms(
        self, name: str, text: str, *labels: str, buckets: tuple[float, ...]
    ) -> Children[Distribution]:
        """Make histograms with labels."""
        return Children(self._histogram(name, text, labels, buckets).labels)

    def _histogram(
        self, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]
    ) -> Histogram:
        histogram = Histogram(_PREFIX + name, text, labels, buckets=buckets)
        self._registry.register(histogram)
        return histogram

    def gauge(self, name: str, text: str) -> Gauge:
        """Make a gauge."""
        return Gauge(_PREFIX + name, text, registry=self._registry)

    def gauges(self, name: str, text: str, *labels: str) -> Children[Gauge]:
        """Make gauges with labels."""
        return Children(Gauge(_PREFIX + name, text, labels, registry=self._registry).labels)
