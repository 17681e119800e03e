"""Filling the cache: one fetch per entry and epoch, in the process and in the fleet."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from app.domain.failures import Failure, GatewayError, Remembered
from app.domain.identity import Customer
from app.domain.query import BadgesQuery
from app.protocol.content import (
    compress,
    decompress,
    digest,
    encode,
    link_header,
    next_turn,
)
from app.protocol.entries import Entry, EntryKey
from app.protocol.gateway import GatewayAnswer
from app.services.budget import CallBudget
from app.services.fleet_lock import FleetLock
from app.services.flights import Flights
from app.services.ports import Clock, HeldEpoch, Observer
from app.services.shelf import LookUp, Shelf

COOL_DOWN = 2.0
_MAX_COOLING = 10_000
_POLL_EVERY = 0.025
_LONGEST_POLL = 0.2
_NO_BADGES = b'{"badges":[]'


class Gateway(Protocol):
    """Where badges come from."""

    def reason_not_to_ask(self) -> GatewayError | None:
        """Return why a call would not be made now, as far as that is known without asking."""
        ...

    async def fetch(self, customer: Customer, query: BadgesQuery, *, until: float) -> GatewayAnswer:
        """Fetch a customer's badges until some time of the loop, or raise `GatewayError`."""
        ...


class Wanted(Struct, frozen=True):
    """What a caller wants: whose badges, which, where they are kept, and what was there."""

    customer: Customer
    query: BadgesQuery
    key: EntryKey
    found: LookUp


class Filled(Struct, frozen=True):
    """The outcome of a flight: the entry, and whether it is in the store.

    `collapsed`: the caller joined a flight that was in the air. `request_id` is the gateway's own
    id of its call, None if it gave none or another process made the call.
    """

    entry: Entry
    stored: bool
    collapsed: bool = False
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Cooling:
    """A fetch that failed, and until when it is not tried again."""

    error: GatewayError
    until: float


Flight = tuple[str, bytes | None]


