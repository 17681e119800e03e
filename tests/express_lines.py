"""Listeners with a test's own handlers, and connections to them, byte by byte."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest
from aiohttp import web
from house import eventually

from app.adapters.logs import Log
from app.adapters.metrics import Metrics
from app.adapters.observer import LogAndMetrics
from app.services.no_tracer import NoTracer
from app.web import server as server_module
from app.web.application import ROUTES, application
from app.web.envelope import Envelope
from app.web.exchanges import UnderWay
from app.web.lean_response import LeanResponse
from app.web.proxies import TrustedProxies

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
Answering = Callable[[web.Request], Awaitable[LeanResponse]]


def numbered(number: int) -> bytes:
    """Make a request that bears a number."""
    return GET.replace(b"/ ", f"/?{number} ".encode(), 1)


def told(text: str = "") -> LeanResponse:
    """Answer with the path by which the handler was reached, and a text."""
    way = "task" if asyncio.current_task() else "express"
    return LeanResponse(200, {}, f"{way} {text}".encode())


async def at_once(request: web.Request) -> LeanResponse:
    """Answer without waiting."""
    return told(request.rel_url.query_string)


async def _post(request: web.Request) -> LeanResponse:
    return told((await request.read()).decode())


class Gates:
    """Futures that handlers wait for, in the order in which they came to them."""

    def __init__(self) -> None:
        self.all: list[asyncio.Future[str]] = []

    def __call__(self) -> asyncio.Future[str]:
        """Make one more."""
        self.all.append(asyncio.get_running_loop().create_future())
        return self.all[-1]

    async def reached(self, number: int) -> asyncio.Future[str]:
        """Wait until somebody waits for the future of that number, from 0."""
        await eventually(lambda: len(self.all) > number)
        return self.all[number]


class Line:
    """A connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *parts: bytes) -> None:
        """Send bytes."""
        self.writer.write(b"".join(parts))

    async def pieces(self, *parts: bytes) -> None:
        """Send bytes in several segments, each of which arrives on its own."""
        for part in parts:
            self.writer.write(part)
            await asyncio.sleep(0.003)

    async def answer(self) -> tuple[int, dict[str, str], str]:
        """Read an answer: status, fields, body."""
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.splitlines()[:-1]
            fields = dict(line.split(": ", 1) for line in lines)
            body = await self.reader.readexactly(int(fields.get("Content-Length", "0")))
        return int(status.split()[1]), fields, body.decode()

    async def ask(self, request: bytes = GET) -> str:
        """Send a request, and return the body of the answer."""
        self.send(request)
        return (await self.answer())[2]

    async def rest(self) -> bytes:
        """Read until the server closes the connection."""
        async with asyncio.timeout(5):
            return await self.reader.read()


@asynccontextmanager
async def connected(address: tuple[str, int]) -> AsyncIterator[Line]:
    """Open a connection."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


class Server:
    """A listener with handlers of the test's own, and what is under way there."""

    def __init__(self, address: tuple[str, int], under_way: UnderWay) -> None:
        self.address = address
        self.under_way = under_way
        self.stack = AsyncExitStack()

    def line(self) -> AbstractAsyncContextManager[Line]:
        """Open a connection."""
        return connected(self.address)

    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self.under_way._exchanges


class Serve:
    """Starts listeners, which live as long as the stack."""

    def __init__(self, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stack = stack
        self._monkeypatch = monkeypatch

    async def __call__(
        self,
        answer: Answering,
        *,
        bare: bool = False,
        drains: bool = False,
        patience: float = 1,
    ) -> Server:
        """Start one; a `bare` handler has no envelope around it. `patience` is in seconds."""
        observer = LogAndMetrics(Log(log_format="json", level="error"), Metrics())
        envelope = Envelope(observer=observer, tracer=NoTracer(), proxies=TrustedProxies(()))
        app = application(envelope, reads={"/": answer}, writes={"/post": _post})
        if bare:
            cast("dict[str, Answering]", app[ROUTES])["/"] = answer
        under_way = UnderWay()
        self._monkeypatch.setattr(server_module, "UnderWay", lambda: under_way)
        server = Server(("", 0), under_way)
        await self._stack.enter_async_context(server.stack)
        server.address = await server.stack.enter_async_context(
            server_module.listening(
                app,
                host="127.0.0.1",
                port=0,
                shutdown_timeout=patience,
                draining=lambda: drains,
                envelope=envelope,
            )
        )
        return server


@asynccontextmanager
async def nothing_going_wrong_unseen() -> AsyncIterator[None]:
    """Check that no task is left behind, and that none and no callback fails where nobody looks."""
    troubles: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
    before = asyncio.all_tasks()
    yield
    gc.collect()
    assert troubles == []
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}
