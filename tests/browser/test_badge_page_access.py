"""The badge page for everybody: keyboard, screen reader, locale, colours, narrow windows."""

from importlib.resources import files

import pytest
from browser.storefront import DESKTOP, PHONE, Storefront, Visitor, fails
from playwright.async_api import expect

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")

FOCUSED = """() => {
  const focused = document.activeElement;
  const ring = getComputedStyle(focused.closest("label") ?? focused);
  const name = focused.closest("label")?.textContent ?? focused.id ?? "";
  return [name || focused.textContent.trim(), ring.outlineStyle, ring.outlineWidth];
}"""
"""Names what has the focus, and how that is shown."""


async def violations(visitor: Visitor) -> list[str]:
    """Return what axe-core finds wrong, or can't be sure of; and whether anything sticks out."""
    await visitor.page.evaluate(AXE)
    found = await visitor.page.evaluate("axe.run()")
    assert len(found["passes"]) > 30, "axe looked at next to nothing"
    too_wide = await visitor.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    doubts = [
        f"{rule['id']}: {node['html']} {node['failureSummary']}"
        for rule in (*found["violations"], *found["incomplete"])
        for node in rule["nodes"]
    ]
    return [*doubts, *(["sticks out"] if too_wide else [])]


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(storefront: Storefront, size: dict[str, int], scheme: str) -> None:
    """Badges earned and not, stale ones, none at all, a problem: each state is in order."""
    visitor = await storefront.enter(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    await visitor.choose("Show", "To earn")
    await visitor.settled(title="To earn (19)")
    await visitor.page.get_by_text("For developers").click()
    found = {"badges": await violations(visitor)}
    storefront.house.clock.advance(400)
    storefront.house.gateway.behaviour = fails()
    await visitor.page.get_by_role("button", name="Refresh").click()
    await expect(visitor.page.locator("#as-of")).to_contain_text("can't be fetched")
    found["stale"] = await violations(visitor)
    storefront.house.gateway.behaviour = None
    await visitor.choose("Status", "Expired")
    await visitor.settled(title="To earn (0)")
    found["empty"] = await violations(visitor)
    await visitor.page.get_by_label("Signed in as").select_option("ghost")
    await expect(visitor.problem).to_be_visible()
    found["problem"] = await violations(visitor)

    assert found == {"badges": [], "stale": [], "empty": [], "problem": []}


async def press(visitor: Visitor, *keys: str) -> str:
    """Press keys; return what has the focus then, which has to be visible."""
    for key in keys:
        await visitor.page.keyboard.press(key)
    name, style, width = await visitor.page.evaluate(FOCUSED)
    assert (style, width) == ("solid", "3px"), name
    return str(name)


async def test_the_keyboard_alone(storefront: Storefront) -> None:
    """Everything is reached in the order in which it is seen, and the focus shows and stays."""
    visitor = await storefront.enter()

    assert await press(visitor, "Tab") == "customer"
    assert await press(visitor, "Tab") == "refresh"
    assert await press(visitor, "Enter") == "refresh"
    assert await press(visitor, "Tab") == "Earned"
    assert await press(visitor, "ArrowRight") == "To earn"
    await visitor.settled(title="To earn (19)")
    assert await press(visitor, "Tab") == "Any"
    await press(visitor, "Tab", "Enter")
    await expect(visitor.page.locator("#position")).to_have_text("Page 2 of 2")
    await expect(visitor.page.locator("#results-title")).to_be_focused()


async def test_a_screen_reader_is_told(storefront: Storefront) -> None:
    """What changes is said in a sentence; a problem interrupts, its countdown does not."""
    visitor = await storefront.enter()
    status = visitor.page.get_by_role("status")
    await expect(status).to_have_text("Earned (10). 10 shown. Page 1 of 1.")
    await visitor.choose("Status", "Upcoming")
    await expect(status).to_have_text("Earned (0). No badges here.")
    await expect(visitor.page.get_by_role("banner")).to_have_count(1)
    await expect(visitor.page.get_by_role("main")).to_have_count(1)

    await visitor.page.get_by_label("Signed in as").select_option("ghost")
    alert = visitor.page.get_by_role("alert")
    await expect(alert).to_contain_text("Customer not found")
    await expect(alert.locator("#problem-countdown")).to_have_count(0)


@pytest.mark.parametrize(
    ("locale", "zone", "day"),
    [
        ("de-DE", "UTC", "14.11.2023"),
        ("en-US", "America/Los_Angeles", "Nov 14, 2023"),
        ("en-GB", "Asia/Tokyo", "15 Nov 2023"),
    ],
)
async def test_dates_are_the_visitors(
    storefront: Storefront, locale: str, zone: str, day: str
) -> None:
    """Language, order and time zone are those of the browser; the machine's form stays UTC."""
    ada = next(iter(storefront.house.gateway.customers.values()))
    badge = next(iter(ada.earnings))
    storefront.house.gateway.earn(ada.person.customer_id, badge, at=1_700_000_000)

    visitor = await storefront.enter(title=None, locale=locale, timezone_id=zone)

    time = visitor.card("First Purchase").locator("time").first
    await expect(time).to_have_text(day)
    await expect(time).to_have_attribute("datetime", "2023-11-14T22:13:20.000Z")


async def test_less_motion(storefront: Storefront) -> None:
    """Whoever asked for less motion sees none; everybody else sees that something is on its way."""
    animated = {}
    for motion in ("reduce", "no-preference"):
        visitor = await storefront.enter(reduced_motion=motion)
        animated[motion] = await visitor.page.evaluate(
            """() => {
              const card = document.getElementById("skeleton").content.firstElementChild;
              const shown = document.getElementById("badges").appendChild(card.cloneNode(true));
              return getComputedStyle(shown).animationName;
            }"""
        )

    assert animated == {"reduce": "none", "no-preference": "breathe"}
