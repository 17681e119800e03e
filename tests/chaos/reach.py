"""When the service had its store in reach, as far as that shows from outside."""

from collections import deque


class Reach:
    """Spells in which the service had the store in reach, by what it answered; Unix seconds.

    A spell begins with an answer that can only come with the store, and ends when something happens
    to it, or when the service says that it could not read.
    """

    def __init__(self) -> None:
        self._spells: deque[tuple[float, float]] = deque(maxlen=32)
        self._since: float | None = None
        self.well_since: float | None = 0.0
        self.unprovoked = 0

    def left(self, at: float) -> None:
        """Something begins to happen to the store."""
        self._lose(at)
        self.well_since = None

    def healed(self, at: float) -> None:
        """It is well again."""
        self.well_since = at

    def failed(self, at: float) -> bool:
        """The service could not read; tells whether it had it in reach until now."""
        if self._since is None:
            return False
        self.unprovoked += 1
        self.well_since = at
        self._lose(at)
        return True

    def reached(self, started: float, ended: float) -> bool:
        """An answer came from the store; tells whether the spell begins with it."""
        if self._since is not None or self.well_since is None or started <= self.well_since:
            return False
        self._since = ended
        return True

    def held(self, started: float, ended: float) -> bool:
        """Whether the store was in reach all the time from start to end."""
        if self._since is not None and self._since <= started:
            return True
        return any(since <= started and ended < until for since, until in self._spells)

    def missed_for(self, now: float) -> float:
        """For how long the store has been well and not been used, in seconds."""
        waiting = self._since is None and self.well_since is not None
        return now - (self.well_since or now) if waiting else 0.0

    def _lose(self, at: float) -> None:
        if self._since is not None:
            self._spells.append((self._since, at))
        self._since = None
