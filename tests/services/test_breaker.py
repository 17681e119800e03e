"""The circuit breaker."""

import pytest

from app.services.breaker import Breaker, BreakerPolicy, Circuit

POLICY = BreakerPolicy(failures=3, first_pause=0.5, longest_pause=10.0)


class Timer:
    """A time that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def timer() -> Timer:
    """Make the time."""
    return Timer()


@pytest.fixture
def seen() -> list[Circuit]:
    """Make the list of the states that were told of."""
    return []


@pytest.fixture
def breaker(timer: Timer, seen: list[Circuit]) -> Breaker:
    """Make a breaker that is closed."""
    return Breaker(POLICY, timer=timer, changed=seen.append)


def fail(breaker: Breaker, times: int) -> None:
    """Let it fail a few times in a row."""
    for _ in range(times):
        breaker.failed(breaker.era)


def test_it_opens_after_a_few_failures_in_a_row(breaker: Breaker, seen: list[Circuit]) -> None:
    """A success in between starts the count anew."""
    fail(breaker, 2)
    assert breaker.in_doubt
    breaker.succeeded(breaker.era)
    assert not breaker.in_doubt
    fail(breaker, 2)
    assert breaker.lets_pass()

    breaker.failed(breaker.era)

    assert not breaker.lets_pass()
    assert breaker.pause_left == 0.5
    assert seen == [Circuit.OPEN]


def test_one_probe_a_pause_which_doubles(breaker: Breaker, timer: Timer) -> None:
    """After a pause one may try; if it fails the pause is twice as long, up to the longest."""
    fail(breaker, 3)
    for pause in (0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        timer.now += pause - 0.01
        assert not breaker.lets_pass()
        timer.now += 0.02
        assert [breaker.lets_pass() for _ in range(3)] == [True, False, False]
        breaker.failed(breaker.era)


def test_what_ends_late_changes_nothing(breaker: Breaker, timer: Timer) -> None:
    """A crowd that was under way when the circuit opened says nothing of what came after."""
    before = breaker.era
    fail(breaker, 3)
    late = [breaker.failed] * 50 + [breaker.succeeded]

    for tell in late:
        tell(before)
    assert breaker.pause_left == 0.5
    timer.now += 0.5
    assert breaker.lets_pass()
    for tell in late:
        tell(before)
    breaker.succeeded(breaker.era)
    for tell in late:
        tell(before)

    assert breaker.lets_pass()
    assert not breaker.in_doubt


def test_a_probe_that_never_comes_back(breaker: Breaker, timer: Timer) -> None:
    """It holds nobody up for longer than a pause."""
    fail(breaker, 3)
    timer.now += 0.5
    assert breaker.lets_pass()
    assert not breaker.lets_pass()

    timer.now += 0.5
    assert breaker.lets_pass()


def test_a_good_probe_closes_it(breaker: Breaker, timer: Timer, seen: list[Circuit]) -> None:
    """All may pass again, and the next pause is short."""
    fail(breaker, 3)
    timer.now += 0.5
    assert breaker.lets_pass()
    breaker.failed(breaker.era)
    timer.now += 1
    assert breaker.lets_pass()

    breaker.succeeded(breaker.era)

    assert breaker.lets_pass()
    assert breaker.pause_left == 0
    fail(breaker, 3)
    assert breaker.pause_left == 0.5
    probed = [Circuit.OPEN, Circuit.HALF_OPEN]
    assert seen == [*probed, *probed, Circuit.CLOSED, Circuit.OPEN]
