"""Connections that answer without a task, on real sockets, against aiohttp's own way."""

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import Any, cast

import pytest
from aiohttp import web
from house import House, eventually

from app.adapters.logs import Log
from app.adapters.metrics import Metrics
from app.adapters.observer import LogAndMetrics
from app.services import deadlines
from app.services.load import InFlight
from app.services.no_tracer import NoTracer
from app.web import express
from app.web import server as server_module
from app.web.application import application
from app.web.envelope import Envelope
from app.web.lean_response import LeanResponse
from app.web.proxies import TrustedProxies
from app.web.server import listening

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"
STATUSES = (400, 401, 404, 404, 404, 405, 404)
Answering = Callable[[web.Request], Awaitable[LeanResponse]]


@pytest.fixture(autouse=True)
async def _nothing_goes_wrong_unseen() -> AsyncIterator[None]:
    """No task is left behind, and no callback or task fails where nobody looks."""
    troubles: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
    before = asyncio.all_tasks()
    yield
    gc.collect()
    assert troubles == []
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}


def told(text: str = "") -> LeanResponse:
    """Answer with the path by which the handler was reached, and a text."""
    way = "task" if asyncio.current_task() else "express"
    return LeanResponse(200, {}, f"{way} {text}".encode())


class Gates:
    """Futures that handlers wait for, in the order in which they came to them."""

    def __init__(self) -> None:
        self.all: list[asyncio.Future[str]] = []
        self.left: list[BaseException | None] = []

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

    async def answer(self, *, head_only: bool = False) -> tuple[int, dict[str, str], str]:
        """Read an answer: status, fields, body."""
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.splitlines()[:-1]
            fields = dict(line.split(": ", 1) for line in lines)
            length = 0 if head_only else int(fields.get("Content-Length", "0"))
            body = await self.reader.readexactly(length)
        return int(status.split()[1]), fields, body.decode()

    async def ask(self, request: bytes = GET) -> str:
        """Send a request, and return the body of the answer."""
        self.send(request)
        return (await self.answer())[2]

    async def rest(self) -> bytes:
        """Read until the server closes the connection."""
        async with asyncio.timeout(5):
            return await self.reader.read()


class Server:
    """A listener with handlers of the test's own, and what is under way there."""

    def __init__(self, address: tuple[str, int], under_way: express.UnderWay) -> None:
        self.address = address
        self.under_way = under_way
        self.stack = AsyncExitStack()

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """Open a connection."""
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            yield Line(reader, writer)
        finally:
            writer.close()

    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self.under_way._exchanges


Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """Start listeners: `bare` handlers have no envelope around them."""
    async with AsyncExitStack() as stack:

        async def start(
            answer: Answering, *, bare: bool = False, drains: bool = False, patience: float = 1
        ) -> Server:
            observer = LogAndMetrics(Log(log_format="json", level="error"), Metrics())
            envelope = Envelope(observer=observer, tracer=NoTracer(), proxies=TrustedProxies(()))
            under_way = express.UnderWay()
            monkeypatch.setattr(server_module, "UnderWay", lambda: under_way)
            app = application(envelope, reads={"/": answer}, writes={"/post": _post})
            if bare:
                cast("dict[str, Answering]", app[server_module.ROUTES])["/"] = answer
            running = listening(
                app,
                host="127.0.0.1",
                port=0,
                shutdown_timeout=patience,
                draining=lambda: drains,
                envelope=envelope,
            )
            server = Server(("", 0), under_way)
            await stack.enter_async_context(server.stack)
            server.address = await server.stack.enter_async_context(running)
            return server

        yield start


async def _post(request: web.Request) -> LeanResponse:
    return LeanResponse(200, {}, b"posted " + await request.read())


async def at_once(request: web.Request) -> LeanResponse:
    """Answer without waiting."""
    return told(request.rel_url.query_string)


