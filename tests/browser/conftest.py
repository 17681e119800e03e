"""A headless Chromium for the tests that need a real browser: Debian's, driven by Playwright."""

from collections.abc import AsyncIterator

import pytest
from browser.storefront import Storefront
from house import House
from playwright.async_api import Browser, async_playwright
from programs import program


@pytest.fixture(scope="session")
def chromium() -> str:
    """Find Chromium."""
    return program("chromium")


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """Start a Chromium with an empty profile; the test opens contexts, one for each visitor."""
    async with async_playwright() as playwright:
        # Chromium refuses to sandbox itself as root, which tests in a container often are.
        running = await playwright.chromium.launch(
            executable_path=chromium, chromium_sandbox=False, timeout=20_000
        )
        try:
            yield running
        finally:
            await running.close()


@pytest.fixture
async def storefront(house: House, browser: Browser) -> Storefront:
    """Open the badge page's server in front of a running service."""
    shop = Storefront(house, await house.start(), browser)
    await shop.open()
    return shop
