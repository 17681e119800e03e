"""Freshness from outside: who waits for the gateway, and who is served what there is."""

import asyncio

from aiohttp import web
from house import House, eventually


async def fail(_: web.Request) -> web.Response:
    """Fail at once."""
    return web.Response(status=500)


async def test_an_entry_past_its_time_is_served_and_refreshed_behind(house: House) -> None:
    """For `revalidate_for` nobody waits: the answer is a hit past its time, a new one follows."""
    service = await house.start()
    first = await service.get()
    house.clock.advance(61)
    house.gateway.latency = 0.1

    behind = await asyncio.gather(*(service.get() for _ in range(20)))

    assert {reply.cache[:8] for reply in behind} == {"hit; ttl"}
    assert all(int(reply.cache.removeprefix("hit; ttl=")) <= 0 for reply in behind)
    assert {reply.body for reply in behind} == {first.body}
    await eventually(lambda: len(house.gateway.badge_calls) == 2)
    await asyncio.sleep(0.2)
    assert (await service.get()).headers["Age"] == "0"
    assert len(house.gateway.badge_calls) == 2


async def test_a_failed_refresh_cools_down(house: House) -> None:
    """After a failure the gateway is left alone for a while, whoever asks, then it is asked."""
    service = await house.start(BFF_GATEWAY__RETRIES="0")
    await service.get()
    house.clock.advance(400)
    house.gateway.behaviour = fail

    for _ in range(5):
        assert (await service.get()).status == 200
    assert len(house.gateway.badge_calls) == 2

    house.gateway.behaviour = None
    house.clock.advance(3)
    assert (await service.get()).cache == "fwd=stale; stored"


async def test_a_failure_is_remembered_for_those_without_an_entry(house: House) -> None:
    """Callers within the cool-down get the same problem, and the gateway no call."""
    service = await house.start(BFF_GATEWAY__RETRIES="0")
    house.gateway.behaviour = fail

    codes = [(await service.get()).code for _ in range(5)]

    assert codes == ["gateway-bad-answer"] * 5
    assert len(house.gateway.badge_calls) == 1


async def test_a_slow_gateway_costs_the_soft_timeout(house: House) -> None:
    """With a stale entry a caller waits for `soft_timeout`; the late answer fills the cache."""
    service = await house.start(BFF_GATEWAY__SOFT_TIMEOUT="0.05")
    await service.get()
    house.clock.advance(400)
    house.gateway.latency = 0.4

    late = await service.get()

    assert late.cache.endswith("detail=stale-if-error")
    assert late.headers["Age"] == "400"
    await asyncio.sleep(0.5)
    assert (await service.get()).cache.startswith("hit")
    assert len(house.gateway.badge_calls) == 2


async def test_an_entry_whose_badge_turns_is_refreshed(house: House) -> None:
    """From the moment at which one of its badges expires, an entry is no longer fresh."""
    service = await house.start(BFF_CACHE__FRESH_FOR="3600")
    now = house.clock()
    for badge in house.gateway.badges:
        badge["expiresOn"] = now + 100
    await service.get()
    house.clock.advance(99)
    await service.get()
    await asyncio.sleep(0.05)
    assert len(house.gateway.badge_calls) == 1

    house.clock.advance(2)

    assert (await service.get()).cache == "hit; ttl=-1"
    await eventually(lambda: len(house.gateway.badge_calls) == 2)


async def test_pull_to_refresh(house: House) -> None:
    """`Cache-Control: no-cache` fetches anew what is over five seconds old, and nothing younger."""
    service = await house.start()
    pull = {"Cache-Control": "no-cache"}
    await service.get()
    assert (await service.get(headers=pull)).cache.startswith("hit")

    house.clock.advance(6)

    assert (await service.get(headers={"Cache-Control": "max-age=0"})).cache.startswith("hit")
    assert (await service.get(headers=pull)).cache == "fwd=stale; stored"
    assert len(house.gateway.badge_calls) == 2


async def test_pull_to_refresh_is_no_error(house: House) -> None:
    """If the fetch fails, what was there is served."""
    service = await house.start()
    await service.get()
    house.clock.advance(6)
    house.gateway.behaviour = fail

    reply = await service.get(headers={"Cache-Control": "no-cache"})

    assert (reply.status, reply.headers["Age"]) == (200, "6")


async def test_the_time_of_an_answer_never_goes_back(house: House) -> None:
    """A fetch that began earlier and ended later does not replace what a later one brought."""
    service = await house.start(BFF_GATEWAY__SOFT_TIMEOUT="0.05")
    seen = [(await service.get()).headers["Badges-As-Of"]]
    for latency in (0.3, 0.0, 0.2, 0.0):
        house.clock.advance(61)
        house.gateway.latency = latency
        for _ in range(5):
            seen.append((await service.get()).headers["Badges-As-Of"])
            await asyncio.sleep(0.05)

    assert seen == sorted(seen)
