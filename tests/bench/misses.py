"""What a miss costs: the call to the gateway, and a thousand customers at once whom nobody knows.

This process has a core of its own: it makes the calls, and it is the service in the crowd. The
gateway, the issuer, Valkey and the callers are other processes, on another core. Both ways of
calling are measured in turn, round by round, since machines drift: the ratio counts.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import uvloop
from aiohttp import ClientSession
from bench.compare.processes import Cores, idle_for
from bench.crowds import CROWD, DEADLINE, Crowd, Neighbourhood, crowd, neighbourhood
from bench.deployed import ROOT
from bench.reads import machine

from app.adapters.gateway_transport import HttpTransport
from app.adapters.logs import Log
from app.adapters.metrics import Metrics
from app.adapters.observer import LogAndMetrics
from app.bootstrap import running
from app.bootstrap.cache import make_store
from app.bootstrap.garbage import settle
from app.bootstrap.tools import Tools
from app.bootstrap.upstream import gateway_session, make_credentials, make_gateway, make_guards
from app.domain.identity import Customer, Identifier
from app.domain.query import BadgesQuery
from app.protocol.content import compress, digest, encode
from app.protocol.gateway import BadgesEndpoint
from app.protocol.normalise import normalise_badge
from app.services.credentials import GatewayCredentials
from app.services.gateway import BadgesGateway
from app.services.no_tracer import NoTracer
from app.settings import load_settings

LARGEST_RATIO = 1.5
LARGEST_NORMALISING = 60.0
LARGEST_LAG = 0.05

BADGES = 10
TOGETHER = 8
LOOPS = 500
RESULT = ROOT / "tests" / "bench" / "results" / "misses.md"
# The hard caps would send most of the crowd away.
NO_CAPS = {
    "BFF_SERVER__MAX_IN_FLIGHT": str(2 * CROWD),
    "BFF_SERVER__MAX_MISSES_IN_FLIGHT": str(2 * CROWD),
}


Work = Callable[[], Awaitable[object]]


async def calls(place: Neighbourhood, rounds: int, number: int) -> dict[str, list[float]]:
    """Return the processor time of a call in each round, in µs: of the service, and bare."""
    async with AsyncExitStack() as stack:
        alone = await gateway(place.environment | {"BFF_CACHE__URL": "memory://"}, stack)
        fleet = await gateway(place.environment, stack)
        session = await stack.enter_async_context(ClientSession())
        customer, query = Customer(Identifier.CUSTOMER_ID, place.customer), BadgesQuery(size=BADGES)
        endpoint = BadgesEndpoint(
            base_url=place.environment["BFF_GATEWAY__BASE_URL"], attribution={}
        )
        request, credential = endpoint.request(customer, query), await alone.credentials.current()
        headers = {**request.headers, credential.header: credential.value}

        async def bare() -> object:
            async with session.get(request.url, headers=headers) as response:
                return msgspec.json.encode(msgspec.json.decode(await response.read()))

        async with session.get(request.url, headers=headers) as response:
            (place.folder / "answer").write_bytes(await response.read())
        ways: dict[str, Work] = {
            "fleet": partial(fetch_and_encode, fleet.gateway, customer, query),
            "alone": partial(fetch_and_encode, alone.gateway, customer, query),
            "bare": bare,
        }
        return await in_turn(ways, rounds, number)


async def fetch_and_encode(gateway: BadgesGateway, customer: Customer, query: BadgesQuery) -> bytes:
    """Do as the service does, up to the public JSON."""
    until = asyncio.get_running_loop().time() + DEADLINE
    answer = await gateway.fetch(customer, query, until=until)
    if len(answer.page.badges) != BADGES:
        raise RuntimeError("not ten badges")
    return encode(answer.page)


@dataclass(frozen=True)
class Calling:
    """The service's own way to the gateway, and its credentials."""

    gateway: BadgesGateway
    credentials: GatewayCredentials


