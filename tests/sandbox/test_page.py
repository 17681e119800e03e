"""The page server: page, pictures, login, and the way on to the service."""

import gzip
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer
from yarl import URL

from app.sandbox.identity import StandInIssuer
from app.sandbox.page import BadgePage, proxy_session

STOREFRONT = Path(__file__).parents[2] / "app" / "sandbox" / "storefront"
Client = TestClient[web.Request, web.Application]
BODY = gzip.compress(b'{"badges": []}', mtime=0)


class Service:
    """A service that remembers what came and answers compressed."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.Response:
        """Answer as `/me/badges` would."""
        self.requests.append(request)
        headers = {"ETag": '"abc"', "Age": "7", "Cache-Status": "badges-bff; hit; ttl=41"}
        if request.headers.get("If-None-Match") == '"abc"':
            return web.Response(status=304, headers=headers)
        headers |= {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        return web.Response(body=BODY, headers=headers)

    def application(self) -> web.Application:
        """The service as an application."""
        application = web.Application()
        application.router.add_get("/{rest:.*}", self.answer)
        return application


@pytest.fixture
def service() -> Service:
    """A service to pass requests on to."""
    return Service()


@pytest.fixture
async def client(
    service: Service,
    issuer: StandInIssuer,
    aiohttp_server: AiohttpServer,
    aiohttp_client: AiohttpClient,
) -> AsyncIterator[Client]:
    """A client of the page server that leaves bodies as they are."""
    server = await aiohttp_server(service.application())
    async with proxy_session() as session:
        page = BadgePage(
            session=session,
            service_url=str(server.make_url("")).rstrip("/"),
            issuer_url=issuer.issuer_url,
            pictures_url="http://pictures.test",
        )
        yield await aiohttp_client(page.application(), auto_decompress=False)


async def test_the_page_brings_everything_itself(client: Client) -> None:
    """Its files are all here, and no address of another host is in any of them."""
    wanted, texts = ["/"], {}
    while wanted:
        path = wanted.pop()
        answer = await client.get(path)
        assert answer.status == 200, path
        texts[path] = await answer.text()
        names = re.findall(r'"(?:\.|/storefront)/(\w+\.\w+)"', texts[path])
        wanted += {f"/storefront/{name}" for name in names} - texts.keys() - set(wanted)
    assert {path.name for path in STOREFRONT.iterdir()} - {"page.html"} == {
        path.rpartition("/")[2] for path in texts if path != "/"
    }
    assert [path for path, text in texts.items() if re.search(r"https?://", text)] == []


async def test_the_pages_policy(client: Client) -> None:
    """Only the page's own files run, pictures may come from their own origin, nothing is inline."""
    answer = await client.get("/")
    policy = answer.headers["Content-Security-Policy"]
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == "'self'"
    assert directives["img-src"] == "'self' http://pictures.test"
    assert directives["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in policy
    inline = r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=|javascript:"
    assert re.search(inline, await answer.text()) is None


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/storefront/page.css", "text/css"),
        ("/storefront/main.js", "text/javascript"),
    ],
)
async def test_files_are_what_they_say(client: Client, path: str, kind: str) -> None:
    """A browser need not guess, and asks each time whether there is a newer one."""
    answer = await client.get(path)
    assert (answer.content_type, answer.charset) == (kind, "utf-8")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"
    again = await client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304


@pytest.mark.parametrize("name", ["page.py", "%2e%2e%2fpage.py", "nothing.js"])
async def test_no_other_file_is_sent(client: Client, name: str) -> None:
    """Only what lies in the page's folder can be asked for."""
    assert (await client.get(URL(f"/storefront/{name}", encoded=True))).status == 404


async def test_the_page_puts_data_into_text_only() -> None:
    """A badge's name is never HTML, and the token is never stored."""
    scripts = "".join(path.read_text() for path in STOREFRONT.glob("*.js"))
    for danger in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "Storage"):
        assert danger not in scripts


async def test_pictures(client: Client) -> None:
    """Pictures are SVG that may be kept and can't run anything."""
    answer = await client.get("/pictures/653dea07b3cda7078c7c68ee/UN_EARNED.svg")
    assert answer.content_type == "image/svg+xml"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert (await client.get("/pictures/abc/OTHER.svg")).status == 404


async def test_login_and_customers_come_from_the_issuer(client: Client) -> None:
    """The page's server fetches both, so that the page has one origin."""
    people = await (await client.get("/customers")).json()
    assert people[0]["name"] == "ada"
    answer = await client.post("/login/ada")
    assert (await answer.text()).count(".") == 2
    assert (await client.post("/login/eve")).status == 404


async def test_requests_go_on_as_they_came(client: Client, service: Service) -> None:
    """Target and the listed headers pass; cookies and whatever else do not."""
    passed = {
        "Authorization": "Bearer x",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "Cache-Control": "no-cache",
        "X-Request-Id": "abc",
    }
    await client.get("/me/badges?name=a%20b&view=earned", headers={**passed, "Cookie": "a=b"})
    (request,) = service.requests
    assert request.raw_path == "/me/badges?name=a%20b&view=earned"
    assert {name: request.headers[name] for name in passed} == passed
    assert len(request.headers) == len({"Host", *passed})


async def test_answers_come_back_as_they_were(client: Client) -> None:
    """Status, headers and compressed bytes pass untouched."""
    answer = await client.get("/me/badges")
    assert await answer.read() == BODY
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Cache-Status"] == "badges-bff; hit; ttl=41"
    assert (answer.headers["ETag"], answer.headers["Age"]) == ('"abc"', "7")


async def test_not_modified_comes_back(client: Client) -> None:
    """A conditional request reaches the service, and its 304 the browser."""
    answer = await client.get("/me/badges", headers={"If-None-Match": '"abc"'})
    assert (answer.status, await answer.read()) == (304, b"")
    assert answer.headers["ETag"] == '"abc"'
    assert "Content-Type" not in answer.headers


async def test_head_passes(client: Client, service: Service) -> None:
    """HEAD goes on as HEAD and tells the length of what GET would bring."""
    answer = await client.head("/me/badges")
    assert service.requests[0].method == "HEAD"
    assert answer.headers["Content-Length"] == str(len(BODY))


async def test_nobody_answers(
    unused_tcp_port_factory: Callable[[], int], aiohttp_client: AiohttpClient
) -> None:
    """A service that is away is a 502, not a crash."""
    nowhere = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    async with proxy_session() as session:
        page = BadgePage(
            session=session, service_url=nowhere, issuer_url=nowhere, pictures_url=nowhere
        )
        client = await aiohttp_client(page.application())
        assert (await client.get("/me/badges")).status == 502