@pytest.mark.parametrize(
    "request_bytes",
    [
        GET,
        b"\r\n\r\n" + GET,
        GET + b"\r\n",
        GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=["plain", "blank lines before", "blank line after", "an empty body"],
)
async def test_simple_requests_need_no_task(serve: Serve, request_bytes: bytes) -> None:
    """They are answered one after the other, on one connection."""
    async with (await serve(at_once)).line() as line:
        assert [await line.ask(request_bytes) for _ in range(3)] == ["express "] * 3


@pytest.mark.parametrize("at", [1, 10, 16, len(GET) - 4, len(GET) - 3, len(GET) - 2, len(GET) - 1])
async def test_a_head_in_two_pieces(serve: Serve, at: int) -> None:
    """Wherever it is split, it is answered once, and the connection works on."""
    async with (await serve(at_once)).line() as line:
        for _ in range(2):
            await line.pieces(GET[:at], GET[at:])
            assert (await line.answer())[0] == 200
        assert (await line.ask()).endswith(" ")


async def test_a_head_byte_by_byte(serve: Serve) -> None:
    """It is answered once."""
    async with (await serve(at_once)).line() as line:
        await line.pieces(*(bytes([byte]) for byte in GET))
        assert (await line.answer())[0] == 200
        line.send(LAST)
        assert (await line.rest()).count(b"HTTP/1.1 200") == 1


def numbered(number: int) -> bytes:
    """Make a request that bears a number."""
    return GET.replace(b"/ ", f"/?{number} ".encode(), 1)


@pytest.mark.parametrize("count", [2, 50])
async def test_pipelined_in_one_segment(serve: Serve, count: int) -> None:
    """All are answered, in order."""
    async with (await serve(at_once)).line() as line:
        line.send(*map(numbered, range(count)))
        assert [(await line.answer())[2].split()[1] for _ in range(count)] == [
            str(number) for number in range(count)
        ]
        assert (await line.ask(numbered(99))).endswith(" 99")


@pytest.mark.parametrize(("second", "said"), [(numbered(2), "2"), (POST, "body")])
async def test_one_and_a_half(serve: Serve, second: bytes, said: str) -> None:
    """The half is completed later, whether it is simple or not."""
    async with (await serve(at_once)).line() as line:
        await line.pieces(numbered(1) + second[:9], second[9:])
        assert [(await line.answer())[2].split()[1] for _ in range(2)] == ["1", said]


@pytest.mark.parametrize("parts", [1, 2, 30], ids=lambda parts: f"in {parts} parts")
async def test_pipelined_behind_one_that_waits(serve: Serve, parts: int) -> None:
    """They are held, none is lost, and they are answered after it, in order; a POST, too."""
    gates = Gates()

    async def wait(request: web.Request) -> LeanResponse:
        if request.query_string == "0":
            await gates()
        return told(request.query_string)

    async with (await serve(wait)).line() as line:
        line.send(numbered(0))
        gate = await gates.reached(0)
        held = b"".join([*map(numbered, range(1, 40)), POST, numbered(40)])
        size = len(held) // parts + 1
        await line.pieces(*(held[at : at + size] for at in range(0, len(held), size)))
        assert len(gates.all) == 1
        gate.set_result("")

        bodies = [(await line.answer())[2].split()[1] for _ in range(42)]
        assert bodies == [*map(str, range(40)), "body", "40"]
        assert (await line.ask(numbered(41))).endswith(" 41")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (POST, 200),
        (POST.replace(b"Content-Length: 4\r\n\r\nbody", CHUNKED + b"4\r\nbody\r\n0\r\n\r\n"), 200),
        (POST.replace(b"POST", b"GET").replace(b"/post", b"/"), 200),
        (GET[:-2] + CHUNKED + b"4\r\nbody\r\n0\r\n\r\n", 200),
        (GET[:-2] + b"Expect: 100-continue\r\n\r\n", 200),
        (GET.replace(b"GET", b"OPTIONS"), 204),
        (GET.replace(b"GET", b"DELETE"), 405),
        (UPGRADE % b"websocket", 200),
        (UPGRADE % b"h2c", 200),
        (GET.replace(b"/ ", b"http://x/ ", 1), 200),
        (GET.replace(b"1.1", b"1.0").replace(b"x\r\n", b"x\r\nConnection: keep-alive\r\n", 1), 200),
    ],
)
@pytest.mark.parametrize("split", [False, True])
async def test_the_connection_works_on(
    serve: Serve, request_bytes: bytes, status: int, *, split: bool
) -> None:
    """After what is not simple, whole or in two pieces, it takes simple requests again."""
    async with (await serve(at_once)).line() as line:
        assert await line.ask() == "express "
        at = len(request_bytes) - 3 if split else len(request_bytes)
        await line.pieces(request_bytes[:at], request_bytes[at:])
        assert (await line.answer())[0] == status
        for number in range(3):
            assert (await line.ask(numbered(number))).endswith(f" {number}")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"x" * 9000 + GET[5:], 414),
        (GET[:-2] + b"X: " + b"x" * 20000 + b"\r\n\r\n", 431),
        (GET[:-2] + b"X: x\r\n" * 101 + b"\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (GET[:-2] + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    ],
    ids=["line", "field", "fields", "TLS", "no host", "two lengths"],
)
async def test_bad_framing_after_good_answers(
    serve: Serve, request_bytes: bytes, status: int
) -> None:
    """It is a problem, and the connection is closed."""
    async with (await serve(at_once)).line() as line:
        assert await line.ask() == "express "
        line.send(request_bytes)
        got, fields, _ = await line.answer()
        assert (got, fields["Content-Type"]) == (status, "application/problem+json")
        assert await line.rest() == b""