async def gateway(environment: dict[str, str], stack: AsyncExitStack) -> Calling:
    """Make it as the service makes it."""
    settings = load_settings(None, environment)
    tools = Tools(
        stack=stack,
        clock=time.time,
        timer=time.monotonic,
        observer=LogAndMetrics(silent_log(stack), Metrics()),
        tracer=NoTracer(),
    )
    session = await stack.enter_async_context(gateway_session(settings.gateway))
    transport = HttpTransport(session, max_body_bytes=settings.gateway.max_body_bytes)
    guards = make_guards(settings, await make_store(settings, tools), tools)
    credentials = make_credentials(settings.gateway, transport, guards, tools)
    made = make_gateway(settings.gateway, transport, credentials, guards, tools)
    return Calling(made, credentials)


def silent_log(stack: AsyncExitStack) -> Log:
    """Return a log that does all the work, for nobody."""
    nowhere = Path(os.devnull).open("wb")  # noqa: SIM115 - the stack closes it
    stack.callback(nowhere.close)
    return Log(log_format="json", level="info", stream=nowhere)


async def in_turn(ways: dict[str, Work], rounds: int, number: int) -> dict[str, list[float]]:
    """Do so much work in each way and round, and return what each piece cost, in µs.

    `TOGETHER` are under way at a time: one after the other, most of what is measured is that the
    kernel wakes a gateway which has fallen asleep.
    """
    costs: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        shift = turn % len(ways)
        for way in [*list(ways)[shift:], *list(ways)[:shift]]:
            began = time.process_time()
            await asyncio.gather(*(repeat(ways[way], number // TOGETHER) for _ in range(TOGETHER)))
            cost = (time.process_time() - began) / (number // TOGETHER * TOGETHER) * 1e6
            # The first round opens connections and warms up.
            if turn:
                costs[way].append(cost)
    return costs


async def repeat(work: Work, times: int) -> None:
    """Do it again and again."""
    for _ in range(times):
        await work()


def parts(answer: bytes, rounds: int) -> dict[str, list[float]]:
    """Do what is done to an answer of ten badges, part by part; costs in µs."""
    raw = msgspec.json.decode(answer)["data"]["customerBadges"]
    badges = [normalise_badge(badge, ownership=False) for badge in raw]
    body = msgspec.json.encode({"badges": badges})
    works: dict[str, Callable[[], object]] = {
        "normalising ten badges": lambda: [normalise_badge(each, ownership=False) for each in raw],
        "JSON decoding, for comparison": lambda: msgspec.json.decode(answer),
        "the digest": lambda: digest(body),
        "compressing": lambda: compress(body),
    }
    costs: dict[str, list[float]] = {what: [] for what in works}
    for _ in range(rounds):
        for what, work in works.items():
            costs[what].append(looped(work))
    return costs


def looped(work: Callable[[], object]) -> float:
    """Return the processor time of a piece of work, in µs."""
    began = time.process_time()
    for _ in range(LOOPS):
        work()
    return (time.process_time() - began) / LOOPS * 1e6


async def crowds(place: Neighbourhood, rounds: int, limits: dict[str, str]) -> list[Crowd]:
    """Run the service, and let a crowd come in each round, for something new each time."""
    settings = load_settings(None, place.environment | limits)
    async with AsyncExitStack() as stack:
        settle()  # as `serve` does
        service = await stack.enter_async_context(running(settings, silent_log(stack)))
        url = "http://{}:{}/me/badges".format(*service.public)
        names = (f"{'capped' if not limits else 'patient'}{number}" for number in range(rounds))
        return [await crowd(place, f"{url}?name={name}") for name in names]


def judged(what: str, measured: float, sign: str, target: float) -> str:
    """Return a row of the table of targets."""
    met = measured <= target if sign == "<=" else measured < target
    return f"| {what} | {measured:.2f} | {sign} {target:g} | {'met' if met else 'missed'} |"


def spread(values: Iterable[float]) -> str:
    """Return a median with the lowest and the highest."""
    listed = sorted(values)
    return f"{statistics.median(listed):.1f} | {listed[0]:.1f} to {listed[-1]:.1f}"


def answers(found: Crowd) -> str:
    """Say how many answers there were of each status."""
    return ", ".join(f"{count} x {status}" for status, count in sorted(found.statuses.items()))


def targets(
    costs: dict[str, list[float]], of_answer: dict[str, list[float]], patient: Sequence[Crowd]
) -> list[str]:
    """Return the table of what is wanted."""
    ratio, alone = (
        statistics.median(a / b for a, b in zip(costs[way], costs["bare"], strict=True))
        for way in ("fleet", "alone")
    )
    normalising = statistics.median(of_answer["normalising ten badges"])
    lag = statistics.median(one.p99 for one in patient) * 1000
    return [
        "\n| | measured | target | |\n|---|---:|---:|---|",
        judged("gateway call / bare call with decode and encode", ratio, "<=", LARGEST_RATIO),
        judged("the same without Valkey", alone, "<=", LARGEST_RATIO),
        judged("normalising ten badges, µs", normalising, "<", LARGEST_NORMALISING),
        judged(f"lag p99 with {CROWD} cold customers, ms", lag, "<", LARGEST_LAG * 1000),
    ]


def cost_table(costs: dict[str, list[float]], of_answer: dict[str, list[float]]) -> list[str]:
    """Return the table of processor times."""
    return [
        "\n| processor time, µs | median | lowest to highest |\n|---|---:|---|",
        f"| `BadgesGateway.fetch`, looking for a pause in Valkey | {spread(costs['fleet'])} |",
        f"| the same with `memory://` | {spread(costs['alone'])} |",
        f"| bare aiohttp call, msgspec decode and encode | {spread(costs['bare'])} |",
        *(f"| {what} | {spread(values)} |" for what, values in of_answer.items()),
    ]


def crowd_table(crowds: dict[str, list[Crowd]]) -> list[str]:
    """Return the table of crowds, a row for each round."""
    return [
        f"\n{CROWD} customers at once, new to the cache and, in the first round, with tokens that",
        "are new, too. The lag is that of the service's event loop at any moment, not of a timer.",
        "Without caps all wait for the gateway; with the default ones some are told to come again.",
        "\n| | round | lag p99, ms | median | longest | took, s | µs a request | answers |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
        *(
            f"| {label} | {number} | {one.p99 * 1000:.1f} | {one.median * 1000:.1f}"
            f" | {max(one.lags) * 1000:.1f} | {one.seconds:.2f}"
            f" | {one.processor / CROWD * 1e6:.0f} | {answers(one)} |"
            for label, found in crowds.items()
            for number, one in enumerate(found, 1)
        ),
    ]


async def report(rounds: int, number: int, folder: Path) -> str:
    """Measure and return the report, in Markdown."""
    cores = Cores.available()
    os.sched_setaffinity(0, {cores.servers})
    idle = await idle_for(2)
    async with neighbourhood(folder, cores) as place:
        costs = await calls(place, rounds, number)
        of_answer = parts((folder / "answer").read_bytes(), rounds)
        patient = await crowds(place, rounds, NO_CAPS)
        capped = await crowds(place, rounds, {})
    lines = [
        "# What a miss costs",
        f"\n- {machine()}; before the start it was idle for {idle:.0%} of 2 s",
        f"- medians of {rounds} rounds, interleaved, {number} calls each, {TOGETHER} at a time",
        *targets(costs, of_answer, patient),
        *cost_table(costs, of_answer),
        *crowd_table({"no caps": patient, "default caps": capped}),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.misses", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="5 or more are kept (default: 7)")
    parser.add_argument("--calls", type=int, default=400, help="a round (default: 400)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="misses-") as folder:
        text = uvloop.run(report(options.rounds, options.calls, Path(folder)))
    print(text)
    if options.rounds >= 5:
        RESULT.write_text(text)


if __name__ == "__main__":
    main()
