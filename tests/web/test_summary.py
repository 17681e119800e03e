"""`GET /me/badges/summary`: what a home screen needs, in one answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from house import House

PARTS = ["issuable", "available", "earned", "expired"]


def failing(*views: str, status: int = 500) -> Callable[[web.Request], Awaitable[Any]]:
    """Make a gateway that fails for these of its own views."""

    async def behave(request: web.Request) -> web.Response | None:
        return web.Response(status=status) if request.query["badgeType"] in views else None

    return behave


def earn_many(house: House) -> None:
    """Let ada earn more badges than a page holds."""
    ada = next(iter(house.gateway.customers.values()))
    template = next(badge for badge in house.gateway.badges if badge["badgeMetaId"] in ada.earnings)
    for number in range(120):
        badge = {**template, "badgeMetaId": f"{number:024x}"}
        house.gateway.badges.append(badge)
        house.gateway.earn(ada.person.customer_id, badge["badgeMetaId"])


async def test_it_says_what_the_lists_say(house: House) -> None:
    """Totals, the badge that was earned last, and the one to expire next, agree with the lists."""
    service = await house.start()

    reply = await service.get("/me/badges/summary")

    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert list(reply.json) == ["totals", "lastEarned", "nextToExpire", "incomplete"]
    assert reply.json["incomplete"] == []
    for view in PARTS:
        listed = (await service.get(f"/me/badges?view={view}&size=100")).json
        assert reply.json["totals"][view] == listed["page"]["totalItems"]
    earned = (await service.get("/me/badges?view=earned&sort=-lastEarnedAt")).json["badges"]
    assert reply.json["lastEarned"] == earned[0]
    ahead = [badge for badge in earned if badge["status"] == "live" and badge["expiresAt"]]
    assert reply.json["nextToExpire"] == min(ahead, key=lambda badge: badge["expiresAt"])


async def test_who_has_earned_nothing(house: House) -> None:
    """Null that is not named in `incomplete` means that there is none."""
    service = await house.start()
    for customer in house.gateway.customers.values():
        customer.earnings.clear()

    summary = (await service.get("/me/badges/summary")).json

    assert (summary["lastEarned"], summary["nextToExpire"]) == (None, None)
    assert (summary["totals"]["earned"], summary["incomplete"]) == (0, [])


async def test_it_costs_few_calls_and_shares_its_parts(house: House) -> None:
    """Four calls side by side; its parts are entries that lists use, and the other way round."""
    service = await house.start()
    house.gateway.latency = 0.2

    async with asyncio.timeout(0.6):
        reply = await service.get("/me/badges/summary")

    assert reply.cache == "fwd=uri-miss; stored"
    assert len(house.gateway.badge_calls) == 4
    assert (await service.get("/me/badges")).cache.startswith("hit")
    again = await service.get("/me/badges/summary")
    assert (again.body, again.cache[:3]) == (reply.body, "hit")
    assert len(house.gateway.badge_calls) == 4


async def test_more_earned_badges_than_a_page_holds(house: House) -> None:
    """Then one more call finds the badge to expire next, however late it was earned."""
    service = await house.start()
    earn_many(house)

    reply = await service.get("/me/badges/summary")

    assert reply.json["totals"]["earned"] > 100
    assert reply.json["incomplete"] == []
    assert len(house.gateway.badge_calls) == 5


async def test_a_total_that_cannot_be_read(house: House) -> None:
    """It is named, and a full page is not taken for all there is."""
    service = await house.start()
    earn_many(house)

    async def behave(request: web.Request) -> web.Response:
        document = json.loads(house.gateway._answer(request).text)
        document["data"]["pagination"] = None
        return web.json_response(document)

    house.gateway.behaviour = behave
    reply = await service.get("/me/badges/summary")

    assert reply.json["incomplete"] == [f"totals.{view}" for view in PARTS]
    sorts = {call.params["sortOn"] for call in house.gateway.badge_calls}
    assert sorts == {"EXPIRES_ON", "LAST_EARNED_ON_DATE"}
    assert {call.params.get("badgeStatus") for call in house.gateway.badge_calls} == {None, "LIVE"}


async def test_a_part_that_fails_is_named(house: House) -> None:
    """It is null, the rest is there, and nobody is to store such an answer."""
    service = await house.start()
    house.gateway.behaviour = failing("EARNED", "EXPIRED")

    reply = await service.get("/me/badges/summary")

    assert reply.status == 200
    assert reply.json["incomplete"] == [
        "totals.earned",
        "totals.expired",
        "lastEarned",
        "nextToExpire",
    ]
    assert reply.json["totals"]["earned"] is None
    assert reply.json["totals"]["issuable"] is not None
    assert reply.headers["Cache-Control"] == "no-store"

    house.gateway.behaviour = None
    house.clock.advance(3)
    assert (await service.get("/me/badges/summary")).json["incomplete"] == []


async def test_a_part_that_takes_too_long_is_left_out(house: House) -> None:
    """The parts share the request's one deadline."""
    service = await house.start(BFF_GATEWAY__TIMEOUT="0.5")

    async def behave(request: web.Request) -> None:
        if request.query["badgeType"] == "AVAILABLE":
            await asyncio.sleep(30)

    house.gateway.behaviour = behave
    async with asyncio.timeout(0.9):
        reply = await service.get("/me/badges/summary")

    assert (reply.status, reply.json["incomplete"]) == (200, ["totals.available"])


async def test_stale_parts_are_better_than_none(house: House) -> None:
    """A gateway that is down changes nothing but the age, which is that of the oldest part."""
    service = await house.start()
    await service.get("/me/badges")
    house.clock.advance(400)
    fresh = await service.get("/me/badges/summary")
    house.clock.advance(400)
    house.gateway.behaviour = failing("AVAILABLE_TO_ISSUE", "AVAILABLE", "EARNED", "EXPIRED")

    reply = await service.get("/me/badges/summary")

    assert (reply.status, reply.body) == (200, fresh.body)
    assert reply.headers["Age"] == "400"
    assert reply.cache.endswith("detail=stale-if-error")


async def test_when_nothing_is_to_be_had(house: House) -> None:
    """Only if every part fails it is an error, and the very one of the parts."""
    service = await house.start()
    house.gateway.behaviour = failing("AVAILABLE_TO_ISSUE", "AVAILABLE", "EARNED", "EXPIRED")

    assert (await service.get("/me/badges/summary")).code == "gateway-bad-answer"


async def test_an_unknown_customer_has_no_summary(house: House) -> None:
    """However many parts are there: the programme does not know him."""
    service = await house.start()
    await service.get("/me/badges")
    house.gateway.customers.clear()

    assert (await service.get("/me/badges/summary")).code == "customer-not-found"


async def test_it_is_judged_like_any_other_request(house: House) -> None:
    """No parameters, a credential, a validator, HEAD."""
    service = await house.start()
    reply = await service.get("/me/badges/summary")

    assert (await service.get("/me/badges/summary", token=None)).code == "unauthenticated"
    wrong = await service.get("/me/badges/summary?view=earned&page=1")
    assert [fault["parameter"] for fault in wrong.json["errors"]] == ["view", "page"]
    known = {"If-None-Match": reply.headers["ETag"]}
    assert (await service.get("/me/badges/summary", headers=known)).status == 304
    head = await service.get("/me/badges/summary", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["ETag"] == reply.headers["ETag"]
