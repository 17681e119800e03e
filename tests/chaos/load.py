"""The process of the callers: they ask for their badges and check what they get.

The driver sends the service's address and tokens; it is told of every request, as a `Sample`.
"""

import asyncio
import json
import random
import sys
import time
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import uvloop
from aiohttp import ClientError, ClientResponse, ClientSession, DummyCookieJar, TCPConnector
from chaos.children import messages, say
from chaos.customers import CUSTOMERS, QUERIES, what_is_wrong
from chaos.samples import Sample

_GIVE_UP_AFTER = 20.0
_PAUSE = 0.2
_REVALIDATE = 0.3
_IMPATIENT = 0.03
_TELL_EVERY = 0.1
_TICK = 0.01
_LATE_TICK = 0.005


class Scheduling:
    """Notices when this process was not scheduled, by ticks that come late."""

    def __init__(self) -> None:
        self._gaps: deque[tuple[float, float]] = deque(maxlen=1000)

    async def watch(self) -> None:
        """Tick."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            if now - before > _TICK + _LATE_TICK:
                self._gaps.append((before + _TICK, now))

    def lag_since(self, moment: float) -> float:
        """For how many seconds it was not, since then."""
        return sum(until - max(since, moment) for since, until in self._gaps if until > moment)


class Callers:
    """Customers who call; few of them often, most of them now and then."""

    def __init__(self, session: ClientSession, scheduling: Scheduling) -> None:
        self._session = session
        self._scheduling = scheduling
        self.address = ""
        self.tokens: dict[int, tuple[int, str]] = {}
        self._tags: dict[tuple[int, int], str] = {}
        self.seen: list[Sample] = []
        self.left = 0
        self.over = asyncio.Event()

    def log_in(self, generation: int, tokens: Mapping[str, str]) -> None:
        """Give customers, by number, new tokens."""
        self.tokens |= {int(number): (generation, token) for number, token in tokens.items()}

    async def call(self) -> None:
        """Ask again and again."""
        while not self.over.is_set():
            customer = int(CUSTOMERS * random.random() ** 3)  # noqa: S311 - load
            await self._ask(customer, random.randrange(len(QUERIES)))  # noqa: S311 - load
            await asyncio.sleep(random.uniform(0, 2 * _PAUSE))  # noqa: S311 - load

    async def _ask(self, customer: int, query: int) -> None:
        generation, token = self.tokens[customer]
        headers = {"Authorization": f"Bearer {token}"}
        tag = self._tags.get((customer, query))
        if tag is not None and random.random() < _REVALIDATE:  # noqa: S311 - load
            headers["If-None-Match"] = tag
        impatient = random.random() < _IMPATIENT  # noqa: S311 - load
        patience = random.uniform(0, 0.1) if impatient else _GIVE_UP_AFTER  # noqa: S311 - load
        began = time.monotonic()
        try:
            async with asyncio.timeout(patience):
                seen = await self._exchange(customer, query, headers)
        except (ClientError, OSError, TimeoutError, ValueError, KeyError) as error:
            if impatient and isinstance(error, TimeoutError):
                self.left += 1
                return
            seen = {"code": type(error).__name__}
        took = time.monotonic() - began
        lag = self._scheduling.lag_since(began)
        self._tell(customer, query, generation, took, lag=lag, seen=seen)

    async def _exchange(self, customer: int, query: int, headers: dict[str, str]) -> dict[str, Any]:
        url = f"{self.address}/me/badges{QUERIES[query]}"
        async with self._session.get(url, headers=headers) as response:
            body = await response.read()
            seen = _seen(response, body)
            if response.status == 200:
                self._tags[customer, query] = response.headers["ETag"]
                seen["fault"] = what_is_wrong(body, customer, query)
            elif response.status == 304 and response.headers["ETag"] != headers["If-None-Match"]:
                seen["fault"] = "another tag"
            return seen

    def _tell(
        self,
        customer: int,
        query: int,
        generation: int,
        took: float,
        *,
        lag: float,
        seen: dict[str, Any],
    ) -> None:
        self.seen.append(
            Sample(
                ended=time.time(),
                took=took,
                customer=customer,
                query=query,
                generation=generation,
                status=seen.get("status", 0),
                cache=seen.get("cache", ""),
                as_of=seen.get("as_of"),
                code=seen.get("code", ""),
                fault=seen.get("fault", ""),
                lag=lag,
            )
        )

    async def report(self) -> None:
        """Tell the driver what was seen, again and again."""
        while True:
            await asyncio.sleep(_TELL_EVERY)
            self.flush()

    def flush(self) -> None:
        """Tell the driver what was seen and not told."""
        seen, self.seen = self.seen, []
        say(say="samples", samples=seen, left=self.left)


def _seen(response: ClientResponse, body: bytes) -> dict[str, Any]:
    """Take from an answer what the driver judges it by."""
    as_of = response.headers.get("Badges-As-Of")
    problem = response.status >= 400
    return {
        "status": response.status,
        "cache": response.headers.get("Cache-Status", ""),
        "as_of": None if as_of is None else datetime.fromisoformat(as_of).timestamp(),
        "code": json.loads(body)["code"] if problem else "",
    }


async def main(number: int) -> None:
    """Let that many callers call when the driver says so, and stop when he says so."""
    scheduling = Scheduling()
    async with ClientSession(
        connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar()
    ) as session:
        callers = Callers(session, scheduling)
        behind = [asyncio.create_task(work) for work in (scheduling.watch(), callers.report())]
        calling: list[asyncio.Task[None]] = []
        async for message in messages():
            match message["do"]:
                case "tokens":
                    callers.log_in(message["generation"], message["tokens"])
                case "call":
                    callers.address = message["address"]
                    calling = [asyncio.create_task(callers.call()) for _ in range(number)]
                case "stop":
                    callers.over.set()
                    await asyncio.gather(*calling)
                    await session.close()
                    callers.flush()
                    say(say="stopped")
        for task in behind:
            task.cancel()
        await asyncio.gather(*behind, return_exceptions=True)


if __name__ == "__main__":
    random.seed(sys.argv[2])
    uvloop.run(main(int(sys.argv[1])))
