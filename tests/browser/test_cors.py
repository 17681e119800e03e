"""CORS as a real browser sees it: a page of another local origin asks the service."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from house import House, Service
from playwright.async_api import Browser, Page

FETCH = """async ([address, options]) => {
  try {
    const answer = await fetch(address, options);
    const headers = Object.fromEntries(answer.headers);
    return { status: answer.status, headers, body: await answer.text() };
  } catch (error) {
    return { error: error.name };
  }
}"""
EMBED = """(address) => new Promise((resolve) => {
  const picture = new Image();
  picture.onload = () => resolve("loaded");
  picture.onerror = () => resolve("refused");
  picture.src = address;
})"""


@dataclass
class Shop:
    """A page of some origin, and the service that it asks."""

    house: House
    service: Service
    page: Page

    @property
    def address(self) -> str:
        """The address of the service."""
        return "http://{}:{}".format(*self.service.public)

    async def ask(
        self, target: str = "/me/badges", *, token: str | None = "ada", **options: Any
    ) -> dict[str, Any]:
        """Let the page fetch; what it was not allowed to read is an error."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {self.house.issuer.token(token)}"
        return await self.page.evaluate(
            FETCH, [self.address + target, {**options, "headers": headers}]
        )

    def served(self, method: str = "GET") -> list[int]:
        """The statuses that the service answered to requests for badges."""
        return [
            event["status"]
            for event in self.house.events("request")
            if (event["route"], event["method"]) == ("/me/badges", method)
        ]


async def page_of(house: House, browser: Browser) -> tuple[str, Page]:
    """Open an empty page on an origin of its own."""

    async def empty(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>Shop</title>", content_type="text/html")

    application = web.Application()
    application.router.add_get("/", empty)
    server = await house.stack.enter_async_context(TestServer(application))
    page = await (await browser.new_context()).new_page()
    page.set_default_timeout(10_000)
    await page.goto(str(server.make_url("/")))
    return str(server.make_url("/")).rstrip("/"), page


@pytest.fixture
async def open_shop(house: House, browser: Browser) -> Callable[..., Any]:
    """Start a service that knows a page's origin, and open the page."""

    async def start(**overrides: str) -> Shop:
        origin, page = await page_of(house, browser)
        service = await house.start(BFF_SERVER__CORS_ORIGINS=origin, **overrides)
        return Shop(house, service, page)

    return start


async def test_a_listed_page_reads_badges(open_shop: Callable[..., Any]) -> None:
    """Body and exposed header fields; that answers may not be embedded does not hinder it."""
    shop = await open_shop(BFF_LIMITS__REQUESTS_PER_MINUTE="60")

    answer = await shop.ask("/me/badges?size=3", headers={"X-Request-Id": "from-a-page"})

    assert answer["status"] == 200
    assert '"badges":[{' in answer["body"]
    assert answer["headers"]["x-request-id"] == "from-a-page"
    for name in ("age", "badges-as-of", "cache-status", "etag", "link", "ratelimit"):
        assert answer["headers"][name]
    assert await shop.page.evaluate(EMBED, f"{shop.address}/docs/icon.svg") == "refused"


async def test_the_browser_revalidates_by_itself(open_shop: Callable[..., Any]) -> None:
    """Its own cache sends If-None-Match; the page sees a 200 and the service sent a 304."""
    shop = await open_shop()

    first = await shop.ask()
    shop.house.clock.advance(20)
    again = await shop.ask()

    assert (first["status"], again["status"]) == (200, 200)
    assert again["body"] == first["body"]
    assert shop.served() == [200, 304]
    assert (first["headers"]["age"], again["headers"]["age"]) == ("0", "20")
    assert shop.served("OPTIONS") == [204]


async def test_a_page_that_revalidates_itself(open_shop: Callable[..., Any]) -> None:
    """A page that keeps answers on its own may send If-None-Match, and reads the 304."""
    shop = await open_shop()
    tag = (await shop.ask())["headers"]["etag"]

    answer = await shop.ask(headers={"If-None-Match": tag}, cache="no-store")

    assert (answer["status"], answer["body"], answer["headers"]["etag"]) == (304, "", tag)


async def test_pull_to_refresh(open_shop: Callable[..., Any]) -> None:
    """`cache: "reload"` is how a page asks for what is there now."""
    shop = await open_shop()
    await shop.ask()
    shop.house.clock.advance(20)

    answer = await shop.ask(cache="reload")

    assert (answer["status"], answer["headers"]["age"]) == (200, "0")
    assert answer["headers"]["cache-status"] == "badges-bff; fwd=stale; stored"


@pytest.mark.parametrize(
    ("target", "token", "status", "code"),
    [
        ("/me/badges?view=all&foo=1", "ada", 400, "invalid-query"),
        ("/me/badges", None, 401, "unauthenticated"),
        ("/nothing", None, 404, "not-found"),
    ],
)
async def test_problems_can_be_read(
    open_shop: Callable[..., Any], target: str, token: str | None, status: int, code: str
) -> None:
    """The page can tell what is wrong, and quote the request's id."""
    shop = await open_shop()

    answer = await shop.ask(target, token=token)

    assert answer["status"] == status
    assert f'"code":"{code}"' in answer["body"]
    assert answer["headers"]["x-request-id"] in answer["body"]
    assert ("www-authenticate" in answer["headers"]) == (status == 401)


async def test_pauses_can_be_read(open_shop: Callable[..., Any]) -> None:
    """Of a 429 and of a 503 the page learns how long to wait."""
    shop = await open_shop(BFF_LIMITS__REQUESTS_PER_MINUTE="1")

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "42"})

    shop.house.gateway.behaviour = refuse
    for status, code in ((503, "gateway-unavailable"), (429, "rate-limited")):
        answer = await shop.ask()

        assert (answer["status"], f'"code":"{code}"' in answer["body"]) == (status, True)
        assert int(answer["headers"]["retry-after"]) >= 1


async def test_an_unlisted_page_reads_nothing(
    open_shop: Callable[..., Any], house: House, browser: Browser
) -> None:
    """Neither badges nor problems; its preflight is refused, so that nothing is even asked."""
    shop = await open_shop()
    _, shop.page = await page_of(house, browser)

    assert await shop.ask() == {"error": "TypeError"}
    assert await shop.ask("/livez", token=None) == {"error": "TypeError"}
    assert (shop.served(), shop.served("OPTIONS")) == ([], [204])


@pytest.mark.parametrize(
    "options",
    [
        {"credentials": "include"},
        {"headers": {"X-Other": "1"}},
        {"method": "PUT"},
        {"method": "DELETE"},
    ],
)
async def test_what_is_not_granted_is_refused(
    open_shop: Callable[..., Any], options: dict[str, Any]
) -> None:
    """Credentials mode, other header fields and other methods, even for a listed page."""
    shop = await open_shop()

    assert await shop.ask(**options) == {"error": "TypeError"}


async def test_a_service_that_is_gone(open_shop: Callable[..., Any]) -> None:
    """An unreachable service is an error of the network: the page has nothing to read."""
    shop = await open_shop()
    shop.service.public = ("127.0.0.1", 9)

    assert await shop.ask() == {"error": "TypeError"}
