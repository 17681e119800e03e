"""Flights: what several callers need at the same time is done once."""

import asyncio

import pytest

from app.services.flights import Flights


class Work:
    """Something to do that waits until it is told to end, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = False
        self.gate = asyncio.Event()

    async def __call__(self) -> str:
        """Do it."""
        self.begun += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return "done"


async def test_callers_share_one_flight() -> None:
    """Who comes while a flight is in the air joins it; who comes later starts another."""
    flights: Flights[str, str] = Flights()
    work = Work()

    callers = [asyncio.create_task(flights.join("key", work)) for _ in range(10)]
    await asyncio.sleep(0)
    assert "key" in flights
    work.gate.set()

    assert await asyncio.gather(*callers) == ["done"] * 10
    assert work.begun == 1
    assert "key" not in flights
    await flights.join("key", work)
    assert work.begun == 2


async def test_keys_are_apart() -> None:
    """Flights of different keys know nothing of each other."""
    flights: Flights[str, str] = Flights()
    work = Work()
    work.gate.set()

    await asyncio.gather(flights.join("a", work), flights.join("b", work))

    assert work.begun == 2


async def test_a_cancelled_caller_disturbs_nobody() -> None:
    """The first caller leaves; the flight goes on for the second."""
    flights: Flights[str, str] = Flights()
    work = Work()
    first = asyncio.create_task(flights.join("key", work))
    second = asyncio.create_task(flights.join("key", work))
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.wait([first])
    work.gate.set()

    assert first.cancelled()
    assert await second == "done"
    assert work.begun == 1


async def test_a_flight_outlives_all_of_its_callers() -> None:
    """Even if nobody waits any more, a flight ends by itself, and a failure is nobody's error."""
    flights: Flights[str, str] = Flights()
    gate = asyncio.Event()

    async def fail() -> str:
        await gate.wait()
        raise ValueError("nobody listens")

    caller = asyncio.create_task(flights.join("key", fail))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    assert "key" in flights
    gate.set()
    await asyncio.sleep(0.01)

    assert "key" not in flights


async def test_a_failure_reaches_every_caller() -> None:
    """All who joined get the same error."""
    flights: Flights[str, str] = Flights()

    async def fail() -> str:
        await asyncio.sleep(0)
        raise ValueError("for all")

    callers = [flights.join("key", fail) for _ in range(3)]
    errors = await asyncio.gather(*callers, return_exceptions=True)

    assert [str(error) for error in errors] == ["for all"] * 3


async def test_closing_ends_what_is_in_the_air() -> None:
    """Close cancels the flights and returns when they have ended."""
    flights: Flights[str, str] = Flights()
    work = Work()
    caller = asyncio.create_task(flights.join("key", work))
    while not work.begun:
        await asyncio.sleep(0)

    await flights.close()

    assert work.cancelled
    with pytest.raises(asyncio.CancelledError):
        await caller
