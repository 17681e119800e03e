"""The real HAProxy with the file under deploy/, in front of stand-in replicas."""

import asyncio
import json
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict
from programs import program


@dataclass
class Replica:
    """Answers with what it got; may be unready, or break off one kind of request."""

    ready: bool = True
    breaks_off: bool = False
    checks: int = 0
    got: list[web.Request] = field(default_factory=list)
    pause: asyncio.Event | None = None

    def application(self) -> web.Application:
        """Make its routes."""
        app = web.Application()
        app.router.add_get("/readyz", self._readyz)
        app.router.add_route("*", "/{path:.*}", self._anything)
        return app

    async def _readyz(self, _: web.Request) -> web.Response:
        self.checks += 1
        return web.Response(status=200 if self.ready else 503)

    async def _anything(self, request: web.Request) -> web.Response:
        await request.read()
        self.got.append(request)
        if self.breaks_off and request.transport is not None:
            request.transport.abort()
        elif self.pause is not None:
            await self.pause.wait()
        return web.Response(text="served")


@dataclass(frozen=True)
class Balancer:
    """A running HAProxy, its replicas, and where it logs."""

    address: str
    metrics: str
    log: Path
    replicas: list[Replica]

    async def send(
        self, target: str = "/me/badges", method: str = "GET", **headers: str
    ) -> tuple[int, CIMultiDict[str], bytes]:
        """Send a request over a connection of its own: status, headers, body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            ClientSession() as session,
            session.request(method, f"{self.address}{target}", headers=named) as response,
        ):
            return response.status, CIMultiDict(response.headers), await response.read()

    async def up(self) -> int:
        """Ask HAProxy how many replicas it sends requests to."""
        async with ClientSession() as session, session.get(self.metrics) as response:
            lines = (await response.text()).splitlines()
        series = 'haproxy_server_status{proxy="replicas",server="'
        return sum(
            line.startswith(series) and 'state="UP"' in line and line.endswith(" 1")
            for line in lines
        )

    async def logged(self, text: str) -> None:
        """Wait until the log, which is written after the answer, holds a text."""
        await until(lambda: text in self.log.read_text())

    async def has_up(self, expected: int) -> None:
        """Wait until HAProxy sends requests to that many replicas."""
        async with asyncio.timeout(10):
            while await self.up() != expected:
                await asyncio.sleep(0.02)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something holds, for at most 10 seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
async def haproxy(root: Path, tmp_path: Path) -> AsyncIterator[Balancer]:
    """HAProxy in front of three replicas."""
    path = program("haproxy")
    port, metrics = free_port(), free_port()
    replicas = [Replica() for _ in range(3)]
    async with AsyncExitStack() as stack:
        environment = {
            "BFF_LISTEN": f"127.0.0.1:{port}",
            "BFF_LB_METRICS": f"127.0.0.1:{metrics}",
        }
        for number, replica in enumerate(replicas, start=1):
            server = await stack.enter_async_context(TestServer(replica.application()))
            environment[f"BFF_{number}"] = f"127.0.0.1:{server.port}"
        log = tmp_path / "haproxy.log"
        output = stack.enter_context(log.open("wb"))
        process = await asyncio.create_subprocess_exec(
            *(path, "-db", "-f", root / "deploy" / "haproxy" / "haproxy.cfg"),
            env={"PATH": os.environ["PATH"], **environment},
            stdout=output,
            stderr=output,
        )
        stack.push_async_callback(process.wait)
        stack.callback(process.kill)
        balancer = Balancer(
            f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics}/metrics", log, replicas
        )
        await until(lambda: listens(metrics))
        yield balancer


@pytest.mark.parametrize("extra", [{}, {"BFF_LISTEN": "127.0.0.1:8000 alpn h2,http/1.1"}])
def test_the_file_is_valid(run: Any, extra: dict[str, str]) -> None:
    """HAProxy takes it without a warning, with and without parameters of `bind`."""
    servers = {f"BFF_{number}": f"127.0.0.1:{number}" for number in (1, 2, 3)}

    result = run(
        *(program("haproxy"), "-c", "-dW", "-f", "deploy/haproxy/haproxy.cfg"), **servers, **extra
    )

    assert (result.returncode, result.stderr) == (0, "")


async def test_callers_cannot_say_where_they_come_from(haproxy: Balancer) -> None:
    """Forwarding headers of the caller are replaced by what HAProxy itself saw."""
    await haproxy.send(
        X_Forwarded_For="6.6.6.6",
        X_Forwarded_Proto="https",
        X_Forwarded_Host="evil.example",
        Forwarded="for=6.6.6.6",
        X_Real_IP="6.6.6.6",
    )

    (got,) = (request.headers for replica in haproxy.replicas for request in replica.got)
    assert got.getall("X-Forwarded-For") == ["127.0.0.1"]
    assert got.getall("X-Forwarded-Proto") == ["http"]
    assert not {"X-Forwarded-Host", "Forwarded", "X-Real-IP"} & got.keys()


@pytest.mark.parametrize(
    ("given", "expected"), [("app-1.2_3", "app-1.2_3"), ("no blanks", "[0-9a-f-]{36}")]
)
async def test_request_ids(haproxy: Balancer, given: str, expected: str) -> None:
    """An id of the contract's form goes through; another is replaced, and the log has the same."""
    await haproxy.send(X_Request_Id=given)

    (got,) = (request.headers for replica in haproxy.replicas for request in replica.got)
    assert re.fullmatch(expected, got["X-Request-Id"])
    await haproxy.logged(f"request_id={got['X-Request-Id']}\n")


