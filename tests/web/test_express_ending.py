"""How exchanges without a task end early: callers who leave, idleness, drains, cuts."""

import asyncio
from contextvars import ContextVar
from typing import cast

import pytest
from aiohttp import web
from express_lines import GET, Gates, Serve, at_once, numbered, told
from house import eventually

from app.services.load import InFlight
from app.web import exchanges, express
from app.web.lean_response import LeanResponse

pytestmark = pytest.mark.usefixtures("_watched")
BEFORE = pytest.mark.parametrize("before", [0, 1], ids=["in the first wait", "in a task"])


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


@BEFORE
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


@BEFORE
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
    """They close their connections."""
    async with (await serve(at_once, drains=True)).line() as line:
        line.send(GET)
        assert (await line.answer())[1]["Connection"] == "close"
        assert await line.rest() == b""


@pytest.mark.parametrize("waits", [False, True], ids=["in one segment", "while it waits"])
async def test_pipelined_behind_a_closing_answer(serve: Serve, *, waits: bool) -> None:
    """They are not begun, and get no answer."""
    gates, begun = Gates(), []
    requests = [numbered(number) for number in range(4)]

    async def wait(request: web.Request) -> LeanResponse:
        begun.append(request.query_string)
        if waits:
            await gates()
        return told()

    async with (await serve(wait, drains=True)).line() as line:
        if waits:
            line.send(requests.pop(0))
            gate = await gates.reached(0)
            asyncio.get_running_loop().call_later(0.02, gate.set_result, "")
        line.send(*requests)
        status, fields, _ = await line.answer()
        assert (status, fields["Connection"]) == (200, "close")
        assert await line.rest() == b""
    assert begun == ["0"]


async def test_a_cut_in_the_first_wait(serve: Serve) -> None:
    """What cleans up behind it runs in the request's context: a token is good there."""
    variable: ContextVar[int] = ContextVar("variable")
    gates, reset = Gates(), []

    async def wait(_: web.Request) -> LeanResponse:
        token = variable.set(1)
        try:
            await gates()
        finally:
            variable.reset(token)
            reset.append(True)
        return told()

    server = await serve(wait, patience=0.05)
    async with server.line() as line:
        line.send(GET)
        await gates.reached(0)
        await server.stack.aclose()
        assert reset == [True]


async def test_a_cut_of_handlers_that_wait_while_they_clean_up(serve: Serve) -> None:
    """All of them are cut, and all are waited for."""
    gates, cleaned = Gates(), []

    async def wait(_: web.Request) -> LeanResponse:
        try:
            await gates()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)
        return told()

    server = await serve(wait, patience=0.05)
    async with server.line() as one, server.line() as other:
        one.send(GET)
        other.send(GET)
        await gates.reached(1)
        await server.stack.aclose()
        assert cleaned == [True, True]
        assert server.idle()


async def test_a_cut_as_the_first_wait_ends(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """What was waited for is there, but nobody was told yet: it is cut once, and nothing fails."""
    gates = Gates()

    async def wait(_: web.Request) -> LeanResponse:
        await gates()
        return told()

    server = await serve(wait)
    async with server.line() as line:
        line.send(GET)
        (await gates.reached(0)).set_result("")
        await server.under_way.cut()
        await line.rest()
        assert server.idle()
        assert caplog.text == ""


async def test_the_last_one_ends_as_time_runs_out() -> None:
    """Who waits for the end was cancelled, but has not run on yet: noting the end is no fault."""
    under_way, exchange = exchanges.UnderWay(), cast("exchanges.Exchange", object())
    under_way.add(exchange)
    waiting = asyncio.create_task(under_way.ended())
    await asyncio.sleep(0)
    waiting.cancel()
    under_way.remove(exchange)
    with pytest.raises(asyncio.CancelledError):
        await waiting


@BEFORE
async def test_the_end_itself_is_cancelled(serve: Serve, before: int) -> None:
    """What is under way is cut then, and cleaned up: nothing is left behind."""
    gates, cleaned = Gates(), []

    async def wait(_: web.Request) -> LeanResponse:
        try:
            for _ in range(before):
                await asyncio.sleep(0.001)
            await gates()
        finally:
            cleaned.append(True)
        return told()

    server = await serve(wait, patience=5)
    async with server.line() as line:
        line.send(GET)
        await gates.reached(0)
        ending = asyncio.create_task(server.stack.aclose())
        await asyncio.sleep(0.15)
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
        assert cleaned == [True]
        assert server.idle()


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


async def test_who_waits_is_not_idle(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the answer takes, its connection stays open for it."""
    monkeypatch.setattr(express, "IDLE_TIMEOUT", 0.05)
    gates = Gates()

    async def wait(_: web.Request) -> LeanResponse:
        await gates()
        return told()

    async with (await serve(wait)).line() as line:
        line.send(GET)
        gate = await gates.reached(0)
        await asyncio.sleep(0.2)
        gate.set_result("")
        assert (await line.answer())[0] == 200
