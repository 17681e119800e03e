"""The badge page in a real browser: what a customer sees, and what is asked for him."""

import asyncio

from aiohttp import web
from browser.storefront import Storefront
from house import House
from playwright.async_api import expect

from app.sandbox.catalogue import badge_id
from app.sandbox.customers import ADA


async def test_the_first_customer_is_shown(storefront: Storefront) -> None:
    """Badges with their pictures, and the summary: all from the page's own origin."""
    visitor = await storefront.enter()

    await expect(visitor.cards).to_have_count(10)
    await expect(visitor.cards.first).to_contain_text("Coffee Lover")
    picture = visitor.cards.first.get_by_role("presentation")
    await expect(picture).to_have_js_property("naturalWidth", 240)
    parts = ("totals.earned", "totals.available", "lastEarned", "nextToExpire")
    words = [await visitor.first_words(part) for part in parts]
    assert words == ["10", "19", "Coffee Lover", "Spring Collector"]
    assert all(request.url.startswith(storefront.address) for request in visitor.requests)
    assert visitor.faults == []


async def test_the_token_is_kept_in_memory_alone(storefront: Storefront) -> None:
    """Neither storage nor a cookie nor an address holds it."""
    visitor = await storefront.enter()

    kept = "[localStorage.length, sessionStorage.length, document.cookie, location.href]"
    assert await visitor.page.evaluate(kept) == [0, 0, "", storefront.address]
    (asked,) = visitor.asked("/me/badges?")
    assert asked.headers["authorization"].startswith("Bearer ")


async def test_earned_is_told_by_words_and_shape(storefront: Storefront) -> None:
    """Colour apart, words, mark, edge and picture differ."""
    visitor = await storefront.enter()
    await visitor.choose("Show", "To earn")
    await visitor.settled(title="To earn (19)")

    seen = {}
    for name in ("Bring a Friend", "Gold Member", "Inner Circle"):
        card = visitor.card(name)
        seen[name] = (
            await card.locator(".state").inner_text(),
            await card.locator("use").get_attribute("href"),
            await card.evaluate("card => getComputedStyle(card).borderTopStyle"),
            (await card.locator("img").get_attribute("src") or "").rpartition("/")[2],
        )

    assert seen == {
        "Bring a Friend": ("Earned 2 times", "#icon-earned", "solid", "EARNED.svg"),
        "Gold Member": ("Joined", "#icon-joined", "dashed", "IN_PROGRESS.svg"),
        "Inner Circle": ("Not earned yet", "#icon-open", "dashed", "UN_EARNED.svg"),
    }


async def test_filters(storefront: Storefront) -> None:
    """View and status are asked for together; a choice that matches nothing offers a way out."""
    visitor = await storefront.enter()
    await visitor.choose("Show", "To join")
    await visitor.choose("Status", "Upcoming")
    await visitor.settled(title="To join (2)")
    assert visitor.asked("/me/badges?")[-1].url.endswith("?view=issuable&status=upcoming")
    await expect(visitor.card("Summer Picnic")).to_contain_text("Starts ")

    await visitor.choose("Show", "Earned")
    await visitor.settled(title="Earned (0)")
    await expect(visitor.cards).to_have_count(0)
    await visitor.page.get_by_role("button", name="See what there is to earn").click()
    await visitor.settled(title="To earn (19)")
    await expect(visitor.page.locator("#empty")).to_be_hidden()


async def test_pages_are_turned_by_the_links(storefront: Storefront) -> None:
    """The service's own links are followed; what leads nowhere can't be pressed."""
    visitor = await storefront.enter()
    await visitor.choose("Show", "To earn")
    await visitor.settled(title="To earn (19)")
    pages = visitor.page.get_by_role("navigation", name="Pages")
    await expect(pages.get_by_role("button", name="Previous")).to_be_disabled()
    answer = await visitor.asked("/me/badges?")[-1].response()
    assert answer is not None
    links = await answer.header_value("Link") or ""

    await pages.get_by_role("button", name="Next").click()

    await expect(pages).to_contain_text("Page 2 of 2")
    await expect(visitor.cards).to_have_count(9)
    await expect(pages.get_by_role("button", name="Last")).to_be_disabled()
    query = visitor.asked("/me/badges?")[-1].url.partition("?")[2]
    assert f'<?{query}>; rel="next"' in links
    await pages.get_by_role("button", name="First").click()
    await expect(pages).to_contain_text("Page 1 of 2")


async def test_another_customer(storefront: Storefront) -> None:
    """The last one's badges are gone at once, not only when the next one's are there."""
    visitor = await storefront.enter()
    arrived = asyncio.Event()

    async def wait(request: web.Request) -> None:
        if request.path == "/me/badges":
            await arrived.wait()

    storefront.gate = wait
    await visitor.page.get_by_label("Signed in as").select_option("bob")

    await expect(visitor.cards).to_have_count(0)
    await expect(visitor.page.locator(".skeleton").first).to_be_visible()
    arrived.set()
    await visitor.settled(title="Earned (2)")
    await expect(visitor.card("Coffee Lover")).to_contain_text("Earned")


async def test_pull_to_refresh(storefront: Storefront, house: House) -> None:
    """What was earned a moment ago is there after the button, long before it would be stale."""
    visitor = await storefront.enter()
    house.clock.advance(10)
    house.gateway.earn(ADA.customer_id, badge_id("Inner Circle"))

    await visitor.page.get_by_role("button", name="Refresh").click()

    await visitor.settled(title="Earned (11)")
    await expect(visitor.cards.first).to_contain_text("Inner Circle")
    assert visitor.asked("/me/badges?")[-1].headers["cache-control"] == "no-cache"


async def test_developers_see_the_answer(storefront: Storefront) -> None:
    """What was asked and what the headers said can be unfolded."""
    visitor = await storefront.enter()
    await visitor.page.get_by_text("For developers").click()
    answer = visitor.page.locator("#answer")
    await expect(answer).to_contain_text("GET /me/badges?view=earned&sort=-lastEarnedAt\n")
    await expect(answer).to_contain_text("Cache-Status: badges-bff; ")


async def test_the_browser_revalidates(storefront: Storefront, house: House) -> None:
    """Seeing the same badges again costs a 304, without the page doing anything for it."""
    visitor = await storefront.enter()
    await visitor.choose("Show", "Run out")
    await visitor.settled(title="Run out (2)")

    await visitor.choose("Show", "Earned")
    await visitor.settled(title="Earned (10)")

    assert house.events("request")[-1]["status"] == 304
    await expect(visitor.cards).to_have_count(10)


async def test_what_comes_from_outside_stays_text(storefront: Storefront, house: House) -> None:
    """Markup in a name is shown as it is; a picture that is not there leaves a letter."""
    name = '<img src=x onerror="document.title=1">'
    badge = next(each for each in house.gateway.badges if each["name"] == "Coffee Lover")
    badge["name"] = name
    for image in badge["images"]:
        image["url"] = f"{storefront.address}pictures/none/NONE.svg"

    visitor = await storefront.enter()

    await expect(visitor.cards.first.get_by_role("heading")).to_have_text(name)
    await expect(visitor.cards.first.locator(".medal")).to_have_text("<")
    assert (await visitor.page.title(), visitor.faults) == ("My badges", [])
