"""Reads of one tick of the event loop go out together.

One GET costs many times its share of an MGET, in any Python client. Alone, a read goes out in the
next tick and costs nothing worth having.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from app.services.ports import Reading

Names = tuple[str, str]
Fetch = Callable[[Sequence[Names]], Awaitable[Sequence[bytes | None]]]


class BatchedReads:
    """Collects reads of entries and epochs, and fetches those of a tick at once.

    `fetch` returns two values for each pair of names: the entry's and the epoch's.

    Equal reads share one answer. A read joins only a batch that was not yet sent: what is answered
    was in the store after the read was asked for. A cancelled reader disturbs nobody.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
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
        """Wait for the batches under way; each of them has an end."""
        await asyncio.gather(*self._batches, return_exceptions=True)

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, {}
        batch = asyncio.create_task(self._answer(waiting))
        self._batches.add(batch)
        batch.add_done_callback(self._batches.discard)

    async def _answer(self, waiting: dict[Names, list[asyncio.Future[Reading]]]) -> None:
        try:
            values = await self._fetch(tuple(waiting))
        # Whatever it is, nobody must be left waiting.
        except Exception as error:  # noqa: BLE001
            for waiter in (waiter for waiters in waiting.values() for waiter in waiters):
                if not waiter.done():
                    waiter.set_exception(error)
            return
        for index, waiters in enumerate(waiting.values()):
            reading = Reading(values[2 * index], values[2 * index + 1])
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(reading)