async def test_logs_hold_no_query_and_no_credential(haproxy: Balancer) -> None:
    """Of the target only the path is logged, of the headers only the request's id."""
    await haproxy.send("/me/badges?name=canary-query", Authorization="Bearer canary-token")

    await haproxy.logged('path="/me/badges" status=200')
    assert "canary" not in haproxy.log.read_text()


@pytest.mark.parametrize(
    ("method", "target", "statuses"),
    [
        ("GET", "/me/badges", {200}),
        ("HEAD", "/me/badges", {200}),
        ("POST", "/webhooks/loyalty", {200}),
        ("POST", "/something/else", {200, 502}),
    ],
)
async def test_what_may_be_sent_twice_is(
    haproxy: Balancer, method: str, target: str, statuses: set[int]
) -> None:
    """A request that a replica broke off goes to another, if doing it twice does no harm."""
    haproxy.replicas[0].breaks_off = True

    answers = [await haproxy.send(target, method) for _ in range(6)]

    assert haproxy.replicas[0].got
    assert {status for status, _, _ in answers} == statuses


async def test_a_draining_replica_finishes_and_gets_no_more(haproxy: Balancer) -> None:
    """It is left alone well within drain_delay, and what it has under way ends well."""
    draining = haproxy.replicas[0]
    draining.pause = asyncio.Event()
    under_way = [asyncio.create_task(haproxy.send()) for _ in range(6)]
    await until(lambda: draining.got)

    draining.ready, began = False, time.monotonic()
    await haproxy.has_up(2)
    assert time.monotonic() - began < 3
    before = len(draining.got)
    assert [(await haproxy.send())[0] for _ in range(6)] == [200] * 6
    draining.pause.set()

    assert [status for status, _, _ in await asyncio.gather(*under_way)] == [200] * 6
    assert len(draining.got) == before
    # Not even sent again to another.
    assert sum(len(replica.got) for replica in haproxy.replicas) == 12


async def test_without_replicas_callers_get_a_problem(haproxy: Balancer) -> None:
    """HAProxy's own 503 has the form of ours, with an id and a time to come back."""
    for replica in haproxy.replicas:
        replica.ready = False
    await haproxy.has_up(0)

    status, headers, body = await haproxy.send(X_Request_Id="mine")

    assert (status, headers["Retry-After"], headers["Cache-Control"]) == (503, "1", "no-store")
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["X-Request-Id"] == "mine"
    problem = json.loads(body)
    assert problem.pop("title")
    assert problem.pop("detail")
    assert problem == {
        "type": "/problems/overloaded",
        "status": 503,
        "code": "overloaded",
        "requestId": "mine",
    }


async def test_connections_to_replicas_are_reused(haproxy: Balancer) -> None:
    """Requests of many clients share connections to a replica."""
    for _ in range(30):
        await haproxy.send()

    ports = [
        {request.transport.get_extra_info("peername")[1] for request in replica.got}
        for replica in haproxy.replicas
    ]
    assert sum(len(used) for used in ports) < 15
