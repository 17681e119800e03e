"""What each row of the failure table costs the gateway, and for how long it is remembered."""

import pytest
from house import House, Service
from misbehaviours import ROWS, Misbehaviour

from app.domain.failures import TREATMENTS, Failure, Remembered, Retry

TRIES = {Retry.NO: 1, Retry.ONCE: 2, Retry.YES: 3, Retry.REPLAY: 2}
REST = {Remembered.ENTRY: 2, Remembered.MISSING: 30, Remembered.PROCESS: 30, Remembered.FLEET: 5}
# Of these rows, until when one waits for an answer, and how long they ask to be left alone.
SLOW = {"no answer": "0.3"}
ASKED = {"503 with Retry-After": 7}

each_row = pytest.mark.parametrize(
    ("name", "failure", "misbehaviour"), [row[:3] for row in ROWS], ids=[row[0] for row in ROWS]
)


class Calls:
    """Sends requests, and counts the badges calls that they cost."""

    def __init__(self, house: House, service: Service) -> None:
        self.house = house
        self.service = service

    async def of(self, target: str = "/me/badges") -> int:
        """Send a request; return how many badges calls it cost."""
        before = len(self.house.gateway.badge_calls)
        await self.service.get(target)
        return len(self.house.gateway.badge_calls) - before


def tries(failure: Failure) -> int:
    """Return how many calls one request costs."""
    replayed = failure is Failure.CREDENTIALS_REFUSED
    return TRIES[Retry.REPLAY] if replayed else TRIES[TREATMENTS[failure].retry]


@each_row
async def test_how_often_and_for_how_long(
    house: House, name: str, failure: Failure, misbehaviour: Misbehaviour
) -> None:
    """A request costs as many calls as the row allows; then the gateway rests as the row says."""
    service = await house.start(BFF_GATEWAY__TIMEOUT=SLOW.get(name, "5"))
    house.gateway.behaviour = misbehaviour
    calls, remembered = Calls(house, service), TREATMENTS[failure].remembered
    rest = ASKED.get(name, REST[remembered])
    everywhere = remembered in (Remembered.PROCESS, Remembered.FLEET)

    assert await calls.of() == tries(failure)
    assert await calls.of() == 0
    # Time passes by itself, too.
    house.clock.advance(rest - 1)
    assert await calls.of() == 0
    assert (await calls.of("/me/badges?page=2") == 0) is everywhere
    house.clock.advance(rest + 1.1)
    assert await calls.of() == tries(failure)


@each_row
async def test_what_opens_the_circuit(
    house: House, name: str, failure: Failure, misbehaviour: Misbehaviour
) -> None:
    """Ten failures in a row do if the row counts, and none do otherwise."""
    service = await house.start(BFF_GATEWAY__TIMEOUT=SLOW.get(name, "5"), BFF_GATEWAY__RETRIES="0")
    house.gateway.behaviour = misbehaviour

    for page in range(1, 12):
        await service.get(f"/me/badges?page={page}")

    assert bool(house.events("circuit_changed")) is TREATMENTS[failure].circuit