async def test_waits(serve: Serve) -> None:
    """The first wait needs no task; the second is waited for by one, and so are time limits."""
    gates, ways = Gates(), []

    async def wait(_: web.Request) -> LeanResponse:
        ways.append(asyncio.current_task() is None)
        assert await gates() == "one"
        ways.append(asyncio.current_task() is None)
        assert await gates() == "two"
        ways.append(asyncio.current_task() is None)
        with pytest.raises(TimeoutError):
            async with deadlines.until(asyncio.get_running_loop().time() + 0.01):
                await gates()
        return told("late")

    server = await serve(wait)
    async with server.line() as line:
        line.send(GET)
        (await gates.reached(0)).set_result("one")
        (await gates.reached(1)).set_result("two")
        assert (await line.answer())[2] == "task late"
        assert ways == [True, True, False]
        assert server.idle()


@pytest.mark.parametrize("waits", [0, 1])
async def test_time_limits_need_a_task(serve: Serve, waits: int) -> None:
    """One is there when a time limit begins, be it at once or after a wait."""

    async def wait(_: web.Request) -> LeanResponse:
        for _ in range(waits):
            await asyncio.sleep(0.001)
        async with deadlines.until(asyncio.get_running_loop().time() + 5):
            await asyncio.sleep(0.001)
            return told()

    async with (await serve(wait)).line() as line:
        assert [await line.ask() for _ in range(2)] == ["task "] * 2


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("waits", [0, 1, 2, 3])
async def test_handlers_that_fail(
    serve: Serve, caplog: pytest.LogCaptureFixture, waits: int, *, bare: bool
) -> None:
    """Whenever it happens, it is a 500; what no envelope caught is logged and ends the line."""

    async def fail(_: web.Request) -> LeanResponse:
        for _ in range(waits):
            await asyncio.sleep(0.001)
        raise ZeroDivisionError

    server = await serve(fail, bare=bare)
    async with server.line() as line:
        line.send(GET)
        status, fields, body = await line.answer()
        assert (status, fields.get("Connection")) == (500, "close" if bare else None)
        assert "internal-error" in body
        assert server.idle()
        if bare:
            assert await line.rest() == b""
            assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_what_is_waited_for_is_cancelled(serve: Serve, before: int) -> None:
    """There is no answer then: the connection is closed, and nothing stays under way."""
    gates = Gates()

    async def wait(_: web.Request) -> LeanResponse:
        for _ in range(before):
            await asyncio.sleep(0.001)
        await gates()
        return told()

    server = await serve(wait)
    async with server.line() as line:
        line.send(GET)
        (await gates.reached(0)).cancel()
        assert await line.rest() == b""
        assert server.idle()


async def test_context_variables(serve: Serve) -> None:
    """They live as long as the request, and a token of before the waits is good after them."""
    variable: ContextVar[int] = ContextVar("variable", default=0)
    seen = []

    async def wait(_: web.Request) -> LeanResponse:
        seen.append(variable.get())
        token = variable.set(1)
        for _ in range(3):
            await asyncio.sleep(0.001)
            seen.append(variable.get())
        variable.reset(token)
        seen.append(variable.get())
        variable.set(2)
        return told()

    async with (await serve(wait)).line() as line:
        await line.ask()
        await line.ask()
    assert seen == [0, 1, 1, 1, 0] * 2


@pytest.mark.parametrize("before", [0, 1], ids=["in the first wait", "in a task"])
async def test_the_caller_leaves(serve: Serve, before: int) -> None:
    """His request is gone on with to its end, and is forgotten."""
    gates, in_flight, ended = Gates(), InFlight(1), []

    async def wait(_: web.Request) -> LeanResponse:
        with in_flight:
            for _ in range(before):
                await asyncio.sleep(0.001)
            await gates()
        ended.append(True)
        return told()

    server = await serve(wait)
    async with server.line() as line:
        line.send(GET)
        gate = await gates.reached(0)
    await asyncio.sleep(0.02)
    gate.set_result("")
    await eventually(server.idle)
    assert (in_flight.count, ended) == (0, [True])


