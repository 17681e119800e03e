"""What a cached answer costs in processor time, and how much of that tells operators of it.

The whole cost of a request is measured at the service in this process, which its callers ask from
a process of their own; the parts by doing what the service does for each cached answer, in a loop.
All in one run, since machines drift: the shares count.
"""

import argparse
import asyncio
import http.client
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from deployed import neighbours
from house import House

from app.adapters.logs import Log
from app.adapters.memory_store import MemoryStore
from app.adapters.metrics import Metrics
from app.adapters.observed_store import ObservedStore
from app.adapters.observer import LogAndMetrics
from app.bootstrap import running
from app.services.no_tracer import NoTracer
from app.services.records import RequestRecord
from app.settings import load_settings

MOST = 15.0
ROUNDS = 7
LOOPS = 5_000
RECORD = RequestRecord(
    level="info",
    method="GET",
    route="/me/badges",
    request_id="0123456789abcdef0123456789abcdef",
    status=200,
    duration=0.001234,
    identity_duration=0.000123,
    cache_duration=0.000456,
    customer="6f1c9d3e5b7a8091",
    cache="hit",
    age=12.345,
    timestamp=datetime(2026, 11, 23, 7, 0, 0, 123456, tzinfo=UTC),
)
# As many as end in one tick of a busy service.
TOGETHER = 16
LOG_LINE = "the log line"


def ask(address: str, token: str, requests: int) -> None:
    """Ask for the same badges again and again, on one connection."""
    connection = http.client.HTTPConnection(address)
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"}
    for _ in range(requests):
        connection.request("GET", "/me/badges", headers=headers)
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status} is no answer")


async def asked(address: str, token: str, requests: int) -> float:
    """Return the processor time of this process for a request, in µs."""
    began = time.process_time()
    callers = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--ask", address, "--requests", str(requests)),
        env={**os.environ, "BENCH_TOKEN": token},
    )
    if await callers.wait():
        raise RuntimeError("the callers failed")
    return (time.process_time() - began) / requests * 1e6


async def whole(house: House, log: Log, requests: int) -> list[float]:
    """Run the service, and return the processor time of a cached answer in each round, in µs."""
    settings = load_settings(None, house.environment(BFF_LIMITS__REQUESTS_PER_MINUTE="0"))
    async with running(settings, log) as service:
        address, token = "{}:{}".format(*service.public), house.issuer.token()
        await asked(address, token, requests)
        return [await asked(address, token, requests) for _ in range(ROUNDS)]


def looped(work: Callable[[], object]) -> list[float]:
    """Return the processor time of a piece of work in each round, in µs."""
    costs = []
    for _ in range(ROUNDS + 1):
        began = time.process_time()
        for _ in range(LOOPS):
            work()
        costs.append((time.process_time() - began) / LOOPS * 1e6)
    return costs[1:]


async def reads(store: MemoryStore | ObservedStore) -> list[float]:
    """Return the processor time of a read in each round, in µs."""
    costs = []
    for _ in range(ROUNDS + 1):
        began = time.process_time()
        for _ in range(LOOPS):
            await store.read("name", "epoch")
        costs.append((time.process_time() - began) / LOOPS * 1e6)
    return costs[1:]


async def parts(log: Log) -> dict[str, list[float]]:
    """Do what the service does for each cached answer, part by part; costs in µs."""
    metrics, tracer = Metrics(), NoTracer()
    observer = LogAndMetrics(log, metrics)
    bare = MemoryStore(clock=time.time)
    observed = ObservedStore(bare, observer=observer, tracer=tracer)
    plain = await reads(bare)
    more = await reads(observed)

    def trace() -> None:
        with tracer.request("GET", "/me/badges", {}) as span:
            span.note("http.response.status_code", 200)

    return {
        "metrics of the request": looped(lambda: metrics.requests.ended(RECORD)),
        "metrics of the store's read": [a - b for a, b in zip(more, plain, strict=True)],
        "metrics of the batch": looped(lambda: observer.entries_read(1, 0.001, answered=True)),
        "a trace that is off": looped(trace),
        LOG_LINE: [each / TOGETHER for each in looped(lambda: log.requests([RECORD] * TOGETHER))],
    }


def report(total: Sequence[float], costs: dict[str, list[float]]) -> None:
    """Print the table."""
    request = statistics.median(total)
    print(f"{'processor time, µs':<34}{'median':>10}{'share':>10}")
    print(f"{'a cached answer':<34}{request:>10.1f}{1:>10.1%}")
    medians = {what: statistics.median(measured) for what, measured in costs.items()}
    for what, cost in medians.items():
        print(f"{'  ' + what:<34}{cost:>10.2f}{cost / request:>10.1%}")
    metrics = sum(cost for what, cost in medians.items() if what != LOG_LINE)
    verdict = "met" if metrics <= MOST else "missed"
    print(f"{'metrics and traces in sum':<34}{metrics:>10.2f}{metrics / request:>10.1%}", end="")
    print(f"  <= {MOST:g}: {verdict}")


async def measure(log: Log, requests: int) -> None:
    """Measure and print."""
    async with neighbours() as house:
        total = await whole(house, log, requests)
    report(total, await parts(log))


def main() -> None:
    """Measure and print, or be the callers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000, help="a round (default: 2000)")
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        ask(options.ask, os.environ["BENCH_TOKEN"], options.requests)
    else:
        with Path(os.devnull).open("wb") as nowhere:
            log = Log(log_format="json", level="info", stream=nowhere)
            uvloop.run(measure(log, options.requests))


if __name__ == "__main__":
    main()
