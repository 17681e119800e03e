"""Load: so much at the same time, and no more."""

import asyncio

import pytest

from app.services.load import InFlight, OverloadedError


def test_beyond_the_limit_nothing_is_begun() -> None:
    """At the limit the next is refused, and not counted; who leaves makes room."""
    in_flight = InFlight(2)

    with in_flight:
        with in_flight:
            for _ in range(3):
                with pytest.raises(OverloadedError), in_flight:
                    pytest.fail("it was begun")
            assert in_flight.count == 2
        with in_flight:
            assert in_flight.count == 2
    assert in_flight.count == 0


def test_what_fails_is_no_longer_under_way() -> None:
    """An error leaves through, and makes room."""
    in_flight = InFlight(1)

    for _ in range(3):
        with pytest.raises(ValueError, match="work"), in_flight:
            raise ValueError("work")
    assert in_flight.count == 0


async def test_what_is_cancelled_is_no_longer_under_way() -> None:
    """A cancellation makes room, before and while something runs."""
    in_flight = InFlight(2)

    async def work() -> None:
        with in_flight:
            await asyncio.sleep(3600)

    running = [asyncio.create_task(work()) for _ in range(2)]
    await asyncio.sleep(0)
    assert in_flight.count == 2
    not_begun = asyncio.create_task(work())
    for task in (*running, not_begun):
        task.cancel()
    await asyncio.gather(*running, not_begun, return_exceptions=True)

    assert in_flight.count == 0