class Filler:
    """Fetches entries from the gateway and keeps them. `deadline` bounds a fetch, in seconds.

    A flight is named by the entry *and* the epoch that its caller has just read: who reads a newer
    epoch never joins a fetch that began before it. After a failure the entry cools down: for
    `COOL_DOWN` seconds callers are told of that failure, and the gateway is left alone.
    """

    def __init__(
        self,
        *,
        shelf: Shelf,
        lock: FleetLock,
        gateway: Gateway,
        budget: CallBudget,
        deadline: float,
        clock: Clock,
        timer: Clock,
        observer: Observer,
    ) -> None:
        self._shelf = shelf
        self._lock = lock
        self._gateway = gateway
        self._budget = budget
        self._deadline = deadline
        self._clock = clock
        self._timer = timer
        self._observer = observer
        self._flights: Flights[Flight, Filled | None] = Flights()
        self._epochs: Flights[str, HeldEpoch | None] = Flights()
        self._cooling: OrderedDict[str, _Cooling] = OrderedDict()

    def launch(self, wanted: Wanted) -> None:
        """Fetch behind: nobody waits for it."""
        if self._reason_not_to_fetch(wanted) is None:
            self._flights.launch(_flight(wanted), lambda: self._fly(wanted))

    async def join(self, wanted: Wanted) -> Filled:
        """Wait for the fetch.

        Raises:
            GatewayError: it failed, now or within the cool-down, or the gateway is not to be asked.
            BudgetExceededError: the customer has no call left.

        """
        reason = self._reason_not_to_fetch(wanted)
        if reason is not None:
            raise reason
        while True:
            flying = await self._named(wanted)
            collapsed = _flight(flying) in self._flights
            filled = await self._flights.join(_flight(flying), partial(self._fly, flying))
            if filled is not None:
                return replace(filled, collapsed=collapsed)
            now = await self._shelf.look_up(wanted.key)
            found = replace(wanted.found, epoch=now.epoch, reachable=now.reachable)
            wanted = replace(wanted, found=found)

    def _reason_not_to_fetch(self, wanted: Wanted) -> GatewayError | None:
        """Return the failure that keeps the gateway from being asked now, if there is one."""
        cooling = self._cooling.get(wanted.key.name)
        if cooling is not None and self._timer() < cooling.until:
            return cooling.error.anew()
        return self._gateway.reason_not_to_ask()

    async def _named(self, wanted: Wanted) -> Wanted:
        """Begin an epoch where there is none: a flight is named by that which it fetches under."""
        key, found = wanted.key, wanted.found
        if not found.reachable or found.epoch is not None:
            return wanted
        epoch = await self._epochs.join(key.epoch_name, lambda: self._shelf.epoch(found, key))
        value = None if epoch is None else epoch.value
        return replace(wanted, found=replace(found, epoch=value, reachable=epoch is not None))

    async def close(self) -> None:
        """End all fetches that are under way."""
        await self._epochs.close()
        await self._flights.close()

    async def _fly(self, wanted: Wanted) -> Filled | None:
        until = asyncio.get_running_loop().time() + self._deadline
        try:
            return await self._fill(wanted, until)
        except GatewayError as error:
            if error.treatment.remembered is Remembered.ENTRY:
                self._cool_down(wanted.key.name, error)
            raise

    async def _fill(self, wanted: Wanted, until: float) -> Filled | None:
        """Fetch, or wait for another's fill; None if the epoch has changed before that."""
        epoch = await self._shelf.epoch(wanted.found, wanted.key)
        if epoch is None:
            return await self._fetch(wanted, None, until)
        for delay in _delays(until):
            async with self._lock.attempt(f"{wanted.key.name}:{epoch.value.hex()}") as ours:
                if ours:
                    now = await self._shelf.look_up(wanted.key)
                    if now.reachable and now.epoch != epoch.value:
                        return None
                    return _newer(wanted, now, epoch) or await self._fetch(wanted, epoch, until)
            await asyncio.sleep(delay)
            filled = _newer(wanted, await self._shelf.look_up(wanted.key), epoch)
            if filled is not None:
                return filled
        raise GatewayError(Failure.TIMEOUT)

    async def _fetch(self, wanted: Wanted, epoch: HeldEpoch | None, until: float) -> Filled:
        await self._budget.take(wanted.customer)
        began = self._clock()
        held = b"" if epoch is None else epoch.value
        try:
            answer = await self._gateway.fetch(wanted.customer, wanted.query, until=until)
        except GatewayError as error:
            self._observer.gateway_failed(error)
            if error.treatment.remembered is not Remembered.MISSING:
                raise
            entry, request_id = Entry(began, held, None), error.request_id
        else:
            request_id = answer.request_id
            self._observer.gateway_answered(
                request_id=request_id, left_out=answer.left_out, warnings=answer.warnings
            )
            if _lost_all(answer, wanted.found.entry):
                raise GatewayError(Failure.UNEXPECTED, request_id=request_id)
            entry = _entry(answer, wanted.query, began, held)
        stored = await self._shelf.keep(wanted.key, entry, epoch)
        return Filled(entry, stored, request_id=request_id)

    def _cool_down(self, name: str, error: GatewayError) -> None:
        self._cooling[name] = _Cooling(error.anew(), self._timer() + COOL_DOWN)
        while len(self._cooling) > _MAX_COOLING:
            self._cooling.popitem(last=False)


def _newer(wanted: Wanted, found: LookUp, epoch: HeldEpoch) -> Filled | None:
    """Return what another process has filled in since this caller looked."""
    before = wanted.found.entry
    if found.entry is None or found.entry.epoch != epoch.value:
        return None
    newer = before is None or found.entry.fetched_at > before.fetched_at
    return Filled(found.entry, stored=True) if newer else None


def _flight(wanted: Wanted) -> Flight:
    return wanted.key.name, wanted.found.epoch


def _lost_all(answer: GatewayAnswer, before: Entry | None) -> bool:
    """Whether an answer with warnings is empty where there were badges: the last one is better."""
    if before is None or before.body is None or answer.page.badges or not answer.warnings:
        return False
    return not decompress(before.body).startswith(_NO_BADGES)


def _entry(answer: GatewayAnswer, query: BadgesQuery, fetched_at: float, epoch: bytes) -> Entry:
    """Make the entry of an answer: encoded, digested and compressed here and never again."""
    body = encode(answer.page)
    return Entry(
        fetched_at=fetched_at,
        epoch=epoch,
        body=compress(body),
        digest=digest(body),
        link=link_header(answer.page, query),
        turns_at=next_turn(answer.page, after=fetched_at),
    )


def _delays(until: float) -> Iterator[float]:
    """Yield the waits between looks for another's fill, growing, with jitter, in seconds."""
    loop, delay = asyncio.get_running_loop(), _POLL_EVERY
    while loop.time() < until:
        yield delay * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, hides nothing
        delay = min(delay * 1.5, _LONGEST_POLL)
