"""Reads of one tick of the event loop go out together.

One GET costs many times its share of an MGET, in any Python client. Alone, a read goes out in the
next tick and costs nothing worth having.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from app.services.ports import Reading, StoreUnavailableError

Names = tuple[str, str]
Fetch = Callable[[Sequence[Names]], Awaitable[Sequence[bytes | None]]]


@dataclass(slots=True)
class _Batch:
    """The reads of one tick, and those who wait for them."""

    waiting: dict[Names, list[asyncio.Future[Reading]]]
    timer: asyncio.TimerHandle | None = None
    over: bool = False

    def deliver(self, values: Sequence[bytes | None]) -> None:
        """Hand out two values for each pair of names."""
        for index, waiters in enumerate(self.waiting.values()):
            reading = Reading(values[2 * index], values[2 * index + 1])
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(reading)

    def fail(self, error: Exception) -> None:
        """Tell everybody that there is no answer."""
        for waiter in (waiter for waiters in self.waiting.values() for waiter in waiters):
            if not waiter.done():
                waiter.set_exception(error)


class BatchedReads:
    """Collects reads of entries and epochs, and fetches those of a tick at once.

    `fetch` returns two values for each pair of names: the entry's and the epoch's. Nobody waits
    for it longer than `timeout` seconds; it is not cancelled then, but ends by itself. `succeeded`
    and `failed` are told of each batch.

    Equal reads share one answer. A read joins only a batch that was not yet sent: what is answered
    was in the store after the read was asked for. A cancelled reader disturbs nobody.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        timeout: float,
        succeeded: Callable[[], None],
        failed: Callable[[], None],
    ) -> None:
        self._fetch = fetch
        self._timeout = timeout
        self._succeeded = succeeded
        self._failed = failed
        self._waiting: dict[Names, list[asyncio.Future[Reading]]] = {}
        self._batches: set[asyncio.Task[None]] = set()

    async def read(self, name: str, epoch_name: str) -> Reading:
        """Read an entry and its epoch."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._send)
        waiter: asyncio.Future[Reading] = loop.create_future()
        self._waiting.setdefault((name, epoch_name), []).append(waiter)
        return await waiter

    async def close(self) -> None:
        """End the batches under way."""
        for batch in self._batches:
            batch.cancel()
        await asyncio.gather(*self._batches, return_exceptions=True)

    def _send(self) -> None:
        batch = _Batch(self._waiting)
        self._waiting = {}
        loop = asyncio.get_running_loop()
        batch.timer = loop.call_later(self._timeout, self._give_up, batch)
        task = loop.create_task(self._answer(batch))
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _answer(self, batch: _Batch) -> None:
        try:
            values = await self._fetch(tuple(batch.waiting))
        # Whatever it is (redis-py has errors outside of its own family), nobody is left waiting.
        except Exception:  # noqa: BLE001
            self._give_up(batch)
        else:
            if not batch.over:
                batch.over = True
                self._succeeded()
                batch.deliver(values)
        finally:
            if batch.timer is not None:
                batch.timer.cancel()

    def _give_up(self, batch: _Batch) -> None:
        if not batch.over:
            batch.over = True
            self._failed()
            batch.fail(StoreUnavailableError())
