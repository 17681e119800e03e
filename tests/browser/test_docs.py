"""`/docs` and the pages of the problems in a real browser."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import pytest
from browser.storefront import DESKTOP, PHONE
from house import House, Service
from playwright.async_api import Browser, BrowserContext, Page, expect

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
GROUND = "getComputedStyle(document.body).backgroundColor"


@dataclass
class Reader:
    """A browser window, what it asked for, and what went wrong in it."""

    page: Page
    address: str
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Take down requests, errors of scripts, and refusals by the page's policy."""
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._take_down)

    def _take_down(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    async def open(self, path: str) -> None:
        """Go to a page of the service."""
        await self.page.goto(self.address + path)


@pytest.fixture
async def service(house: House) -> Service:
    """A service as it is delivered."""
    return await house.start()


@pytest.fixture(params=["desktop light", "phone dark"])
async def context(
    request: pytest.FixtureRequest, browser: Browser
) -> AsyncIterator[BrowserContext]:
    """A desktop in light colours, or a phone in dark ones."""
    size, colours = request.param.split()
    context = await browser.new_context(
        viewport=PHONE if size == "phone" else DESKTOP, color_scheme=colours
    )
    yield context
    await context.close()


@pytest.fixture
async def reader(service: Service, context: BrowserContext) -> Reader:
    """Somebody who opens a window."""
    page = await context.new_page()
    page.set_default_timeout(10_000)
    reader = Reader(page, "http://{}:{}".format(*service.public))
    reader.watch()
    return reader


async def test_the_api_can_be_tried(house: House, reader: Reader) -> None:
    """A token is typed in, the badges are shown; nothing is kept, nothing comes from elsewhere."""
    page = reader.page
    await reader.open("/docs")
    await page.get_by_role("button", name="Authorize").click()
    await page.get_by_label("auth-bearer-value").fill(house.issuer.token("ada"))
    await page.get_by_label("Apply credentials").first.click()
    await page.get_by_role("button", name="Close").last.click()
    await page.locator("#operations-Badges-getBadges .opblock-summary-control").click()
    operation = page.locator("#operations-Badges-getBadges")
    await operation.get_by_role("button", name="Execute").click()

    shown = operation.locator(".live-responses-table")
    await expect(shown.locator(".response-col_status").last).to_contain_text("200")
    await expect(shown.locator(".highlight-code").first).to_contain_text("Old Friend")
    assert reader.faults == []
    assert {url for url in reader.asked if not url.startswith(reader.address)} == set()
    kept = "[localStorage.length, sessionStorage.length, document.cookie]"
    assert await page.evaluate(kept) == [0, 0, ""]


async def test_operations_are_described(reader: Reader) -> None:
    """All are listed; those that open break neither the page's policy nor its width."""
    await reader.open("/docs")
    await expect(reader.page.locator(".opblock-summary-control")).to_have_count(10)
    for operation in ("Badges-getBadges", "Events-postEvent"):
        await reader.page.locator(f"#operations-{operation} .opblock-summary-control").click()

    await expect(reader.page.locator(".opblock.is-open")).to_have_count(2)
    assert await reader.page.evaluate(FITS)
    assert reader.faults == []


async def test_a_problem_is_explained(reader: Reader) -> None:
    """Its page fits, is titled, and leads to the API's page."""
    await reader.open("/problems/rate-limited")

    await expect(reader.page.get_by_role("heading", level=1)).to_have_text("Too many requests")
    assert await reader.page.evaluate(FITS)
    await reader.page.get_by_role("link", name="Badges API").click()
    await expect(reader.page.locator(".opblock").first).to_be_visible()
    assert reader.faults == []


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/problems/overloaded", set()),
        # Swagger UI's own: its headings leave out a level, and it puts buttons into a button.
        ("/docs", {"heading-order", "nested-interactive"}),
    ],
)
async def test_axe_finds_nothing_of_ours(reader: Reader, path: str, known: set[str]) -> None:
    """Landmarks, names, contrast and the rest; axe comes by a way that the policy lets through."""
    await reader.open(path)
    if path == "/docs":
        await expect(reader.page.locator(".opblock").first).to_be_visible()

    await reader.page.evaluate(AXE)
    found = await reader.page.evaluate("axe.run()")

    assert len(found["passes"]) > 10
    assert {violation["id"] for violation in found["violations"]} <= known


@pytest.mark.parametrize("path", ["/docs", "/problems/overloaded"])
async def test_colours_are_the_visitors(reader: Reader, path: str) -> None:
    """Dark where dark is wanted."""
    await reader.open(path)

    dark = await reader.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    ground = await reader.page.evaluate(GROUND)
    assert ground == ("rgb(28, 32, 34)" if dark else "rgb(255, 255, 255)")
