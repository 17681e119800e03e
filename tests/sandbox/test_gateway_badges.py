"""The stand-in gateway's badges call: customers, filters, sorting, paging, seams."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient
from yarl import URL

from app.sandbox.candidates import status_at
from app.sandbox.catalogue import RawBadge, badge_id
from app.sandbox.gateway import StandInGateway

Client = TestClient[web.Request, web.Application]
Ask = Callable[..., Awaitable[ClientResponse]]
Find = Callable[..., Awaitable[list[RawBadge]]]

PATH = "/api_gateway/v1/badges/management/"
ADA = "381921157"
NOW = 1_795_000_000.25
DAY = 86_400
LAST_MONTH, NEXT_MONTH = "2026-10-18T00:00:00.000Z", "2026-12-18T00:00:00.000Z"


@pytest.fixture
def ask(client: Client, token: str) -> Ask:
    """Ask for badges; `identifier` chooses the header, `segment` is sent as it is."""

    async def call(
        segment: str = ADA, *, identifier: str | None = None, **params: str | int
    ) -> ClientResponse:
        headers = {"X-CAP-API-OAUTH-TOKEN": token}
        if identifier is not None:
            headers["X-CAP-CUSTOMER-IDENTIFIER"] = identifier
        url = URL(f"{PATH}{segment}", encoded=True).with_query(params)
        return await client.get(url, headers=headers)

    return call


@pytest.fixture
def find(ask: Ask) -> Find:
    """Return all badges that ada finds with these parameters."""

    async def call(**params: str) -> list[RawBadge]:
        answer = await ask(size=100, **params)
        assert answer.status == 200, await answer.text()
        found: list[RawBadge] = (await answer.json())["data"]["customerBadges"]
        return found

    return call


def names(badges: list[RawBadge]) -> list[str]:
    """The names of badges, in order."""
    return [badge["name"] for badge in badges]


async def test_an_answer_is_in_the_documented_shape(ask: Ask) -> None:
    """Data with badges and pagination, errors, warnings, and a request id."""
    answer = await ask()
    body = await answer.json()
    assert body.keys() == {"data", "errors", "warnings"}
    assert body["data"].keys() == {"customerBadges", "pagination"}
    assert len(answer.headers["X-Cap-Requestid"]) == 32


@pytest.mark.parametrize(
    ("identifier", "segment"),
    [
        (None, ADA),
        ("email", "ada+loyalty@example.com"),
        ("email", "ada%2Bloyalty%40example.com"),
        ("mobile", "447700900123"),
        ("externalId", "web-0001"),
        ("cardNumber", "6013770012345678"),
    ],
)
async def test_every_identifier_finds_the_customer(
    ask: Ask, identifier: str | None, segment: str
) -> None:
    """Literally or percent-encoded; a plus in a path is a plus."""
    answer = await ask(segment, identifier=identifier, badgeType="EARNED")
    assert (await answer.json())["data"]["pagination"]["total"] == 10


@pytest.mark.parametrize("segment", ["%C3%A9toile%207", "%c3%a9toile%207", "%C3%A9%74oile%207"])
async def test_a_segment_is_decoded(ask: Ask, segment: str) -> None:
    """Spaces and letters beyond ASCII arrive, however they were encoded."""
    answer = await ask(segment, identifier="externalId")
    assert (await answer.json())["errors"] == []


@pytest.mark.parametrize("segment", ["%25C3%25A9toile%25207", "toile%207", "a%2F381921157"])
async def test_a_segment_is_decoded_exactly_once(ask: Ask, segment: str) -> None:
    """What is encoded twice, or holds an encoded slash, is another value: unknown."""
    answer = await ask(segment, identifier="externalId")
    assert (await answer.json())["errors"][0]["code"] == 1026


async def test_the_raw_target_is_recorded(ask: Ask, gateway: StandInGateway) -> None:
    """A test sees what arrived, byte for byte."""
    await ask("a%2Fb%20c+d@e", identifier="email", page=0)
    call = gateway.badge_calls[-1]
    assert call.target == f"{PATH}a%2Fb%20c+d@e?page=0"
    assert call.headers["x-cap-customer-identifier"] == "email"
    assert (call.method, call.params, call.at) == ("GET", {"page": "0"}, NOW)


async def test_two_segments_are_no_customer(ask: Ask) -> None:
    """A slash that was not encoded leads elsewhere."""
    assert (await ask("a/b")).status == 404


async def test_a_segment_that_is_not_utf8(ask: Ask) -> None:
    """It is a malformed request."""
    assert (await ask("%FF")).status == 400


async def test_an_unknown_identifier_type(ask: Ask) -> None:
    """It is code 1028."""
    answer = await ask(identifier="passport")
    assert (answer.status, (await answer.json())["errors"][0]["code"]) == (400, 1028)


@pytest.mark.parametrize("status", [200, 404])
async def test_an_unknown_customer(ask: Ask, gateway: StandInGateway, status: int) -> None:
    """It is code 1026 without data, with the HTTP status that the test chose."""
    gateway.unknown_customer_status = status
    answer = await ask("999999999")
    assert answer.status == status
    body = await answer.json()
    assert body["data"] is None
    assert body["errors"][0].keys() == {"code", "message", "reference"}
    assert body["errors"][0]["code"] == 1026


@pytest.mark.parametrize(
    ("view", "total"),
    [("AVAILABLE_TO_ISSUE", 11), ("AVAILABLE", 19), ("EARNED", 10), ("EXPIRED", 2)],
)
async def test_views(find: Find, view: str, total: int) -> None:
    """Each `badgeType` finds something, and a different thing."""
    assert len(await find(badgeType=view)) == total


async def test_issuable_badges_are_neither_enrolled_nor_run_out(find: Find) -> None:
    """AVAILABLE_TO_ISSUE is the default, and holds only what can still be enrolled for."""
    found = await find()
    assert {badge["badgeType"] for badge in found} == {"ISSUE_EARN"}
    assert {badge["issueStatus"] for badge in found} == {None}
    assert "EXPIRED" not in {badge["badgeStatus"] for badge in found}


async def test_earned_badges_say_when_and_how_often(find: Find) -> None:
    """Count and time are the customer's own."""
    coffee = (await find(badgeType="EARNED", name="coffee"))[0]
    assert (coffee["earnCount"], coffee["lastEarnedOn"]) == (12, NOW - DAY / 8)
    assert coffee["issueStatus"] == "ISSUED"


