"""Batches of reads: nobody who waits is left without an answer."""

import asyncio
from collections.abc import Sequence

import pytest

from app.adapters.batches import BatchedReads, Names
from app.services.ports import Reading, StoreUnavailableError


class Server:
    """Answers with what was asked for, or not at all."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Names]] = []
        self.answering = asyncio.Event()
        self.failures = 0
        self.era = 0

    async def fetch(self, names: Sequence[Names]) -> list[bytes | None]:
        """Answer when it is time."""
        self.asked.append(names)
        await self.answering.wait()
        return [name.encode() for pair in names for name in pair]

    def failed(self, _: int) -> None:
        """Count a batch that failed, as a breaker."""
        self.failures += 1

    def succeeded(self, _: int) -> None:
        """Be told of a batch that was answered."""


@pytest.fixture
def server() -> Server:
    """A server that does not answer yet."""
    return Server()


def reads_of(server: Server, *, timeout: float = 60.0) -> BatchedReads:
    """Make the batches of that server."""
    return BatchedReads(server.fetch, timeout=timeout, breaker=server)


async def tick() -> None:
    """Let all that is ready take a step."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_reads_of_a_tick_share_a_batch_and_later_ones_do_not(server: Server) -> None:
    """Equal reads are asked once; who comes when a batch was sent is in the next one."""
    reads = reads_of(server)
    first = [reads.read("a", "e"), reads.read("b", "e"), reads.read("a", "e")]
    await tick()
    second = reads.read("a", "e")
    await tick()
    server.answering.set()

    a, b = Reading(b"a", b"e"), Reading(b"b", b"e")
    assert await asyncio.gather(*first, second) == [a, b, a, a]
    assert server.asked == [(("a", "e"), ("b", "e")), (("a", "e"),)]


async def test_reads_gather_while_a_batch_is_under_way(server: Server) -> None:
    """However many ticks that takes; they go out as soon as it is answered, or has failed."""
    reads = reads_of(server)
    first = reads.read("a", "e")
    await tick()
    later = []
    for name in ("b", "c"):
        later.append(reads.read(name, "e"))
        await tick()
    assert server.asked == [(("a", "e"),)]

    server.answering.set()
    await first
    await tick()

    assert server.asked[1:] == [(("b", "e"), ("c", "e"))]
    assert await asyncio.gather(*later) == [Reading(b"b", b"e"), Reading(b"c", b"e")]


async def test_reads_do_not_wait_for_long_for_the_batch_before(server: Server) -> None:
    """It may be lost: they go out after a part of their time, once."""
    reads = reads_of(server, timeout=0.5)
    first = reads.read("a", "e")
    await tick()
    second = reads.read("b", "e")
    while len(server.asked) < 2:
        await asyncio.sleep(0.001)

    assert not first.done()
    server.answering.set()
    assert await asyncio.gather(first, second) == [Reading(b"a", b"e"), Reading(b"b", b"e")]
    await tick()
    assert server.asked == [(("a", "e"),), (("b", "e"),)]


async def test_who_leaves_disturbs_nobody(server: Server) -> None:
    """The others of the batch, even of the same read, get their answer."""
    reads = reads_of(server)
    leaving, staying = reads.read("a", "e"), reads.read("a", "e")
    leaving.cancel()
    server.answering.set()

    assert await staying == Reading(b"a", b"e")


async def test_closing_answers_those_who_wait(server: Server) -> None:
    """Be their batch on its way or not yet sent, they learn that the store is away, at once."""
    reads = reads_of(server)
    sent = reads.read("a", "e")
    await tick()
    unsent = reads.read("b", "e")

    await reads.close()

    for waiter in (sent, unsent):
        assert waiter.done()
        with pytest.raises(StoreUnavailableError):
            await waiter
    assert server.asked == [(("a", "e"),)]
    assert not server.failures


async def test_after_closing_nothing_is_asked(server: Server) -> None:
    """Who comes too late learns it as well, and no task is left behind."""
    reads = reads_of(server)
    await reads.close()

    with pytest.raises(StoreUnavailableError):
        reads.read("a", "e")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_late_answer_is_nobodys(server: Server) -> None:
    """After `timeout` all have an error and one failure is counted; what comes then is dropped."""
    reads = reads_of(server, timeout=0.01)
    waiters = [reads.read("a", "e"), reads.read("b", "e")]

    outcomes = await asyncio.gather(*waiters, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [StoreUnavailableError] * 2
    server.answering.set()
    await tick()
    assert server.failures == 1
