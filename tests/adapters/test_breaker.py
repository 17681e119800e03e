"""The circuit breaker of the store."""

from app.adapters.breaker import Breaker


class Timer:
    """A time that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_it_opens_after_three_failures_in_a_row() -> None:
    """A success in between starts the count anew."""
    breaker = Breaker(timer=Timer())
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    for _ in range(2):
        breaker.failed()
    assert breaker.lets_pass

    breaker.failed()

    assert not breaker.lets_pass


def test_one_probe_a_pause_which_doubles() -> None:
    """After a pause one may try; if it fails the pause is twice as long, up to ten seconds."""
    timer = Timer()
    breaker = Breaker(timer=timer)
    for _ in range(3):
        breaker.failed()
    for pause in (0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        timer.now += pause - 0.01
        assert not breaker.lets_pass
        timer.now += 0.02
        assert [breaker.lets_pass for _ in range(3)] == [True, False, False]
        breaker.failed()


def test_a_good_probe_closes_it() -> None:
    """All may pass again, and the next pause is short."""
    timer = Timer()
    breaker = Breaker(timer=timer)
    for _ in range(5):
        breaker.failed()
    timer.now += 5
    assert breaker.lets_pass

    breaker.succeeded()

    assert breaker.lets_pass
    for _ in range(3):
        breaker.failed()
    timer.now += 0.5
    assert breaker.lets_pass
