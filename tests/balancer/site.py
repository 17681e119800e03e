"""Three replicas and their Valkey behind HAProxy, with the file that operators use."""

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientSession
from balancer.replica import ROOT, Replica, start

HAPROXY_CFG = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
PATIENCE = 20.0


@dataclass(frozen=True)
class Outcome:
    """What a load met with."""

    results: Mapping[str, int]
    failures: list[Mapping[str, object]]
    slowest: float

    @property
    def total(self) -> int:
        """How many requests were sent."""
        return sum(self.results.values())


@dataclass
class Site:
    """The whole arrangement; replicas are named by their place, from 0."""

    environment: Mapping[str, str]
    ports: list[int]
    address: str
    metrics: str
    replicas: dict[int, Replica] = field(default_factory=dict)

    async def start(self, *places: int) -> None:
        """Start replicas side by side, and wait until HAProxy sends them requests."""
        started = await asyncio.gather(*(start(self._environment(place)) for place in places))
        self.replicas.update(zip(places, started, strict=True))
        await self.sees("UP", *places)

    async def sees(self, state: str, *places: int) -> None:
        """Wait until HAProxy holds replicas for UP or DOWN."""
        async with asyncio.timeout(PATIENCE):
            while not all([await self._state(place) == state for place in places]):
                await asyncio.sleep(0.05)

    async def under_way(self, place: int) -> int:
        """Ask HAProxy how many requests it has sent a replica that have no answer yet."""
        return int(await self._figure("haproxy_server_current_sessions", place, ""))

    async def sent_again(self) -> int:
        """Ask HAProxy how many requests it has sent a second time, or to another replica."""
        names = ("haproxy_server_retry_warnings_total", "haproxy_server_redispatch_warnings_total")
        return sum([int(await self._figure(n, place, "")) for n in names for place in range(3)])

    async def _state(self, place: int) -> str:
        for state in ("UP", "DOWN"):
            if await self._figure("haproxy_server_status", place, f',state="{state}"') == "1":
                return state
        return "unknown"

    async def _figure(self, name: str, place: int, labels: str) -> str:
        series = f'{name}{{proxy="replicas",server="bff_{place + 1}"{labels}}} '
        async with ClientSession() as session, session.get(self.metrics) as response:
            found = re.search(rf"(?m)^{re.escape(series)}(\S+)$", await response.text())
        return found[1] if found else "0"

    def _environment(self, place: int) -> dict[str, str]:
        return {**self.environment, "BFF_SERVER__PORT": str(self.ports[place])}


@asynccontextmanager
async def running_site(
    haproxy: str, environment: Mapping[str, str], folder: Path
) -> AsyncIterator[Site]:
    """Run HAProxy and three replicas; at the end all of them are gone."""
    *ports, port, metrics = free_ports(5)
    site = Site(
        environment, ports, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics}/metrics"
    )
    servers = {f"BFF_{place + 1}": f"127.0.0.1:{number}" for place, number in enumerate(ports)}
    async with AsyncExitStack() as stack:
        log = stack.enter_context((folder / "haproxy.log").open("wb"))
        process = await asyncio.create_subprocess_exec(
            *(haproxy, "-db", "-f", HAPROXY_CFG),
            env={
                **servers,
                "BFF_LISTEN": f"127.0.0.1:{port}",
                "BFF_LB_METRICS": f"127.0.0.1:{metrics}",
            },
            stdout=log,
            stderr=log,
        )
        stack.push_async_callback(process.wait)
        stack.callback(process.kill)
        stack.push_async_callback(_kill_all, site)
        await _until_listening(metrics)
        await site.start(0, 1, 2)
        yield site


@asynccontextmanager
async def loaded(site: Site, *, token: str, rate: float) -> AsyncIterator[asyncio.Future[Outcome]]:
    """Load the site while the block runs; the outcome is known at its end."""
    plan = {"url": f"{site.address}/me/badges", "token": token, "rate": rate}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).with_name("load.py")), json.dumps(plan)),
        env={"PATH": os.environ["PATH"]},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    try:
        yield outcome
        async with asyncio.timeout(PATIENCE):
            out, _ = await process.communicate(b"")
        outcome.set_result(Outcome(**json.loads(out)))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as stack:
        unused = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in unused]


async def _kill_all(site: Site) -> None:
    for replica in site.replicas.values():
        await replica.kill()


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            await asyncio.sleep(0.02)
