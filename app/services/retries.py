"""Retries: only where the failure table allows them, within a deadline and a budget."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.domain.failures import Failure, GatewayError, Retry
from app.services.ports import Observer

T = TypeVar("T")

SHARE = 0.2
RESERVE = 3.0
_MOST_SAVED = 100.0
_MOST_RESERVED = 10.0
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 1.0


class RetryBudget:
    """What retries may cost: `SHARE` of the requests, and `RESERVE` a second whatever comes.

    A failing gateway must not see much more than its normal traffic. What is not used is saved, for
    at most a hundred retries of a moment in which much fails at once, and ten of the reserve.
    `timer` tells monotonic time in seconds.
    """

    def __init__(self, *, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._seen_at = timer()
        self._saved = 0.0
        self._reserved = _MOST_RESERVED

    def deposit(self) -> None:
        """Count a request."""
        self._saved = min(_MOST_SAVED, self._saved + SHARE)

    def withdraw(self) -> bool:
        """Take a retry out; whether there was one."""
        now = self._timer()
        earned = RESERVE * (now - self._seen_at)
        self._reserved, self._seen_at = min(_MOST_RESERVED, self._reserved + earned), now
        if self._saved >= 1:
            self._saved -= 1
        elif self._reserved >= 1:
            self._reserved -= 1
        else:
            return False
        return True


class Retries:
    """Makes a call, and again where that may help: at most `most` times.

    A replay after a rejected token is owed once, at once, whatever `most` says and whatever was
    retried before; but it is paid from the same budget.
    """

    def __init__(self, *, most: int, budget: RetryBudget, observer: Observer) -> None:
        self._most = most
        self._budget = budget
        self._observer = observer

    async def run(self, call: Callable[[], Awaitable[T]], *, until: float) -> T:
        """Make a call until it succeeds or may not be retried; `until` is in the loop's time.

        Raises:
            GatewayError: the last failure, or that time ran out.

        """
        self._budget.deposit()
        try:
            async with asyncio.timeout_at(until):
                return await self._repeat(call, until)
        except TimeoutError as error:
            raise GatewayError(Failure.TIMEOUT) from error

    async def _repeat(self, call: Callable[[], Awaitable[T]], until: float) -> T:
        done = {False: 0, True: 0}
        while True:
            try:
                return await call()
            except GatewayError as error:
                replay = error.treatment.retry is Retry.REPLAY
                if done[replay] >= self._allowed(error):
                    raise
                delay = 0.0 if replay else _jittered(done[replay])
                in_time = asyncio.get_running_loop().time() + delay < until
                if not in_time or not self._budget.withdraw():
                    raise
                self._observer.gateway_retried(error)
            await asyncio.sleep(delay)
            done[replay] += 1

    def _allowed(self, error: GatewayError) -> int:
        match error.treatment.retry:
            case Retry.NO:
                return 0
            case Retry.REPLAY:
                return 1
            case Retry.ONCE:
                return min(1, self._most)
            case Retry.YES:
                return self._most


def _jittered(done: int) -> float:
    """Full jitter: anything up to a bound that doubles, in seconds."""
    bound = min(_FIRST_DELAY * 2**done, _LONGEST_DELAY)
    return random.uniform(0, bound)  # noqa: S311 - spreads load, hides nothing
