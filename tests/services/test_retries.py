"""Retries: which calls are made again, how often, until when, and what all of them may cost."""

import asyncio

import pytest
from house import TestClock
from hypothesis import given
from hypothesis import strategies as st

from app.domain.failures import Failure, GatewayError
from app.services.retries import RESERVE, SHARE, Retries, RetryBudget


class Upstream:
    """Fails in the ways it is told, one call after another, and then succeeds."""

    def __init__(self, *failures: Failure) -> None:
        self.failures = list(failures)
        self.calls = 0
        self.retried: list[Failure] = []

    def gateway_retried(self, error: GatewayError) -> None:
        """Be told of a retry."""
        self.retried.append(error.failure)

    async def call(self) -> str:
        """Fail or succeed."""
        self.calls += 1
        if self.failures:
            raise GatewayError(self.failures.pop(0))
        return "done"


def retries(upstream: Upstream, *, most: int = 2, budget: RetryBudget | None = None) -> Retries:
    """Make retries with as good as any budget."""
    return Retries(most=most, budget=budget or RetryBudget(timer=TestClock()), observer=upstream)


def soon() -> float:
    """Return a deadline that no test reaches, in the loop's time."""
    return asyncio.get_running_loop().time() + 5


@pytest.mark.parametrize(
    ("failures", "most", "calls"),
    [
        ([Failure.UNREACHABLE] * 2, 2, 3),
        ([Failure.UNREACHABLE], 1, 2),
        ([Failure.SERVER_ERROR], 2, 2),
        ([Failure.TOKEN_REJECTED], 0, 2),
        ([Failure.TOKEN_REJECTED, Failure.UNREACHABLE], 2, 3),
        ([Failure.UNREACHABLE, Failure.TOKEN_REJECTED], 1, 3),
        ([Failure.UNREACHABLE, Failure.TOKEN_REJECTED, Failure.UNREACHABLE], 2, 4),
    ],
)
async def test_what_may_be_retried_succeeds_in_the_end(
    failures: list[Failure], most: int, calls: int
) -> None:
    """As often as the table and the configuration allow; a replay is owed whatever they say."""
    upstream = Upstream(*failures)

    assert await retries(upstream, most=most).run(upstream.call, until=soon()) == "done"
    assert upstream.calls == calls
    assert upstream.retried == failures


@pytest.mark.parametrize(
    ("failures", "most", "calls"),
    [
        ([Failure.UNREACHABLE] * 9, 2, 3),
        ([Failure.UNREACHABLE] * 9, 0, 1),
        ([Failure.SERVER_ERROR] * 9, 2, 2),
        ([Failure.TOKEN_REJECTED] * 9, 2, 2),
        ([Failure.TIMEOUT] * 9, 2, 1),
        ([Failure.WRONG_SHAPE] * 9, 2, 1),
    ],
)
async def test_the_last_failure_is_told(failures: list[Failure], most: int, calls: int) -> None:
    """No call is made more often than allowed."""
    upstream = Upstream(*failures)

    with pytest.raises(GatewayError) as raised:
        await retries(upstream, most=most).run(upstream.call, until=soon())

    assert (raised.value.failure, upstream.calls) == (failures[0], calls)


async def test_time_that_ran_out_is_a_timeout() -> None:
    """A call that is still under way at the deadline is cancelled."""
    cancelled = False

    async def hang() -> None:
        nonlocal cancelled
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled = True
            raise

    until = asyncio.get_running_loop().time() + 0.01
    with pytest.raises(GatewayError) as raised:
        await retries(Upstream()).run(hang, until=until)

    assert (raised.value.failure, cancelled) == (Failure.TIMEOUT, True)


async def test_no_retry_that_would_end_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no time left to wait for a retry, the failure is told at once."""
    monkeypatch.setattr("app.services.retries.random.uniform", lambda _, bound: bound)
    upstream = Upstream(*[Failure.UNREACHABLE] * 9)

    until = asyncio.get_running_loop().time() + 0.15
    with pytest.raises(GatewayError) as raised:
        await retries(upstream).run(upstream.call, until=until)

    assert (raised.value.failure, upstream.calls) == (Failure.UNREACHABLE, 2)


async def test_without_budget_there_is_no_retry() -> None:
    """What was saved up is spent by the first callers who fail."""
    budget = RetryBudget(timer=lambda: 0.0)
    calls = []
    for _ in range(20):
        upstream = Upstream(*[Failure.SERVER_ERROR] * 9)
        with pytest.raises(GatewayError):
            await retries(upstream, budget=budget).run(upstream.call, until=soon())
        calls.append(upstream.calls)

    # There is a reserve of ten, and each request brings a fifth of a retry.
    assert sum(calls) == 20 + 10 + SHARE * 20
    assert calls[:10] == [2] * 10


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 30), st.integers(0, 60))))
def test_the_budget_is_a_fifth_and_a_little(steps: list[tuple[float, int, int]]) -> None:
    """Whatever comes when: never more than a fifth of the requests, ten, and three a second."""
    now = 0.0
    budget = RetryBudget(timer=lambda: now)
    requests = granted = 0
    for seconds, deposits, withdrawals in steps:
        now += seconds
        for _ in range(deposits):
            budget.deposit()
        requests += deposits
        granted += sum(budget.withdraw() for _ in range(withdrawals))
        assert granted <= 10 + SHARE * requests + RESERVE * now + 1e-6


def test_a_quiet_service_may_still_retry() -> None:
    """A budget that is spent fills up again by itself."""
    now = 0.0
    budget = RetryBudget(timer=lambda: now)
    while budget.withdraw():
        pass

    now += 1.01

    assert [budget.withdraw() for _ in range(4)] == [True, True, True, False]


def test_what_is_saved_has_a_bound() -> None:
    """After however many requests that went well, a moment of failure brings no flood."""
    budget = RetryBudget(timer=lambda: 0.0)
    for _ in range(10_000):
        budget.deposit()

    assert sum(budget.withdraw() for _ in range(1000)) == 110
