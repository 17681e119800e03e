"""What the adapters measure: each notice, the store's operations, the event loop."""

import asyncio
import io
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from programs import program
from prometheus_client.parser import text_string_to_metric_families
from simulation import VirtualLoop, VirtualTime

from app.adapters.logs import Log
from app.adapters.loop_lag import EVERY, watch_loop_lag
from app.adapters.memory_store import MemoryStore
from app.adapters.metrics import Metrics, Watched
from app.adapters.observed_store import ObservedStore
from app.adapters.observer import LogAndMetrics
from app.domain.failures import Failure, GatewayError
from app.services.breaker import Circuit
from app.services.no_tracer import NoTracer
from app.services.ports import Reading, StoreUnavailableError
from app.services.records import RequestRecord

FAILED = GatewayError(Failure.UNREACHABLE, request_id="r-1")


def observer_of(metrics: Metrics) -> LogAndMetrics:
    """Make an observer whose log goes nowhere."""
    return LogAndMetrics(Log(log_format="json", level="debug", stream=io.BytesIO()), metrics)


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples with those labels."""
    body, _ = metrics.expose("")
    return sum(
        sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.name == f"badges_bff_{name}" and sample.labels.items() >= labels.items()
    )


def answered(**facts: Any) -> RequestRecord:
    """Make the record of a request that went well."""
    return RequestRecord(
        level="info", method="GET", route="/me/badges", request_id="r-1", status=200, **facts
    )


def states(**overrides: float) -> Watched:
    """Make states that are all 0, but for some."""
    names = ("requests_in_flight", "misses_in_flight", "gateway_queue", "gateway_pause", "ready")
    values = dict.fromkeys((*names, "token_age"), 0.0) | overrides
    return Watched(**{name: (lambda held=held: held) for name, held in values.items()})


@pytest.mark.parametrize(
    ("notice", "metric", "labels"),
    [
        (
            lambda to: to.store_asked("read", 0.01, answered=True),
            "store_operation_duration_seconds_count",
            {"operation": "read", "result": "ok"},
        ),
        (
            lambda to: to.store_asked("read", 0.01, answered=False),
            "store_operation_duration_seconds_count",
            {"operation": "read", "result": "unavailable"},
        ),
        (lambda to: to.entries_read(1, 0.001, answered=True), "store_read_batch_entries_sum", {}),
        (lambda to: to.entry_rejected("n"), "cache_entries_rejected_total", {}),
        (lambda to: to.entry_from_the_future(), "cache_entries_from_the_future_total", {}),
        (
            lambda to: to.gateway_called("ok", 0.1),
            "gateway_call_duration_seconds_count",
            {"result": "ok"},
        ),
        (lambda to: to.gateway_failed(FAILED), "gateway_fetches_total", {"result": "unreachable"}),
        (lambda to: to.token_fetched(), "gateway_token_fetches_total", {"result": "ok"}),
        (
            lambda to: to.token_failed(FAILED),
            "gateway_token_fetches_total",
            {"result": "unreachable"},
        ),
        (
            lambda to: to.gateway_refused(FAILED),
            "gateway_refusals_total",
            {"failure": "unreachable"},
        ),
        (lambda to: to.gateway_paused(3), "gateway_pauses_total", {}),
        (
            lambda to: to.gateway_retried(FAILED),
            "gateway_retries_total",
            {"failure": "unreachable"},
        ),
        (
            lambda to: to.gateway_answered(request_id=None, left_out=1, warnings=0),
            "gateway_badges_left_out_total",
            {},
        ),
        (
            lambda to: to.gateway_answered(request_id=None, left_out=0, warnings=1),
            "gateway_warnings_total",
            {},
        ),
        (
            lambda to: to.gateway_answered(request_id=None, left_out=0, warnings=0),
            "gateway_fetches_total",
            {"result": "ok"},
        ),
        (
            lambda to: to.keys_failed("https://issuer"),
            "issuer_keys_failures_total",
            {"issuer": "https://issuer"},
        ),
        (
            lambda to: to.circuit_changed("store", Circuit.OPEN),
            "circuit_state",
            {"circuit": "store", "state": "open"},
        ),
    ],
)
def test_each_notice_moves_its_metric(
    notice: Callable[[LogAndMetrics], None], metric: str, labels: dict[str, str]
) -> None:
    """By one, and nothing moved it before."""
    metrics = Metrics()
    assert value(metrics, metric, **labels) == 0

    notice(observer_of(metrics))

    assert value(metrics, metric, **labels) == 1


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"cache": "miss", "age": 0.1}, "fetched"),
        ({"cache": "refetched", "age": 0.1}, "fetched"),
        ({"cache": "bypass", "age": 0.1}, "fetched"),
        ({"cache": "hit", "age": 7.0}, "fresh"),
        ({"cache": "hit", "age": 70.0, "stale_reason": "revalidating"}, "revalidating"),
        ({"cache": "stale-if-error", "age": 400.0, "stale_reason": "timeout"}, "timeout"),
    ],
)
def test_why_nothing_newer_was_served(facts: dict[str, Any], reason: str) -> None:
    """It is new, it is fresh, or something stood against it."""
    metrics = Metrics()

    metrics.requests.ended(answered(**facts))

    assert value(metrics, "served_age_seconds_sum", reason=reason) == facts["age"]
    assert value(metrics, "served_age_seconds_count") == 1


async def test_a_store_out_of_reach_is_an_outage_by_operation() -> None:
    """The error goes on to who asked, and is counted apart from answers."""

    class Away(MemoryStore):
        async def hold(self, *_: object, **__: object) -> bool:
            raise StoreUnavailableError

    metrics = Metrics()
    observer = observer_of(metrics)
    store = ObservedStore(Away(clock=lambda: 0.0), observer=observer, tracer=NoTracer())

    with pytest.raises(StoreUnavailableError):
        await store.hold("lock", b"me", ttl=1)
    assert await store.count("calls", window=60) == 1

    operations = "store_operation_duration_seconds_count"
    assert value(metrics, operations, operation="hold", result="unavailable") == 1
    assert value(metrics, operations, operation="count", result="ok") == 1
    assert value(metrics, operations) == 2


async def test_an_operation_whose_caller_left_is_not_counted() -> None:
    """How it would have ended nobody knows."""

    class Slow(MemoryStore):
        async def read(self, *_: object) -> Reading:
            return await asyncio.get_running_loop().create_future()

    metrics = Metrics()
    observer = observer_of(metrics)
    store = ObservedStore(Slow(clock=lambda: 0.0), observer=observer, tracer=NoTracer())
    reading = asyncio.ensure_future(store.read("a", "b"))
    await asyncio.sleep(0)

    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert value(metrics, "store_operation_duration_seconds_count") == 0


def test_a_busy_event_loop_shows() -> None:
    """A task that holds the loop up for a second delays the watching one by that much."""
    clock = VirtualTime()
    lags: list[float] = []

    async def scene() -> None:
        watching = asyncio.create_task(watch_loop_lag(lags.append))
        await asyncio.sleep(EVERY * 1.5)
        clock.now += 1.0
        await asyncio.sleep(EVERY)
        watching.cancel()

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        runner.run(scene())

    assert lags[:2] == [pytest.approx(0, abs=1e-3), pytest.approx(1 - EVERY / 2, abs=1e-3)]


def test_every_metric_there_can_be_is_well_formed() -> None:
    """With each notice given once, Prometheus's own tool has nothing to say."""
    promtool = program("promtool")
    metrics = Metrics()
    metrics.watch(states(gateway_pause=3.0))
    observer = observer_of(metrics)
    observer.store_asked("read", 0.01, answered=True)
    observer.gateway_called("ok", 0.1)
    observer.gateway_retried(FAILED)
    observer.token_fetched()
    observer.keys_failed("https://issuer")
    metrics.requests.ended(answered(cache="hit", age=1.0, problem="overloaded", webhook="taken"))

    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=metrics.expose("")[0],
        capture_output=True,
        check=False,
        timeout=30,
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
