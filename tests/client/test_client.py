"""The example client of `tests/client/src` against the running service: what callers are to do."""

import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from client.shop import Open, Shop
from house import House
from npm import run

from app.sandbox.behaviour import Behaviour
from app.sandbox.catalogue import RawBadge

README = Path(__file__).parents[2] / "README.md"

WRONG = {
    'client.page({ sort: "name" })': "a sort that there is not",
    'client.page({ page: "2" })': "a text for a number",
    "client.page({ customer: 381921157 })": "a parameter that there is not",
    "page.body.badges[0].name": "the first of perhaps none",
    "page.body.badges.map((badge) => badge.earned_count)": "a member that there is not",
    "page.body.badges.map((badge) => badge.name.length)": "a name that may be null",
    "summary.body.totals.earned + 1": "a total that may be unknown",
    "page.body.totals": "the summary's member in a page",
}


def answering(status: int, *, times: int, headers: dict[str, str] | None = None) -> Behaviour:
    """Make a gateway answer its next badges calls badly, so many of them, and then well."""
    left = [None] * times

    async def behave(_request: web.Request) -> web.Response | None:
        if not left:
            return None
        left.pop()
        return web.json_response({}, status=status, headers=headers)

    return behave


def listed(badges: list[RawBadge], total: int) -> web.Response:
    """Answer as the gateway does, with these badges out of a list of `total`."""
    pages = {"page": 0, "size": len(badges), "total": total, "totalPages": 1}
    data = {"customerBadges": badges, "pagination": pages}
    return web.json_response({"data": data, "errors": [], "warnings": []})


def statuses(house: House) -> list[int]:
    """The statuses of the answers under `/me` so far."""
    requests = house.events("request")
    return [each["status"] for each in requests if each["route"].startswith("/me")]


async def compiles(project: Path, text: str) -> tuple[int, str]:
    """Let the compiler judge one more file beside the client's own."""
    path = project / "src" / "more.ts"
    path.write_text(text)
    try:
        compiler = str(project / "node_modules" / ".bin" / "tsc")
        return await run(compiler, "--noEmit", "--pretty", "false", folder=project)
    finally:
        path.unlink()


async def test_the_types_are_of_use(project: Path) -> None:
    """Each mistake in using the API, and nothing else, is an error of the compiler."""
    head = [
        'import { BadgesClient } from "./badges.js";',
        "declare const client: BadgesClient;",
        "const [page, summary] = [await client.page(), await client.summary()];",
        "void page.body.badges[0]?.name?.length, summary.body.incomplete.length;",
    ]
    wrong = [f"void ({each});" for each in WRONG]
    code, said = await compiles(project, "\n".join([*head, *wrong]))

    lines = [line for line in said.splitlines() if line.startswith("src/")]
    assert code != 0
    found = {int(line.split("(")[1].split(",")[0]) for line in lines}
    assert found == set(range(len(head) + 1, len(head) + len(WRONG) + 1)), said


async def test_the_lines_of_the_readme_compile(project: Path) -> None:
    """What the README shows of the client is right."""
    (lines,) = re.findall(r"```ts\n(.*?)```", README.read_text(), re.DOTALL)
    head = [
        'import { BadgesClient } from "./badges.js";',
        "declare const [origin, customer]: [string, string];",
        "declare function tokenOf(customer: string, refused?: string): Promise<string>;",
    ]
    code, said = await compiles(project, "\n".join([*head, lines, "void [body, asOf, stale];"]))

    assert code == 0, said


async def test_the_first_page(shop: Shop) -> None:
    """A page as the service sends it, where the next one is, and when the badges were fetched."""
    answer = await shop.answer("page", query={"view": "earned", "size": 3})

    assert [badge["earned"] for badge in answer["body"]["badges"]] == [True] * 3
    assert answer["next"].endswith("/me/badges?view=earned&page=2&size=3")
    assert (answer["stale"], answer["asOf"][-1]) == (False, "Z")


async def test_all_pages_of_a_changing_list(house: House, shop: Shop) -> None:
    """Every badge once, also if the list moves on between two pages so that one comes again."""
    whole = (await shop.answer("page", query={"view": "available", "size": 100}))["body"]["badges"]
    answered = iter([[0, 1], [1, 2], [2, 3]])
    assert len(whole) > 3

    async def shifted(_request: web.Request) -> web.Response:
        places = next(answered)
        raw = {badge["badgeMetaId"]: badge for badge in house.gateway.badges}
        return listed([raw[whole[place]["id"]] for place in places], total=6)

    house.gateway.behaviour = shifted
    badges = await shop.answer("all", query={"view": "available", "size": 2})

    assert [badge["id"] for badge in badges] == [badge["id"] for badge in whole[:4]]


async def test_asking_again_costs_a_304(house: House, shop: Shop) -> None:
    """What is kept is asked for by its ETag, and that is not taken for a wish to refresh.

    `fetch` adds `Cache-Control: no-cache` to a request with an If-None-Match of the caller's own.
    """
    first = await shop.answer("page")
    house.clock.advance(20)
    second = await shop.answer("page")

    assert statuses(house) == [200, 304]
    assert second["body"] == first["body"]
    assert len(house.gateway.badge_calls) == 1


async def test_refreshing_fetches_anew(house: House, shop: Shop) -> None:
    """Where the customer asks for it, the gateway is asked, and what has changed is there."""
    before = await shop.answer("page", query={"view": "earned", "size": 100})
    house.clock.advance(6)
    house.gateway.customers["381921157"].earnings.clear()

    after = await shop.answer("page", query={"view": "earned", "size": 100}, refresh=True)

    assert (len(before["body"]["badges"]) > 0, after["body"]["badges"]) == (True, [])
    assert statuses(house) == [200, 200]


