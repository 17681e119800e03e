"""How the service ends: unready first, then deaf, then gone, and no request pays for it."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest
from aiohttp import ClientConnectionError, ClientSession, web
from balancer.replica import Replica, started
from house import House

from app.adapters.logs import Log
from app.adapters.metrics import Metrics
from app.adapters.observer import LogAndMetrics
from app.services.no_tracer import NoTracer
from app.web.application import application
from app.web.envelope import Envelope
from app.web.lean_response import LeanResponse
from app.web.proxies import TrustedProxies
from app.web.server import listening


class Line:
    """A connection to a server, kept open for as long as the server keeps it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, target: str, *, method: str = "GET", **headers: str) -> tuple[int, str]:
        """Send a request: the status and the Connection header of the answer."""
        fields = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
        self._writer.write(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
        async with asyncio.timeout(10):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            found = dict(line.split(": ", 1) for line in head.splitlines()[1:-1])
            if method != "HEAD":
                await self._reader.readexactly(int(found.get("content-length", "0")))
        return int(head.split()[1]), found.get("connection", "")

    async def closed(self) -> bool:
        """Wait until the server has closed it, without another byte."""
        async with asyncio.timeout(10):
            return await self._reader.read() == b""


@asynccontextmanager
async def line_to(address: tuple[str, int]) -> AsyncIterator[Line]:
    """Open a connection."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


def assert_good_end(replica: Replica, end: tuple[int, str]) -> None:
    """The process ended with 0, and neither log nor standard error holds a complaint."""
    assert end == (0, "")
    assert [event for event in replica.log if event["level"] in ("warning", "error")] == []
    assert replica.log[-1]["event"] == "stopped"


async def ask(address: tuple[str, int], target: str, **headers: str) -> tuple[int, str]:
    """Send a request over a connection of its own: status and Connection header."""
    async with line_to(address) as line:
        return await line.ask(target, **headers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_readiness_turns_first(house: House, number: signal.Signals) -> None:
    """While balancers learn that it is unready, the listener stays, and new callers are served."""
    credential = f"Bearer {house.issuer.token()}"
    async with started(house.environment(BFF_SERVER__DRAIN_DELAY="1.5")) as replica:
        async with asyncio.timeout(10):
            while (await ask(replica.public, "/readyz"))[0] != 200:
                await asyncio.sleep(0.01)
        replica.send(number)
        began = monotonic()
        await replica.says("draining")

        for address in (replica.public, replica.admin):
            assert await ask(address, "/readyz") == (503, "close")
            assert await ask(address, "/livez") == (200, "close")
        got = await ask(replica.public, "/me/badges", Authorization=credential)
        assert got == (200, "close")
        assert not replica.events("stopping")

        end = await replica.ended()
        assert 1.4 < monotonic() - began < 4
    assert_good_end(replica, end)


async def test_every_answer_says_that_it_is_the_last(house: House) -> None:
    """During the drain problems, 304, HEAD and errors below the application close, too."""
    credential = f"Bearer {house.issuer.token()}"
    async with started(house.environment(BFF_SERVER__DRAIN_DELAY="10")) as replica:
        public = replica.public
        assert await ask(public, "/me/badges", Authorization=credential) == (200, "")
        assert await ask(public, "/nothing") == (404, "")
        replica.send(signal.SIGTERM)
        await replica.says("draining")

        revalidation = {"Authorization": credential, "If_None_Match": "*"}
        assert await ask(public, "/me/badges", **revalidation) == (304, "close")
        assert await ask(public, "/me/badges", method="HEAD", Authorization=credential) == (
            200,
            "close",
        )
        assert await ask(public, "/me/badges") == (401, "close")
        assert await ask(public, "/nothing") == (404, "close")
        assert await ask(public, "/me/badges", method="OPTIONS") == (204, "close")
        async with line_to(public) as line:
            # An answer as of HTTP/1.0, where to close is the rule.
            assert await line.ask("/" + "x" * 9000) == (414, "")
            assert await line.closed()


async def test_connections_end_politely(house: House) -> None:
    """One in use ends with its next answer, an idle one when the listener closes."""
    async with started(house.environment(BFF_SERVER__DRAIN_DELAY="1")) as replica:
        async with line_to(replica.public) as used, line_to(replica.public) as idle:
            assert await used.ask("/livez") == (200, "")
            assert await idle.ask("/livez") == (200, "")
            replica.send(signal.SIGTERM)
            await replica.says("draining")

            assert await used.ask("/livez") == (200, "close")
            assert await used.closed()
            assert not replica.events("stopping")
            assert await idle.closed()
            await replica.says("stopping")
        end = await replica.ended(within=1)
    assert_good_end(replica, end)


async def test_requests_under_way_finish(house: House) -> None:
    """A request that outlasts the listener is answered; nobody new gets in meanwhile."""
    house.gateway.latency = 1.0
    credential = f"Bearer {house.issuer.token()}"
    async with started(house.environment(BFF_SERVER__SHUTDOWN_TIMEOUT="5")) as replica:
        async with line_to(replica.public) as line:
            asked = asyncio.create_task(line.ask("/me/badges", Authorization=credential))
            await asyncio.sleep(0.3)
            replica.send(signal.SIGTERM)
            await replica.says("stopping")
            await asyncio.sleep(0.2)

            with pytest.raises(ConnectionRefusedError):
                await ask(replica.public, "/livez")
            assert not asked.done()
            assert await asked == (200, "close")
        end = await replica.ended()
    assert_good_end(replica, end)


async def test_nobody_is_waited_for_too_long(house: House) -> None:
    """A request that passes `shutdown_timeout` is cut, once, and the process ends in time."""
    house.gateway.latency = 30.0
    credential = f"Bearer {house.issuer.token()}"
    async with started(house.environment(BFF_SERVER__SHUTDOWN_TIMEOUT="1.5")) as replica:
        async with ClientSession(f"http://{replica.public[0]}:{replica.public[1]}") as session:
            headers = {"Authorization": credential}
            asked = asyncio.create_task(session.get("/me/badges", headers=headers))
            await asyncio.sleep(0.3)
            replica.send(signal.SIGTERM)
            began = monotonic()

            with pytest.raises(ClientConnectionError):
                await asked
            end = await replica.ended()
        assert 1.4 < monotonic() - began < 2.8
    assert_good_end(replica, end)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_at_once(house: House, second: signal.Signals) -> None:
    """It is not waited for anything more; the exit code says which signal it was."""
    async with started(house.environment(BFF_SERVER__DRAIN_DELAY="60")) as replica:
        replica.send(signal.SIGTERM)
        await replica.says("draining")

        replica.send(second)

        assert await replica.ended(within=1) == (128 + second, "")
    assert not replica.events("stopping")


async def test_who_has_just_connected_is_served() -> None:
    """A request that is still on its way when the listener closes gets its answer."""

    async def answer(_: web.Request) -> LeanResponse:
        return LeanResponse(200, {})

    observer = LogAndMetrics(Log(log_format="json", level="error"), Metrics())
    envelope = Envelope(observer=observer, tracer=NoTracer(), proxies=TrustedProxies(()))
    app = application(envelope, reads={"/": answer})
    server = listening(
        app, host="127.0.0.1", port=0, shutdown_timeout=1, draining=lambda: True, envelope=envelope
    )
    address = await server.__aenter__()
    async with line_to(address) as line:
        await asyncio.sleep(0.05)
        leaving = asyncio.create_task(server.__aexit__(None, None, None))
        await asyncio.sleep(0.02)

        assert await line.ask("/") == (200, "close")
        assert await line.closed()
        await leaving


async def test_two_processes_on_one_port(house: House) -> None:
    """With `reuse_port` one of them drains, and callers notice nothing."""
    ports = house.environment(BFF_SERVER__REUSE_PORT="true", BFF_SERVER__DRAIN_DELAY="0.3")
    async with started(ports) as staying:
        port = str(staying.public[1])
        async with started({**ports, "BFF_SERVER__PORT": port}) as leaving:
            assert leaving.public == staying.public
            asking = asyncio.create_task(_ask_on(staying.public, 400))
            await asyncio.sleep(0.1)
            leaving.send(signal.SIGTERM)
            end = await leaving.ended()
            assert not asking.done()
            assert await asking == [200] * 400
        assert_good_end(leaving, end)
        for replica in (staying, leaving):
            assert replica.events("request")


async def _ask_on(address: tuple[str, int], times: int) -> list[int]:
    """Send requests one after the other, each over a connection of its own."""
    statuses = []
    for _ in range(times):
        statuses.append((await ask(address, "/livez"))[0])
        await asyncio.sleep(0.005)
    return statuses
