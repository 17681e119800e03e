"""The lean response against aiohttp's own, byte by byte, on a bare socket."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from app.web import lean_response
from app.web.lean_response import LeanResponse

HEADERS = {"Age": "3", "ETag": '"x"', "Content-Type": "application/json", "Server": "badges-bff"}
BARE = {name: value for name, value in HEADERS.items() if name != "Content-Type"}
BODY = b'{"badges": []}' * 100

Answer = dict[str, Any]
ANSWERS: dict[str, Answer] = {
    "200": {"status": 200, "headers": HEADERS, "body": BODY},
    "304": {"status": 304, "headers": BARE},
    "204": {"status": 204, "headers": BARE},
    "large": {"status": 200, "headers": HEADERS, "body": BODY * 1000},
}


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """A server that gives each answer in both ways, and closes if it is asked to."""

    async def lean(request: web.Request) -> web.StreamResponse:
        answer = ANSWERS[request.match_info["name"]]
        response = LeanResponse(**answer | {"headers": dict(answer["headers"])})
        if "close" in request.query:
            response.force_close()
        return cast("web.StreamResponse", response)

    async def ordinary(request: web.Request) -> web.StreamResponse:
        response = web.Response(**ANSWERS[request.match_info["name"]])
        if "close" in request.query:
            response.force_close()
        return response

    app = web.Application()
    app.router.add_get("/lean/{name}", lean)
    app.router.add_get("/ordinary/{name}", ordinary)
    async with TestServer(app) as running:
        yield running


async def sent(server: TestServer, request: str, *, closes: bool = False) -> bytes:
    """Send requests on a connection, and return everything that came back until it ended."""
    if not closes:
        request += "GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(request.encode())
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    # The clock may tick between two answers.
    return re.sub(rb"Date: [^\r]+", b"Date: now", answer)


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("connection", ["", "Connection: close\r\n", "Connection: keep-alive\r\n"])
async def test_the_same_bytes(
    server: TestServer, name: str, method: str, version: str, connection: str
) -> None:
    """Whatever the method, the version, and what becomes of the connection."""
    for query in ("", "?close"):
        lives = "keep-alive" in connection or (version == "1.1" and not connection)
        lean, ordinary = [
            await sent(
                server,
                f"{method} /{way}/{name}{query} HTTP/{version}\r\nHost: x\r\n{connection}\r\n",
                closes=bool(query) or not lives,
            )
            for way in ("lean", "ordinary")
        ]

        assert lean == ordinary
        assert lean.startswith(f"HTTP/{version} ".encode())


async def test_pipelined_requests(server: TestServer) -> None:
    """Answers come in the order of the requests, each whole."""
    names = ["200", "304", "large", "200", "304"]

    answers = [
        await sent(
            server, "".join(f"GET /{way}/{name} HTTP/1.1\r\nHost: x\r\n\r\n" for name in names)
        )
        for way in ("lean", "ordinary")
    ]

    assert answers[0] == answers[1]
    assert answers[0].count(b"HTTP/1.1 ") == len(names) + 1


async def test_an_unknown_version_of_aiohttp_gets_its_own_response(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is taken for granted there; the bytes are the same again."""
    expected = await sent(server, "GET /lean/200 HTTP/1.1\r\nHost: x\r\n\r\n")
    monkeypatch.setattr(lean_response, "_KNOWN", False)
    monkeypatch.setattr(LeanResponse, "message", None)

    assert await sent(server, "GET /lean/200 HTTP/1.1\r\nHost: x\r\n\r\n") == expected


async def test_a_slow_reader_holds_the_writer_up(server: TestServer) -> None:
    """What he does not read is not piled up: the handler's task waits until he does."""
    reader, writer = await asyncio.open_connection(server.host, server.port, limit=1024)
    for _ in range(20):
        writer.write(b"GET /lean/large HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(0.2)
    (connection,) = server.runner.server.connections

    assert connection.transport.get_write_buffer_size() < 3 * len(BODY) * 1000
    writer.close()
    reader.feed_eof()


@pytest.mark.parametrize("broken", ["a\r\nX: y", "a\nX: y", "a\rX: y"])
async def test_no_line_break_gets_into_the_head(broken: str) -> None:
    """Nobody adds a field, or a whole answer, by a value."""
    with pytest.raises(ValueError, match="line break"):
        LeanResponse(200, {"Link": broken}).message(head_only=True)
