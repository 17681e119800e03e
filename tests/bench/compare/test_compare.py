"""The comparison itself: what it concludes, what it admits, and that its own load counts right."""

import asyncio
import gzip
import json
from contextlib import closing, suppress
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from bench.compare.chart import chart
from bench.compare.checks import DishonestError, judge
from bench.compare.fill import Answer
from bench.compare.generator import load
from bench.compare.load import Outcome
from bench.compare.measure import Measurement, Results, Subject
from bench.compare.profile import table
from bench.compare.report import report
from bench.compare.tokens import Caller


def subject(name: str) -> Subject:
    """Return a subject of that name."""
    return Subject(name, f"label of {name}", "", 0, Path(), Path())


def measured(rate: int, *, found: int | None = None, failed: int = 0) -> Measurement:
    """Return a second's measurement on a busy core."""
    outcome = Outcome(
        requests=rate,
        seconds=1.0,
        p50=0.001,
        p99=1 / rate,
        answer_bytes=2000,
        failed={"status": failed} if failed else {},
        generator=0.2,
    )
    found = rate if found is None else found
    return Measurement(outcome=outcome, server=1.0, valkey=0.1, resident=50_000_000, found=found)


def rows(text: str) -> dict[str, list[str]]:
    """Return the cells of all rows by the first of them."""
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {first: rest for first, *rest in cells}


def test_a_ratio_is_that_of_what_was_measured_side_by_side() -> None:
    """The machine halved its speed in a round, and in another it hindered one: still it is 0.8."""
    results = {
        subject("service"): [measured(8000), measured(4000), measured(2000)],
        subject("bare"): [measured(10000), measured(5000), measured(10000)],
    }

    cells = rows(report(results, about=[], missing=[]))["rate / bare handler"]

    assert cells[:5] == ["0.80", ">= 0.75", "met", ">= 1", "missed"]


def test_a_p99_is_to_be_below() -> None:
    """A p99 above the peer's misses the target, however high the rate."""
    results = {subject("service"): [measured(100)], subject("fastify"): [measured(200)]}

    assert rows(report(results, about=[], missing=[]))["p99 / Fastify"][:3] == [
        *("2.00", "< 1", "missed")
    ]


def test_a_target_without_its_peer_is_left_out() -> None:
    """What was not measured is neither met nor missed; why it was not is said."""
    results = {subject("service"): [measured(100)]}

    text = report(results, about=[], missing=["FastAPI was left out: no network."])

    assert "rate / FastAPI" not in rows(text)
    assert "FastAPI was left out: no network." in text


@pytest.mark.parametrize(
    ("doubtful", "remark"),
    [
        (measured(100, found=90), "not all answers came from Valkey"),
        (measured(100, failed=1), "requests failed: {'status': 1}"),
    ],
)
def test_a_run_that_proves_nothing_says_so(doubtful: Measurement, remark: str) -> None:
    """One bad round is enough."""
    text = report({subject("service"): [measured(100), doubtful]}, about=[], missing=[])

    assert remark in text
    assert "never the bottleneck" not in text


def test_the_plot_is_in_proportion() -> None:
    """It is well-formed, and a bar of twice the rate is twice as long."""
    results: Results = {subject("service"): [measured(200)], subject("bare"): [measured(100)]}

    drawn = ET.fromstring(chart(results))  # noqa: S314 - our own
    bars = drawn.findall("{http://www.w3.org/2000/svg}rect")[1:3]

    longest, shortest = (float(bar.attrib["width"]) for bar in bars)
    assert longest == pytest.approx(2 * shortest, abs=0.2)


def test_a_profile_counts_for_the_innermost_of_ours() -> None:
    """What a library does for a function of the service is that function's time."""
    text = table(
        [
            "run (app/serve.py:1);open (app/protocol/entries.py:9);decrypt (cryptography/x.py:2) 3",
            "run (app/serve.py:1);start (aiohttp/web_protocol.py:5) 1",
        ],
        100.0,
    )

    assert "| 75.0 | open (app/protocol/entries.py:9) | decrypt 75.0 |" in text
    assert "| 25.0 | app/serve.py |" in text


async def test_our_own_load_counts_whole_answers() -> None:
    """Each answer in pieces, or without a body, is one; statuses of errors are failures."""
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            await answer_all(reader, writer)
        ended.set()

    async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b"Bearer bad" in head:
                writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
            elif b"If-None-Match" in head:
                writer.write(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab")
                await asyncio.sleep(0.001)
                writer.write(b"cd")

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        lines = ["good", 'good "1"', "bad"]
        report = await load(f"http://127.0.0.1:{port}/me/badges", lines, 1, 0.2)
        await ended.wait()

    thirds = report["requests"] / 3
    assert thirds > 2
    assert report["failed"]["status"] == pytest.approx(thirds, abs=1)
    assert report["bytes"] == pytest.approx(thirds * (42 + 47 + 42), rel=0.5)


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("", None),
        ("body", "another body"),
        ("header", "other headers"),
        ("304", "200, not 304"),
        ("tokens", "the signature is not checked"),
    ],
)
async def test_who_does_less_is_not_measured(fault: str, complaint: str | None) -> None:
    """Other bytes, headers less, no 304, a check left out: each ends the comparison."""
    body = gzip.compress(json.dumps({"badges": []}).encode())
    headers = {
        "ETag": '"1-gzip"',
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "Vary": "Accept-Encoding",
    }
    wanted = Answer(Caller("1", "good"), body, {**headers, "Content-Length": str(len(body))})

    async def badges(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer good" and fault != "tokens":
            return web.Response(status=401)
        sent = dict(headers)
        if fault == "header":
            del sent["Vary"]
        if request.headers.get("If-None-Match") == headers["ETag"] and fault != "304":
            del sent["Content-Type"], sent["Content-Encoding"]
            return web.Response(status=304, headers=sent)
        return web.Response(body=b"{}" if fault == "body" else body, headers=sent)

    application = web.Application()
    application.router.add_get("/me/badges", badges)
    async with TestServer(application) as server:
        url = str(server.make_url("")).rstrip("/")
        if complaint is None:
            await judge("peer", url, [wanted], {"signature": "forged"})
            return
        with pytest.raises(DishonestError, match=complaint):
            await judge("peer", url, [wanted], {"signature": "forged"})