async def test_earning_shows_at_once(find: Find, gateway: StandInGateway) -> None:
    """A test lets a customer earn a badge, the first time and once more."""
    gateway.earn(ADA, badge_id("Night Owl"))
    gateway.earn(ADA, badge_id("Night Owl"), at=NOW + 1)
    owl = (await find(badgeType="EARNED", name="night owl"))[0]
    assert (owl["earnCount"], owl["lastEarnedOn"]) == (2, NOW + 1)


@pytest.mark.parametrize("status", ["UPCOMING", "LIVE"])
async def test_status(find: Find, status: str) -> None:
    """`badgeStatus` filters by the badge's own period."""
    found = await find(badgeType="AVAILABLE", badgeStatus=status)
    assert {badge["badgeStatus"] for badge in found} == {status}


def test_status_follows_the_clock(gateway: StandInGateway) -> None:
    """A badge begins and ends while the gateway runs, even one that starts in milliseconds."""
    badge = next(badge for badge in gateway.badges if badge["name"] == "Anniversary")
    statuses = [status_at(badge, NOW + days * DAY) for days in (5, 6, 400)]
    assert statuses == ["UPCOMING", "LIVE", "EXPIRED"]


def test_a_status_that_nobody_knows_stays(gateway: StandInGateway) -> None:
    """What a test writes into a badge is not overwritten."""
    assert status_at(gateway.badges[0] | {"badgeStatus": "PAUSED"}, NOW) == "PAUSED"
    assert status_at(gateway.badges[0] | {"startsOn": "soon"}, NOW) == "LIVE"