@pytest.mark.parametrize("before", [0, 1], ids=["in the first wait", "in a task"])
@pytest.mark.parametrize("in_time", [True, False])
async def test_requests_at_the_end(serve: Serve, before: int, *, in_time: bool) -> None:
    """Those under way have `shutdown_timeout` seconds; then they are cut, and cleaned up."""
    gates, in_flight = Gates(), InFlight(1)

    async def wait(_: web.Request) -> LeanResponse:
        with in_flight:
            for _ in range(before):
                await asyncio.sleep(0.001)
            await gates()
            return told()

    server = await serve(wait, drains=True, patience=5 if in_time else 0.1)
    async with server.line() as line:
        line.send(GET)
        gate = await gates.reached(0)
        ending = asyncio.create_task(server.stack.aclose())
        if in_time:
            await asyncio.sleep(0.15)
            gate.set_result("")
            assert (await line.answer())[1]["Connection"] == "close"
        assert await line.rest() == b""
        await ending
    assert (in_flight.count, server.idle()) == (0, True)


async def test_answers_of_a_drain(serve: Serve) -> None:
    """They close their connections, and what was pipelined behind is not begun."""
    async with (await serve(at_once, drains=True)).line() as line:
        line.send(GET)
        assert (await line.answer())[1]["Connection"] == "close"
        assert await line.rest() == b""


async def test_a_slow_reader(serve: Serve) -> None:
    """At most the answer to one request more than he reads is kept for him."""
    answered = []

    async def much(_: web.Request) -> LeanResponse:
        answered.append(True)
        return LeanResponse(200, {}, bytes(2**23))

    async with (await serve(much)).line() as line:
        line.writer.transport.pause_reading()
        for _ in range(10):
            await line.pieces(GET)
        await asyncio.sleep(0.1)
        assert len(answered) <= 3
        line.writer.transport.resume_reading()
        for _ in range(10):
            assert len((await line.answer())[2]) == 2**23


async def test_idle_connections(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is used stays open; one that is not is closed, be it new."""
    monkeypatch.setattr(express, "IDLE_TIMEOUT", 0.2)
    server = await serve(at_once)
    async with server.line() as used, server.line() as new:
        for _ in range(8):
            await asyncio.sleep(0.08)
            assert await used.ask() == "express "
        assert await new.rest() == b""
        assert await used.rest() == b""


def masked(answer: bytes) -> bytes:
    """Hide what differs from answer to answer."""
    answer = re.sub(rb'"requestId":"[^"]+"', b"", answer)
    answer = re.sub(rb"ttl=\d+", b"ttl", answer)
    return re.sub(rb"(Date|X-Request-Id|Server-Timing|Age|Badges-As-Of): [^\r]+", rb"\1", answer)


@pytest.mark.parametrize("loss", [0, 1])
async def test_the_same_bytes(house: House, monkeypatch: pytest.MonkeyPatch, loss: int) -> None:
    """By aiohttp, on a version that is not known, answers are what they are here."""
    service = await house.start()
    bearer = f"Authorization: Bearer {house.issuer.token()}\r\n"
    await service.get()
    heads = [
        *(f"{method} /me/badges HTTP/1.1\r\nHost: x\r\n{bearer}" for method in ("GET", "HEAD")),
        f"GET /me/badges HTTP/1.1\r\nHost: x\r\n{bearer}If-None-Match: *\r\n",
        f"GET /me/badges?x=y HTTP/1.1\r\nHost: x\r\n{bearer}",
        *(f"GET {path} HTTP/1.1\r\nHost: x\r\n" for path in ("/me/badges", "/no", "/problems/no")),
        "GET /webhooks/loyalty HTTP/1.1\r\nHost: x\r\n",
        "DELETE /me/badges HTTP/1.1\r\nHost: x\r\n",
    ]
    answers = []
    for known in (True, False):
        monkeypatch.setattr(express, "_KNOWN", known)
        line = Line(*await asyncio.open_connection(*service.public))
        for head in heads:
            await line.pieces(f"{head}\r\n".encode())
            await asyncio.sleep(0.02)
        line.send(LAST[:-loss] if loss else LAST, LAST[-loss:] if loss else b"")
        answers.append(masked(await line.rest()))
        line.writer.close()
    assert answers[0] == answers[1]
    statuses = re.findall(rb"HTTP/1.1 (\d+)", answers[0])
    assert statuses == [b"200", b"200", b"304", *(b"%d" % status for status in STATUSES)]
