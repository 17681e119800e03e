"""Metrics for Prometheus: what is measured, and its exposition.

Label values are bounded: no customer, no path, nothing that a caller or the gateway chose. The
registry belongs to one service, not to the process: two services in one process never mix.
"""

from collections.abc import Callable
from dataclasses import dataclass
from platform import python_version

from msgspec import UNSET
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector

from app import __version__
from app.adapters.instruments import Maker
from app.domain.failures import Failure
from app.services.breaker import Circuit
from app.services.records import RequestRecord

_STATUS_CLASSES = ("", "1xx", "2xx", "3xx", "4xx", "5xx")
_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
_SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_LONG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_AGES = (1, 5, 15, 30, 60, 120, 300, 360, 900, 1800, 3600, 14400, 43200, 86400)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """States of the service's objects, read when metrics are asked for; times are in seconds."""

    requests_in_flight: Callable[[], float]
    misses_in_flight: Callable[[], float]
    gateway_queue: Callable[[], float]
    gateway_pause: Callable[[], float]
    token_age: Callable[[], float | None]
    ready: Callable[[], bool]


class RequestMetrics:
    """What is measured of requests to us."""

    def __init__(self, make: Maker) -> None:
        self._durations = make.histograms(
            "http_request_duration_seconds",
            "Time from a request to its answer, by what the cache had to do with it.",
            *("method", "route", "status_class", "cache"),
            buckets=_LONG,
        )
        self._ages = make.histograms(
            "served_age_seconds",
            "Age of the badges served, by why nothing newer was.",
            "reason",
            buckets=_AGES,
        )
        self._problems = make.counters("http_problems", "Problems answered.", "code")
        self._webhooks = make.counters("webhook_events", "Gateway events received.", "result")

    def ended(self, record: RequestRecord) -> None:
        """Count a request by what its log line says."""
        cache = record.cache or "none"
        method = record.method if record.method in _METHODS else "_OTHER"
        status_class = _STATUS_CLASSES[record.status // 100]
        self._durations[method, record.route, status_class, cache].observe(record.duration)
        if record.age is not UNSET:
            new = "fresh" if cache == "hit" else "fetched"
            self._ages[record.stale_reason or new,].observe(record.age)
        if record.problem is not UNSET:
            self._problems[record.problem,].inc()
        if record.webhook is not UNSET:
            nobody = record.webhook == "taken" and not record.customers
            self._webhooks["without-customer" if nobody else record.webhook,].inc()


class GatewayMetrics:
    """What is measured of the gateway, its token endpoint, and the issuers."""

    def __init__(self, make: Maker) -> None:
        self.calls = make.histograms(
            "gateway_call_duration_seconds",
            "Time of a single badges call, by how it went: ok, or the failure's name.",
            "result",
            buckets=_LONG,
        )
        self.fetches = make.counters(
            "gateway_fetches", "Badges wanted of the gateway, after all retries.", "result"
        )
        self.retries = make.counters(
            "gateway_retries", "Calls tried once more, token calls included.", "failure"
        )
        self.refusals = make.counters(
            "gateway_refusals", "Refusals of our credentials or rights: an alarm.", "failure"
        )
        self.pauses = make.counter("gateway_pauses", "Pauses that the gateway asked for.")
        self.left_out = make.counter("gateway_badges_left_out", "Badges that can't be read.")
        self.warnings = make.counter("gateway_warnings", "Warnings in good answers.")
        self.tokens = make.counters(
            "gateway_token_fetches", "Tokens wanted, after all retries.", "result"
        )
        self.keys = make.counters("issuer_keys_failures", "Key sets that can't be had.", "issuer")
        # There from the start, so that an alert sees the first one.
        for failure in Failure:
            self.fetches[failure.value,].inc(0)
            self.retries[failure.value,].inc(0)
            self.tokens[failure.value,].inc(0)
        self.tokens["ok",].inc(0)
        for refused in (Failure.CREDENTIALS_REFUSED, Failure.FORBIDDEN):
            self.refusals[refused.value,].inc(0)


class StoreMetrics:
    """What is measured of the cache's store, and of what comes out of it."""

    def __init__(self, make: Maker) -> None:
        self.operations = make.histograms(
            "store_operation_duration_seconds",
            "Time of an operation of the cache's store; unavailable is an outage, not a miss.",
            *("operation", "result"),
            buckets=_SHORT,
        )
        self.batches = make.histogram(
            "store_read_batch_entries", "Entries read in one round trip.", buckets=_SIZES
        )
        self.rejected = make.counter(
            "cache_entries_rejected", "Entries that did not open where they lay: an alarm."
        )
        self.from_the_future = make.counter(
            "cache_entries_from_the_future", "Entries fetched later than now: a clock is wrong."
        )


class Metrics:
    """All that one service measures. `app.adapters.observer` says when."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._make = make = Maker(self._registry)
        self.requests = RequestMetrics(make)
        self.gateway = GatewayMetrics(make)
        self.store = StoreMetrics(make)
        self.loop_lag = make.histogram(
            "event_loop_lag_seconds",
            "How much later than it asked for a task was woken.",
            buckets=_SHORT,
        )
        self._circuits = make.gauges(
            "circuit_state",
            "1 for the state that a circuit is in, 0 for the others.",
            *("circuit", "state"),
        )
        for name in ("gateway", "store"):
            self.circuit_changed(name, Circuit.CLOSED)
        builds = make.gauges("build_info", "What runs here.", "version", "python_version")
        builds[__version__, python_version()].set(1)

    def circuit_changed(self, name: str, state: Circuit) -> None:
        """Keep the state of a circuit, which tells of each of its changes."""
        for each in Circuit:
            self._circuits[name, each.value].set(each is state)

    def watch(self, watched: Watched) -> None:
        """Read states at each exposition."""
        for name, text, read in (
            ("http_requests_in_flight", "Badges requests under way.", watched.requests_in_flight),
            ("misses_in_flight", "Requests waiting for the gateway.", watched.misses_in_flight),
            ("gateway_queue_calls", "Calls waiting for their turn.", watched.gateway_queue),
            ("gateway_pause_seconds", "Until the gateway may be asked.", watched.gateway_pause),
            ("gateway_token_age_seconds", "Age of the token; NaN: none.", _age(watched.token_age)),
            ("ready", "Whether this process wants traffic.", watched.ready),
        ):
            self._make.gauge(name, text).set_function(read)

    def expose(self, accept: str) -> tuple[bytes, str]:
        """Write all metrics in the form that an Accept header prefers; return it with its type."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # what it makes of a version that is none
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type


def _age(read: Callable[[], float | None]) -> Callable[[], float]:
    """Give what has no age a number that no comparison is true of."""

    def age() -> float:
        seconds = read()
        return float("nan") if seconds is None else seconds

    return age
