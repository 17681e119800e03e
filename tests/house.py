"""The service under test, with real neighbours on real sockets."""

import asyncio
import io
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, DummyCookieJar
from aiohttp.test_utils import TestServer
from yarl import URL

from app.adapters.logs import Log
from app.bootstrap import running
from app.sandbox.gateway import StandInGateway
from app.sandbox.identity import StandInIssuer
from app.settings import Settings, load_settings


@dataclass
class TestClock:
    """The real time, and what a test has added to it, in seconds."""

    __test__ = False
    offset: float = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.offset += seconds


@dataclass(frozen=True)
class Reply:
    """What the service answered; the body is as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["Content-Type"] == "application/problem+json", self.headers
        return self.json["code"]

    @property
    def cache(self) -> str:
        """The value of Cache-Status after the cache's name."""
        return self.headers["Cache-Status"].removeprefix("badges-bff; ")


@dataclass
class Service:
    """A running service and a client of it."""

    public: tuple[str, int]
    admin: tuple[str, int]
    session: ClientSession
    issuer: StandInIssuer

    async def get(
        self,
        target: str = "/me/badges",
        *,
        token: str | None = "ada",
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        admin: bool = False,
    ) -> Reply:
        """Send a request; `token` is a sample customer's name, a whole token, or None for none."""
        sent = dict(headers or {})
        if token is not None:
            whole = token if "." in token or not token.isalpha() else self.issuer.token(token)
            sent.setdefault("Authorization", f"Bearer {whole}")
        host, port = self.admin if admin else self.public
        url = URL(f"http://{host}:{port}{target}", encoded=True)
        async with self.session.request(
            method, url, headers=sent, skip_auto_headers=("Accept-Encoding",)
        ) as response:
            return Reply(response.status, response.headers.copy(), await response.read())

    async def ready(self) -> None:
        """Wait until the service says that it is ready."""
        async with asyncio.timeout(10):
            while (await self.get("/readyz", token=None)).status != 200:
                await asyncio.sleep(0.01)


@dataclass
class House:
    """Starts services whose neighbours are the stand-ins."""

    gateway: StandInGateway
    gateway_server: TestServer
    issuer: StandInIssuer
    clock: TestClock
    stack: AsyncExitStack
    log: io.BytesIO = field(default_factory=io.BytesIO)

    def environment(self, **overrides: str) -> dict[str, str]:
        """Return a configuration by environment variables; an empty override leaves one out."""
        gateway_url = str(self.gateway_server.make_url("")).rstrip("/")
        variables = {
            "BFF_SERVER__HOST": "127.0.0.1",
            "BFF_SERVER__PORT": "0",
            "BFF_SERVER__ADMIN_PORT": "0",
            "BFF_SERVER__DRAIN_DELAY": "0",
            "BFF_SERVER__SHUTDOWN_TIMEOUT": "2",
            "BFF_GATEWAY__BASE_URL": gateway_url,
            "BFF_GATEWAY__AUTH": "capillary",
            "BFF_GATEWAY__TOKEN_URL": f"{gateway_url}/v3/oauth/token/generate",
            "BFF_GATEWAY__CLIENT_ID": self.gateway.client.client_id,
            "BFF_GATEWAY__CLIENT_SECRET": self.gateway.client.client_secret,
            "BFF_IDENTITY__ISSUER": self.issuer.issuer_url,
            "BFF_IDENTITY__AUDIENCE": self.issuer.audience,
            "BFF_CACHE__NAME_SECRET": "n" * 32,
            "BFF_CACHE__SECRET": "s" * 32,
            "BFF_LIMITS__GATEWAY_CALLS_PER_MINUTE": "0",
            "BFF_LIMITS__REQUESTS_PER_MINUTE": "0",
            "BFF_LOG__LEVEL": "debug",
        } | overrides
        return {name: value for name, value in variables.items() if value}

    async def start(
        self,
        settings: Settings | None = None,
        *,
        timer: TestClock | None = None,
        **overrides: str,
    ) -> Service:
        """Run a service in this process until the test ends, and wait until it is ready."""
        settings = settings or load_settings(None, self.environment(**overrides))
        log = Log(log_format="json", level="debug", stream=self.log)
        addresses = await self.stack.enter_async_context(
            running(settings, log, clock=self.clock, timer=timer or self.clock)
        )
        session = await self.stack.enter_async_context(
            ClientSession(cookie_jar=DummyCookieJar(), auto_decompress=False)
        )
        service = Service(addresses.public, addresses.admin, session, self.issuer)
        await service.ready()
        return service

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log events of that name, in order."""
        lines = (json.loads(line) for line in self.log.getvalue().splitlines())
        return [line for line in lines if line["event"] == name]


async def eventually(holds: Callable[[], bool], *, within: float = 5.0) -> None:
    """Wait until something holds that another task brings about."""
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.005)