async def test_a_stale_answer_says_so(house: House, shop: Shop) -> None:
    """While the gateway fails there are the badges of before, and when they were fetched."""
    first = await shop.answer("page")
    house.clock.advance(600)
    house.gateway.behaviour = answering(500, times=99)

    later = await shop.answer("page")

    assert (later["stale"], later["asOf"]) == (True, first["asOf"])
    assert later["body"] == first["body"]


async def test_the_summary(house: House, shop: Shop) -> None:
    """Null that `incomplete` names is not known now; such a summary is not kept."""
    house.gateway.behaviour = answering(403, times=1)
    first = (await shop.answer("summary"))["body"]
    assert (await shop.answer("summary"))["body"] == first
    house.clock.advance(31)
    second = (await shop.answer("summary"))["body"]

    missing = [name for name, total in first["totals"].items() if total is None]
    assert missing
    assert [f"totals.{name}" for name in missing] == first["incomplete"][: len(missing)]
    assert statuses(house) == [200, 200, 200]
    assert (second["incomplete"], None in second["totals"].values()) == ([], False)


async def test_a_new_token_after_401(house: House, shop: Shop) -> None:
    """A token that has run out is renewed once, and the caller notices nothing."""
    expired, good = house.issuer.token(exp=int(house.clock()) - 60), house.issuer.token()
    shop.tokens = lambda refused: expired if refused is None else good

    await shop.answer("page")

    assert (statuses(house), shop.refused, shop.pauses) == ([401, 200], [expired], [])


async def test_a_new_token_that_is_refused_too(house: House, shop: Shop) -> None:
    """Then the customer has to log in: there is no third try."""
    expired = house.issuer.token(exp=int(house.clock()) - 60)
    shop.tokens = lambda _: expired

    problem = await shop.problem("page")

    assert (problem["status"], problem["code"]) == (401, "unauthenticated")
    assert statuses(house) == [401, 401]


async def test_busy_is_waited_for(house: House, shop: Shop) -> None:
    """503: asked again after what Retry-After says and up to 1.2 s more, and then it is there."""
    house.gateway.behaviour = answering(429, times=1, headers={"Retry-After": "2"})

    answer = await shop.answer("page")

    assert statuses(house) == [503, 200]
    assert len(answer["body"]["badges"]) == 10
    assert [2 <= pause <= 3.4 for pause in shop.pauses] == [True]


async def test_patience_ends(house: House, shop: Shop) -> None:
    """A pause that is longer than the caller's patience is told rather than waited for."""
    house.gateway.behaviour = answering(429, times=1, headers={"Retry-After": "30"})

    problem = await shop.problem("page")

    assert (problem["code"], problem["retryAfter"]) == ("gateway-unavailable", 30)
    assert (statuses(house), shop.pauses) == ([503], [])


async def test_a_bad_answer_is_tried_once_more(house: House, shop: Shop) -> None:
    """502: once, after 1 to 3 s."""
    house.gateway.behaviour = answering(400, times=99)

    problem = await shop.problem("page")

    assert (problem["status"], problem["code"]) == (502, "gateway-bad-answer")
    assert statuses(house) == [502, 502]
    assert [1 <= pause <= 3 for pause in shop.pauses] == [True]


async def test_a_wrong_request_is_not_repeated(house: House, shop: Shop) -> None:
    """Other 4xx: never; the id to quote is the one in the service's log."""
    problem = await shop.problem("page", query={"size": 101})

    assert (problem["status"], problem["code"]) == (400, "invalid-query")
    assert (statuses(house), shop.pauses) == ([400], [])
    assert house.events("request")[-1]["request_id"] == problem["requestId"]


async def test_what_is_new_passes_through(house: House, shop: Shop) -> None:
    """A kind and a status that no list knows yet reach the caller, in lower case."""
    for badge in house.gateway.badges:
        badge |= {"badgeType": "SPONSORED_QUEST", "badgeStatus": "ON_HOLD"}

    async def unfiltered(_request: web.Request) -> web.Response:
        return listed(house.gateway.badges[:1], total=1)

    house.gateway.behaviour = unfiltered
    badge = (await shop.answer("page"))["body"]["badges"][0]

    assert (badge["kind"], badge["status"]) == ("sponsored_quest", "on_hold")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (
            {
                "status": 409,
                "text": '{"code": "badge-frozen", "title": "Frozen"}',
                "content_type": "application/problem+json",
            },
            {"status": 409, "code": "badge-frozen", "message": "Frozen"},
        ),
        (
            {"status": 403, "text": "<h1>Forbidden</h1>", "content_type": "text/html"},
            {"status": 403, "code": None, "message": "Status 403"},
        ),
        (
            {"status": 200, "text": '{"badges": [', "content_type": "application/json"},
            {"status": 0, "code": None, "message": "No answer"},
        ),
    ],
)
async def test_answers_of_tomorrow_and_of_others(
    sent: dict[str, object], expected: dict[str, object], open_shop: Open
) -> None:
    """A code that is not known yet, a proxy's page, an answer cut short: problems all the same."""

    async def respond(_request: web.Request) -> web.Response:
        return web.Response(**sent)

    application = web.Application()
    application.router.add_get("/me/badges", respond)
    async with TestServer(application) as server:
        shop = await open_shop(str(server.make_url("/")))
        problem = await shop.problem("page")

    assert {name: problem[name] for name in expected} == expected
    assert len(shop.pauses) == (1 if expected["status"] == 0 else 0)
    assert problem["requestId"]
