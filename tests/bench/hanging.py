"""How long callers wait while the gateway hangs: with a stale entry to be served, and without.

The service is a process of its own. All callers ask at once, each for an entry of his own, so that
no circuit is open yet: this is the worst moment of such an outage.
"""

import argparse
import asyncio
import statistics
import time

from aiohttp import ClientSession, web
from deployed import neighbours, service

TIMEOUT = 2.0
SOFT_TIMEOUT = 0.3
FRESH_FOR = 1.0
LARGEST_STALE = SOFT_TIMEOUT + 0.02
LARGEST_ABSENT = TIMEOUT + 0.05


async def hang(_: web.Request) -> None:
    """Answer nothing."""
    await asyncio.sleep(60)


async def ask(session: ClientSession, url: str) -> tuple[float, int]:
    """Send a request; return what it took, in seconds, and its status."""
    began = time.perf_counter()
    async with session.get(url) as response:
        await response.read()
    return time.perf_counter() - began, response.status


async def crowd(session: ClientSession, urls: list[str], status: int) -> list[float]:
    """Ask for all of them at once; return what each took."""
    answers = await asyncio.gather(*(ask(session, url) for url in urls))
    if any(got != status for _, got in answers):
        raise RuntimeError(f"not all answers were {status}")
    return [seconds for seconds, _ in answers]


def report(what: str, taken: list[float], most: float) -> None:
    """Print a line."""
    p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    verdict = "met" if p99 <= most else "missed"
    print(f"{what:<18}{p50 * 1000:>9.1f}{p99 * 1000:>9.1f}{most * 1000:>9.0f}  {verdict}")


async def measure(callers: int) -> None:
    """Measure and print."""
    async with (
        neighbours() as house,
        service(
            house,
            BFF_GATEWAY__TIMEOUT=str(TIMEOUT),
            BFF_GATEWAY__SOFT_TIMEOUT=str(SOFT_TIMEOUT),
            BFF_CACHE__FRESH_FOR=str(FRESH_FOR),
            BFF_CACHE__REVALIDATE_FOR="0",
        ) as address,
        ClientSession(headers={"Authorization": f"Bearer {house.issuer.token()}"}) as session,
    ):
        kept, others = (
            [f"{address}/me/badges?name=n{number}" for number in range(first, first + callers)]
            for first in (0, callers)
        )
        await crowd(session, kept, 200)
        await asyncio.sleep(2 * FRESH_FOR)
        house.gateway.behaviour = hang
        print(f"{'ms':<18}{'p50':>9}{'p99':>9}{'target':>9}")
        report("stale entry", await crowd(session, kept, 200), LARGEST_STALE)
        # The flights of before end; their circuit is open by then, and has to close again.
        house.gateway.behaviour = None
        await asyncio.sleep(TIMEOUT + 2)
        await ask(session, f"{address}/me/badges?name=probe")
        house.gateway.behaviour = hang
        report("no entry", await crowd(session, others, 504), LARGEST_ABSENT)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=50, help="at once (default: 50)")
    asyncio.run(measure(parser.parse_args().callers))


if __name__ == "__main__":
    main()
