"""Pauses of the fleet: who looks for them, and how often."""

import asyncio
from collections.abc import Callable

import pytest

from app.domain.failures import Failure, GatewayError
from app.services.ports import StoreUnavailableError
from app.services.pushback import LOOK_EVERY, Pushback


class Fleet:
    """A store that counts looks, and may be away; it tells the time, too."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pause_until = 0.0
        self.looks = 0
        self.away = False

    def time(self) -> float:
        """Tell the time."""
        return self.now

    def __getattr__(self, notice: str) -> Callable[..., None]:
        """Be an observer who does not listen."""
        return lambda *_: None

    async def pause_left(self, _: str) -> float:
        """Take a moment to answer."""
        self.looks += 1
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailableError
        return max(0.0, self.pause_until - self.now)


@pytest.fixture
def fleet() -> Fleet:
    """A store that knows of no pause."""
    return Fleet()


@pytest.fixture
def pushback(fleet: Fleet) -> Pushback:
    """Make the pushback of one process."""
    return Pushback(store=fleet, name="pause", timer=fleet.time, observer=fleet)


async def call(pushback: Pushback) -> bool:
    """Make a call; whether it was made."""
    try:
        async with pushback:
            return True
    except GatewayError as error:
        return error.failure is not Failure.LIMITED


async def test_calls_share_a_look_and_all_wait_for_it(fleet: Fleet, pushback: Pushback) -> None:
    """However many begin at once, after however long a silence: none is made in a pause."""
    fleet.pause_until = fleet.now + 9

    assert await asyncio.gather(*(call(pushback) for _ in range(9))) == [False] * 9
    assert fleet.looks == 1


async def test_a_look_is_good_for_a_moment(fleet: Fleet, pushback: Pushback) -> None:
    """Within `LOOK_EVERY` seconds nobody looks again; afterwards the next call does."""
    assert await call(pushback)
    fleet.pause_until = fleet.now + 9

    fleet.now += LOOK_EVERY - 0.01
    assert await call(pushback)
    fleet.now += 0.01
    assert not await call(pushback)
    assert fleet.looks == 2


async def test_a_store_that_is_away_is_not_asked_by_each_call(
    fleet: Fleet, pushback: Pushback
) -> None:
    """Calls are made, and a moment later the next look finds out whether it is back."""
    fleet.away = True
    assert await asyncio.gather(*(call(pushback) for _ in range(9))) == [True] * 9
    assert fleet.looks == 1

    fleet.away = False
    fleet.pause_until = fleet.now + 9
    fleet.now += LOOK_EVERY
    assert not await call(pushback)


async def test_who_leaves_takes_no_look_along(fleet: Fleet, pushback: Pushback) -> None:
    """A call that is cancelled while it looks leaves the look to the others."""
    leaving, staying = (asyncio.create_task(call(pushback)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()

    assert await staying
    assert fleet.looks == 1
    await pushback.close()
