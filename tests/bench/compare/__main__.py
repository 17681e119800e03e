"""Measures this service beside a bare handler and its peers: `python -m bench.compare`.

A short run, for work on the service: `--rounds 3 --seconds 3 --only service,bare`. With `--profile`
it tells instead where the service's time goes. Table and plot of a whole run are written to
tests/bench/results/.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path

from bench.compare.chart import chart
from bench.compare.checks import judge
from bench.compare.fill import (
    BADGES,
    CUSTOMERS,
    ROOT,
    Answer,
    World,
    fill,
    service,
    world,
    write_plain_entries,
    write_requests,
)
from bench.compare.measure import Results, Subject, Valkey, measure
from bench.compare.peers import PEERS, MissingError, Started, running
from bench.compare.processes import Cores, idle_for
from bench.compare.profile import profile
from bench.compare.report import report
from bench.compare.tokens import refused
from bench.compare.versions import about

_LABELS = {
    "service": "badges-bff",
    "304": "badges-bff, 304",
    "bare": "bare aiohttp handler",
    "fastapi": "FastAPI",
    "fastify": "Fastify",
}
_WHOLE = 5
_RESULTS = ROOT / "tests" / "bench" / "results"


def options(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="whole: 5 or more (default: 7)")
    parser.add_argument("--seconds", type=int, default=8, help="of a measurement (default: 8)")
    parser.add_argument(
        "--only", type=_names, default=tuple(_LABELS), help=f"of {','.join(_LABELS)}: some"
    )
    parser.add_argument(
        "--results", type=Path, default=_RESULTS, help="where those of a whole run are written"
    )
    parser.add_argument("--profile", action="store_true", help="sample the service, by py-spy")
    return parser.parse_args(argv)


def _names(text: str) -> tuple[str, ...]:
    chosen = set(text.split(","))
    if not chosen <= set(_LABELS):
        raise argparse.ArgumentTypeError(f"choose of {', '.join(_LABELS)}")
    return tuple(name for name in _LABELS if name in chosen)


def prepare(names: Sequence[str]) -> tuple[dict[str, Started], list[str]]:
    """Prepare the peers that are asked for; what can't be had, is told instead."""
    ready, missing = {}, []
    for name in (name for name in names if name in PEERS):
        try:
            ready[name] = PEERS[name]()
        except MissingError as error:
            missing.append(f"{_LABELS[name]} was left out: {error}.")
    return ready, missing


async def compare(chosen: argparse.Namespace, folder: Path) -> str:
    """Run everything and return the report."""
    names = ("service",) if chosen.profile else chosen.only
    peers, missing = prepare(names)
    cores = Cores.available()
    os.sched_setaffinity(0, {cores.others})
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(world(folder, cores))
        subjects = await _subjects(place, names, peers, stack)
        idle = await idle_for(2)
        _say(f"the machine is {idle:.0%} idle; measuring")
        results = await _measured(subjects, place, chosen)
        if chosen.profile:
            return await profile(results, seconds=chosen.seconds, place=place)
        lines = [
            f"{CUSTOMERS:,} customers, a token each, {BADGES} badges each, in turn",
            *about(place, peers, rounds=chosen.rounds, seconds=chosen.seconds),
            f"before the first round the machine was idle for {idle:.0%} of 2 s",
        ]
    text = report(results, about=lines, missing=missing)
    if chosen.rounds >= _WHOLE and chosen.only == tuple(_LABELS):
        _write(chosen.results, text, results)
    return text


async def _measured(
    subjects: Sequence[Subject], place: World, chosen: argparse.Namespace
) -> Results:
    with closing(place.valkey.client()) as client:
        return await measure(
            subjects,
            rounds=chosen.rounds,
            seconds=chosen.seconds,
            core=place.cores.others,
            valkey=Valkey(client, place.valkey_process),
        )


async def _subjects(
    place: World, names: Sequence[str], peers: dict[str, Started], stack: AsyncExitStack
) -> list[Subject]:
    """Start and fill the service, start the peers, and hold all of them to what is compared."""
    url, process = await stack.enter_async_context(service(place))
    _say("filling the cache through the service")
    answers = await fill(url, place.callers)
    write_plain_entries(place, answers)
    plain, conditional = write_requests(place, answers)
    bad = refused(place.house.issuer)
    await judge("service", url, answers, bad)
    log = place.folder / "service.log"
    subjects = {
        name: Subject(name, _LABELS[name], url, process, requests, log)
        for name, requests in (("service", plain), ("304", conditional))
    }
    for name, started in peers.items():
        subjects[name] = await _peer(name, started, place, answers, stack)
        await judge(name, subjects[name].url, answers, bad)
    return [subjects[name] for name in names if name in subjects]


async def _peer(
    name: str, started: Started, place: World, answers: Sequence[Answer], stack: AsyncExitStack
) -> Subject:
    url, process = await stack.enter_async_context(running(name, started, place, answers[0]))
    log = place.folder / f"{name}.log"
    return Subject(name, _LABELS[name], url, process, place.folder / "requests", log)


def _write(folder: Path, text: str, results: Results) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compare.md").write_text(text.replace("\n| |", "\n![](compare.svg)\n\n| |", 1))
    (folder / "compare.svg").write_text(chart(results))


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    chosen = options(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        print(asyncio.run(compare(chosen, Path(folder))))


if __name__ == "__main__":
    main()
