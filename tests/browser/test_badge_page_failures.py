"""The badge page when something is away, slow, stale or refused: what it says and asks."""

import re
from itertools import count

from aiohttp import web
from browser.storefront import Storefront, fails
from house import House
from playwright.async_api import expect

from app.sandbox.catalogue import badge_id
from app.sandbox.customers import ADA


async def test_an_error_in_words(storefront: Storefront, house: House) -> None:
    """Title, detail and number for support; asked again once, then only when told to."""
    visitor = await storefront.enter()
    house.gateway.behaviour = fails()
    await visitor.choose("Status", "Live")
    await expect(visitor.problem).to_contain_text(re.compile("Trying again in [123] s"))
    await expect(visitor.cards).to_have_count(0)

    await visitor.page.clock.fast_forward(4000)

    again = visitor.problem.get_by_role("button", name="Try again")
    await expect(again).to_be_visible()
    assert len(visitor.asked("status=live")) == 2
    answer = await visitor.asked("status=live")[-1].response()
    assert answer is not None
    problem = await answer.json()
    for part in ("title", "detail", "requestId"):
        await expect(visitor.problem).to_contain_text(problem[part])

    house.gateway.behaviour = None
    house.clock.advance(3)
    await again.click()
    await visitor.settled(title="Earned (10)")
    await expect(visitor.problem).to_be_hidden()


async def test_a_request_that_stays_wrong(storefront: Storefront) -> None:
    """Somebody unknown to the loyalty programme is told so, without a button to try again."""
    visitor = await storefront.enter()
    await visitor.page.get_by_label("Signed in as").select_option("ghost")

    await expect(visitor.problem).to_contain_text("Customer not found")
    await expect(visitor.problem.get_by_role("button")).to_have_count(0)
    assert await visitor.first_words("totals.earned") == "unknown"


async def test_retry_after(storefront: Storefront, house: House) -> None:
    """Nothing is asked before the time that the service named; then by itself."""
    visitor = await storefront.enter()
    house.gateway.behaviour = fails(429, **{"Retry-After": "30"})
    await visitor.choose("Status", "Live")
    countdown = visitor.page.locator("#problem-countdown")
    await expect(countdown).to_have_text(re.compile(r"Trying again in 3\d s"))
    house.gateway.behaviour = None
    house.clock.advance(31)

    await visitor.page.clock.fast_forward(28_000)
    await expect(countdown).to_have_text(re.compile(r"Trying again in \d s"))
    await visitor.page.get_by_role("button", name="Refresh").focus()
    await visitor.page.keyboard.press("Enter")
    await expect(countdown).to_be_visible()
    assert len(visitor.asked("status=live")) == 1

    await visitor.page.clock.fast_forward(10_000)
    await visitor.settled(title="Earned (10)")
    await expect(visitor.page.get_by_role("button", name="Refresh")).to_be_enabled()


async def test_stale_badges_say_so(storefront: Storefront, house: House) -> None:
    """A gateway that is down leaves the badges there, with the time as of which they are."""
    visitor = await storefront.enter()
    house.clock.advance(400)
    house.gateway.behaviour = fails()

    await visitor.page.get_by_role("button", name="Refresh").click()

    note = visitor.page.locator("#as-of")
    await expect(note).to_have_text(
        re.compile(r"As of \d\d:\d\d:\d\d\. Newer badges can't be fetched right now\.")
    )
    await expect(visitor.cards).to_have_count(10)
    await expect(visitor.problem).to_be_hidden()


async def test_a_second_look(storefront: Storefront, house: House) -> None:
    """Badges that are being refreshed behind are replaced a moment later, without a warning."""
    visitor = await storefront.enter()
    house.gateway.earn(ADA.customer_id, badge_id("Inner Circle"), at=house.clock() + 100)
    house.clock.advance(100)
    await visitor.choose("Status", "Live")
    await visitor.choose("Status", "Any")
    note = visitor.page.locator("#as-of")
    await expect(note).to_contain_text("looking for newer ones")

    await visitor.page.clock.fast_forward(2000)

    await visitor.settled(title="Earned (11)")
    await expect(note).not_to_contain_text("looking")


async def test_a_part_of_the_summary_is_missing(storefront: Storefront, house: House) -> None:
    """It is shown as unknown, which is not none; the rest is there, and the badges anyway."""

    async def behave(request: web.Request) -> web.Response | None:
        return web.Response(status=500) if request.query["badgeType"] == "AVAILABLE" else None

    house.gateway.behaviour = behave
    visitor = await storefront.enter()

    await expect(visitor.page.locator("#summary")).to_have_attribute("aria-busy", "false")
    parts = ("totals.available", "totals.earned", "lastEarned")
    assert [await visitor.first_words(part) for part in parts] == ["unknown", "10", "Coffee Lover"]
    await visitor.page.get_by_label("Signed in as").select_option("chen")
    await visitor.settled(title="Earned (0)")
    await expect(visitor.page.locator('[data-part="lastEarned"]')).to_have_text("none")


async def test_no_network(storefront: Storefront) -> None:
    """What is shown stays, and the page says why there is nothing newer; a button asks again."""
    visitor = await storefront.enter()
    await visitor.page.context.set_offline(True)
    await visitor.page.get_by_role("button", name="Refresh").click()
    await expect(visitor.problem).to_contain_text("The service can't be reached")
    await expect(visitor.cards).to_have_count(10)
    assert await visitor.first_words("totals.earned") == "10"

    await visitor.page.context.set_offline(False)
    await visitor.problem.get_by_role("button", name="Try again").click()
    await expect(visitor.problem).to_be_hidden()


async def test_a_token_that_ran_out(storefront: Storefront, house: House) -> None:
    """A new one is fetched once, however many requests were refused."""
    visitor = await storefront.enter()
    house.clock.advance(3700)

    await visitor.page.get_by_role("button", name="Refresh").click()

    await expect(visitor.page.locator("#as-of")).to_be_visible()
    await visitor.settled(title="Earned (10)")
    await expect(visitor.problem).to_be_hidden()
    assert len(visitor.asked("/login/ada")) == 2


async def test_a_login_that_does_not_help(storefront: Storefront) -> None:
    """A new token that is refused, too, ends it: nobody is asked a third time."""
    numbers = count()

    async def give_rubbish(request: web.Request) -> web.Response | None:
        # Each time another, as of any login: list and summary tell by it that one is new.
        ours = request.path == "/login/ada"
        return web.Response(text=f"rubbish-{next(numbers)}") if ours else None

    storefront.gate = give_rubbish
    visitor = await storefront.enter(title=None)

    await expect(visitor.problem.get_by_role("heading")).to_be_visible()
    assert len(visitor.asked("/me/badges?")) == 2
    assert len(visitor.asked("/login/ada")) == 2
