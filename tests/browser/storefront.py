"""The badge page in a browser: its server in front of a running service, and one visitor."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from house import House, Service
from playwright.async_api import Browser, ConsoleMessage, Error, Locator, Page, Request, expect

from app.sandbox.behaviour import Behaviour
from app.sandbox.catalogue import sample_badges
from app.sandbox.page import BadgePage, proxy_session

Gate = Callable[[web.Request], Awaitable[web.Response | None]]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@dataclass
class Visitor:
    """A browser window with the badge page in it, and all that went wrong or out there."""

    page: Page
    faults: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def watch(self) -> None:
        """Take down requests, errors of scripts, and refusals by the page's policy."""
        self.page.on("request", self._take_down_request)
        self.page.on("pageerror", self._take_down_error)
        self.page.on("console", self._take_down_message)

    def _take_down_request(self, request: Request) -> None:
        self.requests.append(request)

    def _take_down_error(self, error: Error) -> None:
        self.faults.append(str(error))

    def _take_down_message(self, message: ConsoleMessage) -> None:
        # The browser itself reports every answer that is an error; those are under test.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    @property
    def cards(self) -> Locator:
        """The badges that are shown."""
        return self.page.locator("#badges > .card:not(.skeleton)")

    def card(self, name: str) -> Locator:
        """The card of the badge of this name."""
        return self.cards.filter(has=self.page.get_by_role("heading", name=name, exact=True))

    @property
    def problem(self) -> Locator:
        """The panel that says what went wrong."""
        return self.page.locator("#problem")

    async def first_words(self, part: str) -> str:
        """Return the first line of one part of the summary."""
        return (await self.page.locator(f'[data-part="{part}"]').inner_text()).split("\n")[0]

    def asked(self, part: str) -> list[Request]:
        """The requests whose path and query contain this, oldest first."""
        return [request for request in self.requests if part in request.url]

    def choose(self, group: str, label: str) -> Awaitable[None]:
        """Choose one of the filters."""
        return self.page.get_by_role("group", name=group).get_by_label(label, exact=True).check()

    async def settled(self, *, title: str) -> None:
        """Wait until the badges under this title are shown."""
        heading = self.page.locator("#results-title")
        await expect(heading).to_have_text(title)
        await expect(self.page.locator("#badges")).to_have_attribute("aria-busy", "false")


@dataclass
class Storefront:
    """The page server and the service behind it; `gate` may answer in the service's stead."""

    house: House
    service: Service
    browser: Browser
    address: str = ""
    gate: Gate | None = None

    async def open(self) -> None:
        """Start the page server, and let the badges' pictures be there."""
        session = await self.house.stack.enter_async_context(proxy_session())
        host, port = self.service.public
        badge_page = BadgePage(
            session=session,
            service_url=f"http://{host}:{port}",
            issuer_url=self.house.issuer.issuer_url,
            pictures_url="http://pictures.test",
        )
        application = badge_page.application()
        application.middlewares.append(self._consult_gate)
        server = await self.house.stack.enter_async_context(TestServer(application))
        self.address = str(server.make_url("/"))
        pictures = self.address.removesuffix("/")
        self.house.gateway.badges = sample_badges(self.house.clock(), pictures)

    @web.middleware
    async def _consult_gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        answer = None if self.gate is None else await self.gate(request)
        return answer or await handler(request)

    async def enter(self, *, title: str | None = "Earned (10)", **context: Any) -> Visitor:
        """Let a visitor come, and wait until the badges under `title` are there."""
        options = {"viewport": DESKTOP, "locale": "en-GB", "timezone_id": "UTC", **context}
        visitor = Visitor(await (await self.browser.new_context(**options)).new_page())
        visitor.page.set_default_timeout(10_000)
        visitor.watch()
        await visitor.page.clock.install()
        await visitor.page.goto(self.address)
        if title is not None:
            await visitor.settled(title=title)
        return visitor


def fails(status: int = 500, **headers: str) -> Behaviour:
    """Make the stand-in gateway answer every badges call with an error."""

    async def behave(_request: web.Request) -> web.Response:
        return web.json_response({}, status=status, headers=headers)

    return behave
