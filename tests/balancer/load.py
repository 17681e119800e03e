"""A constant load from a process of its own: `load.py` with a plan as JSON, until its input ends.

Requests begin at a constant rate, however long answers take, half of them over connections that
are kept, half over a new one each. Nothing is tried twice. At the end it prints what it got.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

TIMEOUT = 15.0


@dataclass
class Load:
    """What is asked, and what came of it."""

    url: str
    token: str
    rate: float
    results: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    slowest: float = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until told to stop, then wait for the last answers."""
        started = time.monotonic()
        async with (
            _session(kept=True) as kept,
            _session(kept=False) as fresh,
            asyncio.TaskGroup() as asked,
        ):
            for number in count():
                await asyncio.sleep(started + number / self.rate - time.monotonic())
                if stop.is_set():
                    break
                asked.create_task(self._ask(fresh if number % 2 else kept, number))

    async def _ask(self, session: ClientSession, number: int) -> None:
        began = time.monotonic()
        headers = {"Authorization": f"Bearer {self.token}"}
        params = {"size": str(1 + number % 40)}
        try:
            async with session.get(self.url, headers=headers, params=params) as response:
                result = str(response.status)
                whole = await response.json() if response.status == 200 else {}
            if result == "200" and "badges" not in whole:
                result = "no badges"
        except (ClientError, TimeoutError, ValueError) as error:
            result = type(error).__name__
        self._enter(result, time.monotonic() - began)

    def _enter(self, result: str, took: float) -> None:
        self.results[result] += 1
        self.slowest = max(self.slowest, took)
        if result != "200":
            self.failures.append({"at": time.time(), "result": result, "took": round(took, 3)})


def _session(*, kept: bool) -> ClientSession:
    session = ClientSession(
        connector=TCPConnector(limit=0, force_close=not kept),
        timeout=ClientTimeout(total=TIMEOUT),
        cookie_jar=DummyCookieJar(),
    )
    # aiohttp would silently repeat what failed on a kept connection.
    session._retry_connection = False
    return session


async def main() -> None:
    """Run a load until the standard input ends."""
    load = Load(**json.loads(sys.argv[1]))
    stop = asyncio.Event()
    running = asyncio.create_task(load.run(stop))
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await running
    outcome = {"results": load.results, "failures": load.failures, "slowest": load.slowest}
    sys.stdout.write(json.dumps(outcome))


if __name__ == "__main__":
    asyncio.run(main())