@pytest.mark.parametrize(("action", "active"), [("ACTIVATED", True), ("DEACTIVATED", False)])
async def test_action(find: Find, action: str, *, active: bool) -> None:
    """`action` filters by whether the badge is switched on."""
    found = await find(badgeType="AVAILABLE", action=action)
    assert {badge["active"] for badge in found} == {active}


async def test_name(find: Find) -> None:
    """`name` is part of the name, whatever its case."""
    found = await find(badgeType="AVAILABLE", name="RiDe")
    assert names(found) == []
    found = await find(badgeType="AVAILABLE", name="BIRD")
    assert names(found) == ["Early Bird"]


async def test_group(find: Find) -> None:
    """`groupId` finds the badges of one group."""
    group = (await find(badgeType="AVAILABLE", name="early bird"))[0]["badgeGroupId"]
    found = await find(badgeType="AVAILABLE", groupId=group)
    assert {badge["badgeGroupName"] for badge in found} == {"Everyday"}
    assert len(found) == 6


async def test_owner_and_claimant(find: Find) -> None:
    """`owner` looks at restrictions, `claimedBy` at claims: a badge may have the one only."""
    owned = names(await find(badgeType="AVAILABLE", owner="Audience_Campaigns"))
    claimed = names(await find(badgeType="AVAILABLE", claimedBy="Audience_Campaigns"))
    assert set(owned) - set(claimed) == {"Bag for Life"}


async def test_starts(find: Find) -> None:
    """`startOn` with its operator splits the badges in two."""
    view = {"badgeType": "AVAILABLE", "startOn": LAST_MONTH}
    before = names(await find(**view, startOnOperator="LESS_THAN"))
    after = names(await find(**view, startOnOperator="GREATER_THAN"))
    everything = names(await find(badgeType="AVAILABLE"))
    assert before
    assert after
    assert sorted(before + after) == sorted(everything)


async def test_expires_is_exclusive(find: Find, gateway: StandInGateway) -> None:
    """A badge that expires at the very moment is on neither side."""
    gateway.badges[:] = [gateway.badges[1] | {"expiresOn": 1_797_552_000}]
    view = {"badgeType": "AVAILABLE", "expiresOn": NEXT_MONTH}
    for operator in ("LESS_THAN", "GREATER_THAN"):
        assert await find(**view, expiresOnOperator=operator) == []


async def test_a_badge_without_the_time_is_on_neither_side(
    find: Find, gateway: StandInGateway
) -> None:
    """A filter by time drops what has none."""
    gateway.badges[:] = [gateway.badges[1] | {"expiresOn": None}]
    found = await find(badgeType="AVAILABLE", expiresOn=NEXT_MONTH, expiresOnOperator="LESS_THAN")
    assert found == []


@pytest.mark.parametrize(
    ("sort_on", "field"),
    [
        ("EXPIRES_ON", "expiresOn"),
        ("LAST_MODIFIED_DATE", "lastUpdatedOn"),
        ("LAST_EARNED_ON_DATE", "lastEarnedOn"),
        ("LAST_EARNED_EVENT_DATE", "lastEarnEventDate"),
    ],
)
@pytest.mark.parametrize(("order", "descending"), [("ASC", False), ("DESC", True)])
async def test_sorting(
    find: Find, sort_on: str, field: str, order: str, *, descending: bool
) -> None:
    """Every `sortOn` sorts by its time, and what has none comes last in either order."""
    found = await find(badgeType="AVAILABLE", sortOn=sort_on, order=order)
    times = [badge.get(field) for badge in found]
    known = [moment for moment in times if moment is not None]
    assert len(known) > 5
    assert times[: len(known)] == sorted(known, reverse=descending)


async def test_sorting_by_issue(find: Find) -> None:
    """LAST_ISSUED_DATE is the enrolment, which no field of the answer shows."""
    found = await find(badgeType="AVAILABLE", sortOn="LAST_ISSUED_DATE", order="ASC")
    assert names(found)[:3] == ["Coffee Lover", "Silver Member", "Gold Member"]


