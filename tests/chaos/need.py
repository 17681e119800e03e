"""How many badges calls this traffic would need if nothing failed, and how many are allowed."""

from collections import Counter
from dataclasses import dataclass

RETRIED, RETRIES_A_SECOND = 0.3, 3.0
WINDOW = 10
"""Calls are judged over every so many seconds, so that a storm is not paid for by a lull."""

_YOUNGEST = 0.9
# A call may come so many seconds after the request that needs it.
_BEHIND = 2


def calls_allowed(needed: int, seconds: float) -> float:
    """Return how many calls there may be under failure.

    The retry budget is 20 % of recent requests, at least three a second; a tenth more is for those
    that fall between two counts.
    """
    return needed + max(RETRIED * needed, RETRIES_A_SECOND * seconds)


@dataclass(frozen=True, slots=True)
class Window:
    """What was called in `WINDOW` seconds, what was needed, and what was allowed."""

    calls: int
    needed: int

    @property
    def allowed(self) -> float:
        """How many calls there might be."""
        return calls_allowed(self.needed, WINDOW)

    @property
    def share(self) -> float:
        """How much of that was used."""
        return self.calls / self.allowed

    def __str__(self) -> str:
        return (
            f"at worst {self.calls} calls in {WINDOW} s where {self.needed} were needed "
            f"and {self.allowed:.0f} allowed"
        )


class Need:
    """Counts the calls that a cache would need whose gateway always answers, and those made.

    An entry is fetched anew when it is asked for after `fresh_for` seconds, less a tenth, which
    is the service's jitter. What the store lost has to be fetched again. All times are in Unix
    seconds.
    """

    def __init__(self, *, fresh_for: float) -> None:
        self._life = fresh_for * _YOUNGEST
        self._fetched: dict[tuple[int, int], float] = {}
        self._needed: Counter[int] = Counter()
        self._called: Counter[int] = Counter()

    @property
    def calls(self) -> int:
        """How many calls would have been needed in all."""
        return self._needed.total()

    def asked(self, key: tuple[int, int], at: float) -> None:
        """Somebody asks for an entry."""
        fetched_at = self._fetched.get(key)
        if fetched_at is None or at - fetched_at >= self._life:
            self._needed[int(at)] += 1
            self._fetched[key] = at

    def lost(self) -> None:
        """All entries are out of reach, or gone."""
        self._fetched.clear()

    def called(self, at: float, calls: int) -> None:
        """The gateway was called so many times just now."""
        self._called[int(at)] += calls

    @property
    def worst(self) -> Window:
        """The window in which the largest share of what was allowed was used."""
        windows = (self._window(second) for second in self._called)
        return max(windows, key=lambda window: window.share, default=Window(0, 0))

    def _window(self, first: int) -> Window:
        end = first + WINDOW
        return Window(
            calls=sum(self._called[second] for second in range(first, end)),
            needed=sum(self._needed[second] for second in range(first - _BEHIND, end)),
        )
