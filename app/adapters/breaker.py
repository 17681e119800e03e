"""A circuit breaker: after a few failures in a row, nothing is tried for a while."""

from collections.abc import Callable

_FAILURES = 3
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0


class Breaker:
    """Opens after `_FAILURES` failures in a row; then one probe a pause, which doubles.

    `timer` tells monotonic time in seconds.
    """

    def __init__(self, *, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._failures = 0
        self._pause = _FIRST_PAUSE
        self._closed_again_at = 0.0

    @property
    def lets_pass(self) -> bool:
        """Whether to try; while it is open, only the first who asks after a pause may."""
        if self._failures < _FAILURES:
            return True
        now = self._timer()
        if now < self._closed_again_at:
            return False
        # The probe has this pause to come back; who asks meanwhile waits for its outcome.
        self._closed_again_at = now + self._pause
        return True

    def succeeded(self) -> None:
        """Close: all is well."""
        self._failures = 0
        self._pause = _FIRST_PAUSE

    def failed(self) -> None:
        """Count a failure, and open if there were enough."""
        self._failures += 1
        if self._failures == _FAILURES:
            self._closed_again_at = self._timer() + self._pause
        elif self._failures > _FAILURES:
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            self._closed_again_at = self._timer() + self._pause
