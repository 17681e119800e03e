"""A circuit breaker: after a few failures in a row, nothing is tried for a while."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Circuit(StrEnum):
    """The states of a circuit: all may pass, nobody may, one may."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """After how many failures in a row a circuit opens, and for how long, in seconds.

    The pause doubles with each probe that fails, from the first to the longest.
    """

    failures: int
    first_pause: float
    longest_pause: float


class Breaker:
    """Opens after a few failures in a row; then one probe a pause, until one succeeds.

    An attempt is told of by the `era` in which it began: what ends in a later one says nothing of
    the present. `timer` tells monotonic time in seconds; `changed` is told of each new state.
    """

    def __init__(
        self,
        policy: BreakerPolicy,
        *,
        timer: Callable[[], float],
        changed: Callable[[Circuit], None],
    ) -> None:
        self._policy = policy
        self._timer = timer
        self._changed = changed
        self._state = Circuit.CLOSED
        self._failures = 0
        self.era = 0
        self._pause = policy.first_pause
        self._probe_at = 0.0

    @property
    def pause_left(self) -> float:
        """Until something may be tried, in seconds; 0 if it may be now."""
        if self._state is Circuit.CLOSED:
            return 0.0
        return max(0.0, self._probe_at - self._timer())

    @property
    def in_doubt(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def lets_pass(self) -> bool:
        """Whether to try now; while it is open, only the first who asks after a pause may."""
        if self._state is Circuit.CLOSED:
            return True
        if self.pause_left:
            return False
        # The probe has this pause to come back; if it never does, the next one may try.
        self._probe_at = self._timer() + self._pause
        self._turn(Circuit.HALF_OPEN)
        return True

    def succeeded(self, era: int) -> None:
        """Close: all is well."""
        if era != self.era:
            return
        self._failures = 0
        self._pause = self._policy.first_pause
        self._turn(Circuit.CLOSED)

    def failed(self, era: int) -> None:
        """Count a failure, and open if there were enough."""
        if era != self.era:
            return
        self._failures += 1
        if self._state is Circuit.HALF_OPEN:
            self._pause = min(self._pause * 2, self._policy.longest_pause)
            self._open()
        elif self._failures >= self._policy.failures:
            self._open()

    def _open(self) -> None:
        self._probe_at = self._timer() + self._pause
        self._turn(Circuit.OPEN)

    def _turn(self, state: Circuit) -> None:
        if state is not self._state:
            self._state = state
            self.era += 1
            self._changed(state)
