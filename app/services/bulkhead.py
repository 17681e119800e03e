"""A bulkhead: so many calls at a time, so many waiting, and no more."""

import asyncio
from types import TracebackType

from app.domain.failures import Failure, GatewayError


class Bulkhead:
    """Lets at most `calls` calls be made at a time; at most `queue` more wait for their turn."""

    def __init__(self, *, calls: int, queue: int) -> None:
        self._turns = asyncio.Semaphore(calls)
        self._queue = queue
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self._waiting

    async def __aenter__(self) -> None:
        """Wait for one's turn.

        Raises:
            GatewayError: too many wait already.

        """
        if self._turns.locked() and self._waiting >= self._queue:
            raise GatewayError(Failure.OVERLOADED)
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the next one in."""
        self._turns.release()
