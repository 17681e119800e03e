"""How much is done at the same time in this process, and when it is too much."""

from types import TracebackType
from typing import Self


class OverloadedError(Exception):
    """As much is under way as may be: nothing more is begun now."""


class InFlight:
    """Counts what is under way, at most `limit` at a time: `with in_flight:` around each of it.

    Neither entering nor leaving waits, so no cancellation can come between a count and its
    counterpart. One object serves all callers; they may enter and leave in any order.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0

    @property
    def count(self) -> int:
        """How many are under way now."""
        return self._count

    def __enter__(self) -> Self:
        """Begin one more.

        Raises:
            OverloadedError: the limit is reached; nothing was counted.

        """
        if self._count >= self._limit:
            raise OverloadedError
        self._count += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End one, however it ended."""
        self._count -= 1
