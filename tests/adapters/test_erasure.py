"""An erasure is claimed only if no failover can lose it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from valkeys import Cluster, Node, Pair, cluster, pair, sentinel_set, wait_until

from app.adapters.redis_connections import connect
from app.adapters.redis_store import RedisStore
from app.services.ports import StoreUnavailableError

# Long enough that a loaded machine is not taken for an absent replica.
TIMEOUT = 1.0


@pytest.fixture(params=[pair, sentinel_set], ids=["server", "sentinel"])
def servers(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A master with one replica."""
    with request.param() as running:
        yield running


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[RedisStore]:
    """Open a store."""
    async with connect(url, timeout=TIMEOUT) as redis:
        store = RedisStore(redis, timeout=TIMEOUT)
        yield store
        await store.close()


async def erase(store: RedisStore, name: str) -> bool:
    """Erase, and tell whether that is claimed."""
    try:
        await store.change_epoch(name, erase=True, ttl=60)
    except StoreUnavailableError:
        return False
    return True


async def test_a_claimed_erasure_is_on_the_replica(servers: Pair) -> None:
    """When it returns, the replica has the epoch: no wait, no poll."""
    async with opened(servers.url) as store:
        for name in (str(uuid4()) for _ in range(50)):
            assert await erase(store, name)
            assert servers.replica.client.exists(name)


async def test_a_replica_that_does_not_answer(servers: Pair) -> None:
    """No erasure is claimed, in time; an invalidation is, reads go on, and no circuit opens."""
    async with opened(servers.url) as store:
        with servers.replica.frozen():
            for _ in range(4):
                assert not await erase(store, "name")
            await store.change_epoch("name", erase=False, ttl=60)
            assert (await store.read("entry", "name")).epoch is not None

        assert await erase(store, "name")


async def test_the_epoch_is_changed_even_if_that_is_not_claimed(servers: Pair) -> None:
    """Who erases in vain has erased as far as could be: the master has a new epoch."""
    async with opened(servers.url) as store:
        before = await store.begin_epoch("name", b"e" * 32, ttl=60)
        with servers.replica.frozen():
            assert not await erase(store, "name")

            after = (await store.read("entry", "name")).epoch
        assert after is not None
        assert after[:16] != before[:16]


async def test_a_replica_that_was_cut_off() -> None:
    """One that the Sentinels may promote counts, though the master no longer knows it."""
    with sentinel_set() as servers:
        servers.replica.cut_off()
        wait_until(lambda: not servers.master.client.info("replication")["connected_slaves"])
        async with opened(servers.url) as store:
            assert not await erase(store, "name")


async def test_a_replica_that_is_held_for_dead() -> None:
    """Sentinels do not promote it: the master alone is enough then."""
    with sentinel_set() as servers:
        servers.replica.process.kill()
        wait_until(lambda: all(_holds_it_for_dead(watcher) for watcher in servers.sentinels))
        async with opened(servers.url) as store:
            assert await erase(store, "name")


def _holds_it_for_dead(sentinel: Node) -> bool:
    (replica,) = sentinel.client.sentinel_slaves("badges-master")
    return bool(replica["is_sdown"])


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    """A Cluster in which the first master has a replica."""
    with cluster(spare=1) as running:
        running.replicate(running.nodes[0], running.spares[0])
        yield running


# These lie on the first and on the second master.
ON_FIRST, ON_SECOND = "b", "c"


async def test_of_a_cluster_the_replicas_of_one_node(nodes: Cluster) -> None:
    """A frozen one is waited for in vain, but only for customers of its own master."""
    (replica,) = nodes.spares
    async with opened(nodes.url) as store:
        assert await erase(store, ON_FIRST)
        assert replica.client.dbsize() == 1
        with replica.frozen():
            assert not await erase(store, ON_FIRST)
            await store.change_epoch(ON_FIRST, erase=False, ttl=60)
            assert await erase(store, ON_SECOND)
        assert await erase(store, ON_FIRST)


async def test_of_a_cluster_a_replica_that_failed(nodes: Cluster) -> None:
    """It counts until the Cluster holds it for failed: it might be promoted so long."""
    (replica,) = nodes.spares
    async with opened(nodes.url) as store:
        replica.process.kill()
        wait_until(lambda: not nodes.nodes[0].client.info("replication")["connected_slaves"])
        assert not await erase(store, ON_FIRST)

        async with asyncio.timeout(20):
            while not await erase(store, ON_FIRST):
                await asyncio.sleep(0.1)


async def test_an_erasure_follows_a_failover_of_the_cluster(nodes: Cluster) -> None:
    """It is refused while the master is away, and made at its successor."""
    async with opened(nodes.url) as store:
        assert await erase(store, ON_FIRST)
        nodes.nodes[0].process.kill()
        assert not await erase(store, ON_FIRST)

        async with asyncio.timeout(20):
            while not await erase(store, ON_FIRST):
                await asyncio.sleep(0.1)
        assert nodes.spares[0].client.info("replication")["role"] == "master"
