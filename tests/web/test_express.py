"""What connections that answer without a task answer, on real sockets, and how."""

import asyncio
import re
from contextvars import ContextVar
from itertools import pairwise

import pytest
from aiohttp import web
from express_lines import CHUNKED, GET, LAST, POST, Gates, Serve, at_once, connected, numbered, told
from house import House

from app.services import deadlines
from app.web import express
from app.web.lean_response import LeanResponse

pytestmark = pytest.mark.usefixtures("_watched")
UPGRADE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"
CONNECT = b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n"
STATUSES = (400, 401, 404, 404, 404, 405, 404)
END = len(GET)
LARGE = b"Content-Length: 200000\r\n\r\n" + bytes(200000)
MANY = CHUNKED + b"1\r\nx\r\n" * 9000 + b"0\r\n\r\n"


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


@pytest.mark.parametrize(
    "cuts",
    [(1,), (10,), (16,), (END - 4,), (END - 3,), (END - 2,), (END - 1,), (10, 20, END - 1)],
)
async def test_a_head_in_pieces(serve: Serve, cuts: tuple[int, ...]) -> None:
    """Wherever it is cut, be its last piece a line feed alone, it needs no task."""
    pieces = [GET[begin:end] for begin, end in pairwise((0, *cuts, END))]
    async with (await serve(at_once)).line() as line:
        for _ in range(2):
            await line.pieces(*pieces)
            assert (await line.answer())[2] == "express "
        assert await line.ask() == "express "


async def test_a_head_byte_by_byte(serve: Serve) -> None:
    """It is answered once, and needs no task."""
    async with (await serve(at_once)).line() as line:
        await line.pieces(*(bytes([byte]) for byte in GET))
        assert (await line.answer())[2] == "express "
        line.send(LAST)
        assert (await line.rest()).count(b"HTTP/1.1 200") == 1


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


@pytest.mark.parametrize("first", [UPGRADE % b"websocket", CONNECT], ids=["upgrade", "connect"])
async def test_pipelined_behind_a_change_of_protocol(serve: Serve, first: bytes) -> None:
    """There is none, so what comes behind it is a request like any other."""
    async with (await serve(at_once)).line() as line:
        line.send(first, numbered(1), numbered(2))
        await line.answer()
        assert [(await line.answer())[2].split()[1] for _ in range(2)] == ["1", "2"]
        assert (await line.ask(numbered(3))).endswith(" 3")


@pytest.mark.parametrize("at", [0, 20], ids=["in one segment", "its head in two"])
@pytest.mark.parametrize("is_read", [True, False])
async def test_a_body_that_comes_with_its_head(serve: Serve, at: int, *, is_read: bool) -> None:
    """Its request alone is answered by aiohttp, read or not: what comes behind needs no task."""
    request = POST if is_read else POST.replace(b"POST /post", b"GET /")
    async with (await serve(at_once)).line() as line:
        for number in range(2):
            await line.pieces(request[:at], request[at:])
            assert (await line.answer())[2] == ("task body" if is_read else "task ")
            assert await line.ask(numbered(number)) == f"express {number}"


@pytest.mark.parametrize("length", [1, 4], ids=["a part of it", "all of it"])
async def test_a_body_that_comes_later(serve: Serve, length: int) -> None:
    """Its connection is left to aiohttp for good, which answers all that comes on it."""
    async with (await serve(at_once)).line() as line:
        assert await line.ask() == "express "
        await line.pieces(POST[:-length], POST[-length:])
        assert (await line.answer())[2] == "task body"
        assert await line.ask(numbered(1)) == "task 1"
        assert await line.ask(POST) == "task body"
        assert await line.ask(numbered(2)) == "task 2"


@pytest.mark.parametrize("known", [True, False], ids=["express", "aiohttp"])
@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (GET[:-2] + LARGE, 200),
        (b"POST /post HTTP/1.1\r\nHost: x\r\n" + LARGE, 413),
        (b"POST /post HTTP/1.1\r\nHost: x\r\n" + MANY, 200),
    ],
    ids=["nobody reads it", "too large", "many chunks"],
)
async def test_a_large_body_at_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, request_bytes: bytes, status: int, *, known: bool
) -> None:
    """It is more than a parser keeps before it asks for a pause, and is no fault for that."""
    monkeypatch.setattr(express, "_KNOWN", known)
    connections = []

    async def note(request: web.Request) -> LeanResponse:
        connections.append(request.protocol)
        return told(request.query_string)

    async with (await serve(note)).line() as line:
        await line.ask()
        connections[0].data_received(request_bytes)  # a socket might give it bit by bit
        assert (await line.answer())[0] == status
        for number in range(2):
            assert (await line.ask(numbered(number))).endswith(f" {number}")


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
        (CONNECT, 404),
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


@pytest.mark.parametrize("waits", [0, 1, 2])
async def test_an_answer_that_cannot_be_written(
    serve: Serve, caplog: pytest.LogCaptureFixture, waits: int
) -> None:
    """Nothing of it is sent, it is logged, and the connection ends: nobody waits for ever."""

    async def split(_: web.Request) -> LeanResponse:
        for _ in range(waits):
            await asyncio.sleep(0.001)
        return LeanResponse(200, {"X": "a\r\nb"})

    server = await serve(split)
    async with server.line() as line:
        line.send(GET)
        assert await line.rest() == b""
        assert server.idle()
        assert "a line break in a header field" in caplog.text


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
        async with connected(service.public) as line:
            for head in heads:
                await line.pieces(f"{head}\r\n".encode())
                await asyncio.sleep(0.02)
            line.send(LAST[:-loss] if loss else LAST, LAST[-loss:] if loss else b"")
            answers.append(masked(await line.rest()))
    assert answers[0] == answers[1]
    statuses = re.findall(rb"HTTP/1.1 (\d+)", answers[0])
    assert statuses == [b"200", b"200", b"304", *(b"%d" % status for status in STATUSES)]


@pytest.mark.parametrize("known", [True, False], ids=["express", "aiohttp"])
@pytest.mark.parametrize(
    ("path", "status"),
    [("/nothing", 404), ("/problems/not-found", 200), ("/webhooks/loyalty", 404)],
)
async def test_expectations_outside_of_the_routes(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str, status: int, *, known: bool
) -> None:
    """Where aiohttp may have to say 100 first, the answer is that without an expectation."""
    monkeypatch.setattr(express, "_KNOWN", known)
    service = await house.start()
    async with connected(service.public) as line:
        line.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n".encode())
        statuses = [(await line.answer())[0]]
        if statuses == [100]:
            statuses.append((await line.answer())[0])
    assert statuses[-1] == status
