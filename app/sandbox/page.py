"""The page server: the badge page, its pictures, and the way on to the service.

It does what a load balancer that routes by path does, so that page and service share one origin.
The page is `storefront/`: plain HTML, CSS and JavaScript, sent as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientError, ClientSession, DummyCookieJar, web
from multidict import CIMultiDict
from yarl import URL

from app.sandbox.pictures import badge_picture

PASSED_ON = ("Accept", "Accept-Encoding", "Authorization", "Cache-Control", "If-None-Match")
"""Request headers that go on to the service, with `X-Request-Id`."""

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "te"})
_ADDED_BY_CLIENT = ("Accept", "Accept-Encoding", "User-Agent")
_PICTURE_HEADERS = {
    "Cache-Control": "public, max-age=86400",
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}
_STOREFRONT = Path(__file__).with_name("storefront")
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


def proxy_session() -> ClientSession:
    """Return a client session that hands bodies on as they came and keeps no cookies."""
    return ClientSession(
        auto_decompress=False,
        cookie_jar=DummyCookieJar(),
        skip_auto_headers=_ADDED_BY_CLIENT,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class BadgePage:
    """The page server; the addresses are origins without a slash at the end.

    `pictures_url` is where badges' pictures live, besides the page's own origin.
    """

    session: ClientSession
    service_url: str
    issuer_url: str
    pictures_url: str

    def application(self) -> web.Application:
        """Return the page server as an application."""
        application = web.Application()
        application.router.add_get("/", self._page)
        application.router.add_get("/storefront/{name}", self._asset)
        application.router.add_get("/pictures/{badge}/{tag}.svg", self._picture)
        application.router.add_get("/customers", self._customers)
        application.router.add_post("/login/{customer}", self._login)
        application.router.add_get("/me/{rest:.*}", self._me)
        return application

    async def _page(self, _request: web.Request) -> web.FileResponse:
        policy = page_policy(self.pictures_url)
        return _file(_STOREFRONT / "page.html", {"Content-Security-Policy": policy})

    async def _asset(self, request: web.Request) -> web.FileResponse:
        # Looked up among what is there, so that no name leads out of the folder.
        files = {path.name: path for path in _STOREFRONT.iterdir()}
        try:
            return _file(files[request.match_info["name"]], {})
        except KeyError:
            raise web.HTTPNotFound from None

    async def _picture(self, request: web.Request) -> web.Response:
        try:
            picture = badge_picture(request.match_info["badge"], request.match_info["tag"])
        except ValueError:
            raise web.HTTPNotFound from None
        return web.Response(text=picture, content_type="image/svg+xml", headers=_PICTURE_HEADERS)

    async def _customers(self, _request: web.Request) -> web.Response:
        return await self._forward(URL(f"{self.issuer_url}/customers"), {})

    async def _login(self, request: web.Request) -> web.Response:
        customer = request.match_info["customer"]
        return await self._forward(URL(self.issuer_url) / "tokens" / customer, {})

    async def _me(self, request: web.Request) -> web.Response:
        """Pass a request on to the service, its target as it came."""
        names = (*PASSED_ON, "X-Request-Id")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        target = URL(f"{self.service_url}{request.raw_path}", encoded=True)
        return await self._forward(target, headers, method=request.method)

    async def _forward(
        self, url: URL, headers: Mapping[str, str], *, method: str = "GET"
    ) -> web.Response:
        try:
            async with self.session.request(
                method, url, headers=headers, allow_redirects=False
            ) as answer:
                body = await answer.read()
        except (ClientError, TimeoutError):
            raise web.HTTPBadGateway(text="Nobody answers there.\n") from None
        passed = CIMultiDict(
            (name, value)
            for name, value in answer.headers.items()
            if name.lower() not in _HOP_BY_HOP
        )
        return web.Response(status=answer.status, body=body, headers=passed)


def _file(path: Path, headers: Mapping[str, str]) -> web.FileResponse:
    """Return one file of the page; browsers ask each time whether it has changed."""
    usual = {
        "Cache-Control": "no-cache",
        "Content-Type": _MEDIA_TYPES[path.suffix],
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return web.FileResponse(path, headers={**usual, **headers})


def page_policy(pictures_url: str) -> str:
    """Return the page's Content-Security-Policy: its own files and the pictures, nothing else.

    Nothing inline runs, and no text becomes markup: Trusted Types without any policy refuse it.
    """
    directives = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        f"img-src 'self' {pictures_url}",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return "; ".join(directives)
