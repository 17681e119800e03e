"""The bulkhead: so many at a time, so many waiting, and no more."""

import asyncio

import pytest

from app.domain.failures import Failure, GatewayError
from app.services.bulkhead import Bulkhead


class Calls:
    """Calls that last until they are told to end, behind a bulkhead."""

    def __init__(self, bulkhead: Bulkhead) -> None:
        self.bulkhead = bulkhead
        self.gate = asyncio.Event()
        self.under_way = self.most = 0

    async def __call__(self) -> None:
        """Make one."""
        async with self.bulkhead:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await self.gate.wait()
            self.under_way -= 1


async def test_so_many_at_a_time_and_so_many_waiting() -> None:
    """Whoever comes when the queue is full is told at once; all others have their turn."""
    calls = Calls(Bulkhead(calls=2, queue=3))
    tasks = [asyncio.create_task(calls()) for _ in range(5)]
    await asyncio.sleep(0)
    assert (calls.under_way, calls.bulkhead.waiting) == (2, 3)

    with pytest.raises(GatewayError) as raised:
        await calls()
    calls.gate.set()
    await asyncio.gather(*tasks)

    assert raised.value.failure is Failure.OVERLOADED
    assert (calls.most, calls.under_way, calls.bulkhead.waiting) == (2, 0, 0)


async def test_whoever_leaves_makes_room() -> None:
    """Neither one who is cancelled at work nor one who is cancelled in the queue keeps a place."""
    calls = Calls(Bulkhead(calls=1, queue=1))
    for _ in range(3):
        tasks = [asyncio.create_task(calls()) for _ in range(2)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert calls.bulkhead.waiting == 0

    calls.gate.set()
    await asyncio.gather(calls(), calls())
