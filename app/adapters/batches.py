"""Reads that come at about the same time go out together.

One GET costs many times its share of an MGET, in any Python client. Alone, a read goes out in the
next tick and costs nothing worth having. While a round trip is under way, reads gather for the next
one: the busier the service, the more share one. That saves a tenth of what a cached answer costs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Protocol

from app.services.breaker import Breaker
from app.services.ports import Reading, StoreUnavailableError

# So much of a time limit reads wait, besides, for the round trip before theirs, slow or lost.
_PATIENCE = 0.1

Names = tuple[str, str]
Fetch = Callable[[Sequence[Names]], Awaitable[Sequence[bytes | None]]]


class Told(Protocol):
    """Is told of a round trip: how many entries were read, in how many seconds, and whether."""

    def __call__(self, count: int, seconds: float, /, *, answered: bool) -> None: ...  # noqa: D102


def to_nobody(_count: int, _seconds: float, *, answered: bool) -> None:
    """Tell nobody of a round trip."""


class _Batch:
    """Reads that go out together, and those who wait for them."""

    __slots__ = ("began", "era", "loop", "over", "patience", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting: dict[Names, list[asyncio.Future[Reading]]] = {}
        self.over = False
        self.era = 0
        self.began = 0.0
        self.patience: asyncio.TimerHandle | None = None

    def deliver(self, values: Sequence[bytes | None]) -> None:
        """Hand out two values for each pair of names."""
        self.over = True
        taken = iter(values)
        for waiters, content, epoch in zip(self.waiting.values(), taken, taken, strict=True):
            reading = Reading(content, epoch)
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(reading)

    def fail(self) -> None:
        """Tell everybody that there is no answer."""
        self.over = True
        if self.patience is not None:
            self.patience.cancel()
        for waiter in (waiter for waiters in self.waiting.values() for waiter in waiters):
            if not waiter.done():
                waiter.set_exception(StoreUnavailableError())


class BatchedReads:
    """Collects reads of entries and epochs, and fetches many at once.

    `fetch` returns two values for each pair of names: the entry's and the epoch's. Nobody waits
    for it longer than `timeout` seconds; it is not cancelled then, but ends by itself. The breaker
    is told of each batch, and so is `told`.

    Equal reads share one answer. A read joins only a batch that was not yet sent: what is answered
    was in the store after the read was asked for. A cancelled reader disturbs nobody.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        timeout: float,
        breaker: Breaker,
        told: Told = to_nobody,
    ) -> None:
        self._fetch = fetch
        self._timeout = timeout
        self._breaker = breaker
        self._told = told
        self._collecting: _Batch | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._closed = False

    def read(self, name: str, epoch_name: str) -> asyncio.Future[Reading]:
        """Read an entry and its epoch.

        Raises:
            StoreUnavailableError: there was no answer in time, or an error; or this was closed.

        """
        batch = self._collecting or self._begin()
        waiter: asyncio.Future[Reading] = batch.loop.create_future()
        batch.waiting.setdefault((name, epoch_name), []).append(waiter)
        return waiter

    async def close(self) -> None:
        """End the batches under way, and the one not yet sent: their readers get an error."""
        self._closed = True
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._collecting is not None:
            self._collecting.fail()

    def _begin(self) -> _Batch:
        """Begin a batch, which is sent as soon as none is under way, or its patience ends."""
        if self._closed:
            raise StoreUnavailableError
        loop = asyncio.get_running_loop()
        self._collecting = batch = _Batch(loop)
        if self._under_way:
            batch.patience = loop.call_later(self._timeout * _PATIENCE, self._send, batch)
        else:
            self._send(batch)
        return batch

    def _send(self, batch: _Batch) -> None:
        """Send a batch. Its task takes its first step in the next tick: so long others may join.

        No other task could fetch it: a reader may leave, and a worker that lives on would have to
        be woken, which costs as much.
        """
        if batch.patience is not None:
            batch.patience.cancel()
        task = batch.loop.create_task(self._answer(batch))
        self._under_way.add(task)
        task.add_done_callback(partial(self._end, batch))

    async def _answer(self, batch: _Batch) -> None:
        self._collecting = None
        batch.era, batch.began = self._breaker.era, perf_counter()
        timer = batch.loop.call_later(self._timeout, self._give_up, batch)
        try:
            values = await self._fetch(tuple(batch.waiting))
        # Whatever it is (redis-py has errors outside of its own family), nobody is left waiting.
        except Exception:  # noqa: BLE001
            self._give_up(batch)
        else:
            if not batch.over:
                self._breaker.succeeded(batch.era)
                self._tell(batch, answered=True)
                batch.deliver(values)
        finally:
            timer.cancel()

    def _give_up(self, batch: _Batch) -> None:
        if not batch.over:
            self._breaker.failed(batch.era)
            self._tell(batch, answered=False)
            batch.fail()

    def _tell(self, batch: _Batch, *, answered: bool) -> None:
        self._told(len(batch.waiting), perf_counter() - batch.began, answered=answered)

    def _end(self, batch: _Batch, task: asyncio.Task[None]) -> None:
        """Leave nobody waiting whose batch was cancelled, be it before its first step."""
        self._under_way.discard(task)
        if self._collecting is batch:
            self._collecting = None
        if not batch.over:
            batch.fail()
        if self._collecting is not None and not self._under_way and not self._closed:
            self._send(self._collecting)