async def test_sorting_by_expiry_of_the_expired(find: Find) -> None:
    """LAST_EXPIRED_BADGE sorts what has run out."""
    found = await find(badgeType="EXPIRED", sortOn="LAST_EXPIRED_BADGE")
    assert names(found) == ["Winter Games", "Launch Party"]


async def test_the_default_is_the_latest_to_expire_first(ask: Ask) -> None:
    """Ten badges of the first page, EXPIRES_ON, DESC."""
    data = (await (await ask()).json())["data"]
    times = [badge["expiresOn"] for badge in data["customerBadges"]]
    assert times == sorted(times, reverse=True)
    assert data["pagination"]["size"] == 10


async def test_paging_covers_everything_once(ask: Ask, find: Find) -> None:
    """Pages are 0-based, and a short page reports the number of its items as its size."""
    pages = []
    for page in range(3):
        answer = await ask(badgeType="AVAILABLE", page=page, size=8)
        pages.append((await answer.json())["data"])
    sizes = [page["pagination"]["size"] for page in pages]
    assert sizes == [8, 8, 3]
    assert pages[2]["pagination"] == {"page": 2, "size": 3, "total": 19, "totalPages": 3}
    seen = [badge for page in pages for badge in page["customerBadges"]]
    assert seen == await find(badgeType="AVAILABLE")


async def test_a_badge_without_an_id(find: Find, gateway: StandInGateway) -> None:
    """A test may break a badge; the gateway passes it on as it is."""
    gateway.badges[:] = [{"name": "Early Bird", "badgeStatus": "LIVE"}]
    assert await find(badgeType="AVAILABLE") == gateway.badges


async def test_past_the_end(ask: Ask) -> None:
    """A page past the end is empty and still knows the totals."""
    data = (await (await ask(badgeType="EARNED", page=9)).json())["data"]
    assert data["customerBadges"] == []
    assert data["pagination"] == {"page": 9, "size": 0, "total": 10, "totalPages": 1}


@pytest.mark.parametrize(
    "params",
    [
        {"badgeType": "earned"},
        {"badgeStatus": "OLD"},
        {"action": "true"},
        {"owner": "loyalty"},
        {"claimedBy": ""},
        {"sortOn": "NAME"},
        {"order": "UP"},
        {"page": "-1"},
        {"page": "\u0663"},
        {"size": "0"},
        {"size": "ten"},
        {"startOn": LAST_MONTH},
        {"expiresOnOperator": "LESS_THAN"},
        {"startOn": "2026-10-18", "startOnOperator": "LESS_THAN"},
        {"startOn": "2026-13-18T00:00:00.000Z", "startOnOperator": "LESS_THAN"},
        {"expiresOn": NEXT_MONTH, "expiresOnOperator": "EQUALS"},
        {"view": "EARNED"},
    ],
)
async def test_anything_undocumented_is_refused(ask: Ask, params: dict[str, str]) -> None:
    """Unknown parameters and values are a 400 with an error body, so that no slip goes unseen."""
    answer = await ask(**params)
    assert (answer.status, (await answer.json())["errors"][0]["code"]) == (400, 1028)


async def test_a_repeated_parameter_is_refused(client: Client, token: str) -> None:
    """Which of the two would count is nowhere stated."""
    headers = {"X-CAP-API-OAUTH-TOKEN": token}
    answer = await client.get(f"{PATH}{ADA}?page=0&page=1", headers=headers)
    assert answer.status == 400


async def test_the_badges_seam(ask: Ask, gateway: StandInGateway) -> None:
    """A behaviour answers first; None means the normal answer."""
    answers = [web.Response(status=521, text="<html>"), None]

    async def moody(_request: web.Request) -> web.Response | None:
        return answers.pop(0)

    gateway.behaviour = moody
    assert [(await ask()).status, (await ask()).status] == [521, 200]
    assert len(gateway.badge_calls) == 2


async def test_latency(ask: Ask, gateway: StandInGateway) -> None:
    """Badges calls take as long as the test says."""
    gateway.latency = 0.05
    began = time.monotonic()
    await asyncio.gather(ask(), ask())
    assert 0.05 <= time.monotonic() - began < 1
