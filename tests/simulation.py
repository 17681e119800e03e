"""A fleet in one event loop whose time jumps: two processes, one store, one gateway."""

import asyncio
import selectors
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from app.adapters.memory_store import MemoryStore
from app.domain.badges import Badge, BadgesPage, Page
from app.domain.failures import Failure, GatewayError
from app.domain.freshness import FreshnessPolicy
from app.domain.identity import Customer
from app.domain.query import BadgesQuery
from app.protocol.entries import EntryKeys
from app.protocol.gateway import GatewayAnswer
from app.services.badges import BadgesReader
from app.services.budget import CallBudget
from app.services.fills import Filler
from app.services.fleet_lock import FleetLock
from app.services.invalidation import Invalidator
from app.services.load import InFlight
from app.services.ports import StoreUnavailableError
from app.services.shelf import Shelf

DEADLINE = 3.0
SOFT_TIMEOUT = 0.5
POLICY = FreshnessPolicy(fresh_for=60, revalidate_for=30, stale_for=600, missing_for=20)
KEYS = EntryKeys(namespace="fleet", name_secret=b"n" * 32, secrets=(b"s" * 32,), scope=())
_TRIP = 0.001
_flight: ContextVar[str | None] = ContextVar("flight", default=None)


@dataclass
class VirtualTime:
    """The time of a loop and of all that runs in it, in seconds since 1970."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting, lets the time jump."""

    def __init__(self, clock: VirtualTime) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        """Jump to when the next timer is due; where there is none, nothing will ever happen."""
        assert timeout is not None, "deadlock: everybody waits and nothing is due"
        if timeout > 0:
            self._clock.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which sleeping takes no time."""

    def __init__(self, clock: VirtualTime) -> None:
        self._virtual = clock
        super().__init__(_Jumping(clock))
        # Finer, floats of this size can't tell a timer that is due from one that is not yet.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Tell the loop's time."""
        return self._virtual()


class Vault(MemoryStore):
    """A store that can lose what it holds, and fall back to epochs of before."""

    def __init__(self, clock: VirtualTime) -> None:
        super().__init__(clock=clock)
        self.epochs: defaultdict[str, list[bytes]] = defaultdict(list)

    def _put(self, name: str, content: bytes, ttl: float) -> None:
        super()._put(name, content, ttl)
        if name.endswith("}") and self.epochs[name][-1:] != [content]:
            self.epochs[name].append(content)

    def evict(self, name: str) -> None:
        """Lose an entry or an epoch, if it is there."""
        if name in self._held:
            self._drop(name)

    def roll_back(self, epoch_name: str) -> bool:
        """Put the epoch before the last one in force again; whether there was one."""
        if len(self.epochs[epoch_name]) < 2:
            return False
        self._put(epoch_name, self.epochs[epoch_name][-2], 3600)
        return True


class Link:
    """The way of one process to the store; it takes time, and it breaks, at times half-way."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.up = True
        self.failures = 0

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: object, **named: object) -> object:
            await self._trip()
            answer = await getattr(self._vault, operation)(*arguments, **named)
            await self._trip()
            return answer

        return call

    async def _trip(self) -> None:
        await asyncio.sleep(_TRIP)
        if not self.up:
            self.failures += 1
            raise StoreUnavailableError


@dataclass
class NumberedGateway:
    """Numbers its calls, and says in each answer for whom it is and which number it has.

    The number is given when a call begins: a slow answer is as old as its call.
    """

    clock: VirtualTime
    latency: float = 0.01
    failing: bool = False
    unknown: set[Customer] = field(default_factory=set)
    calls: int = 0
    troubled_at: float = 0.0
    said_unknown: list[tuple[Customer, int, float]] = field(default_factory=list)
    in_flight: Counter[object] = field(default_factory=Counter)
    doubled: list[object] = field(default_factory=list)

    async def fetch(
        self, process: "Process", customer: Customer, query: BadgesQuery
    ) -> GatewayAnswer:
        """Answer a call of a process."""
        self.calls += 1
        number, began, unknown = self.calls, self.clock(), customer in self.unknown
        if self.failing or self.latency > SOFT_TIMEOUT:
            self.troubled_at = self.clock() + self.latency
        flight = (id(process), customer, query, _flight.get())
        self.in_flight[flight] += 1
        if self.in_flight[flight] > 1:
            self.doubled.append(flight)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.in_flight[flight] -= 1
        if self.failing:
            self.troubled_at = self.clock()
            raise GatewayError(Failure.SERVER_ERROR)
        if unknown:
            self.said_unknown.append((customer, number, began))
            raise GatewayError(Failure.CUSTOMER_UNKNOWN)
        page = BadgesPage([_badge(customer, query, number)], Page(number=1, size=10, **_TOTALS))
        return GatewayAnswer(page=page, left_out=0, warnings=0, request_id=None)


_TOTALS = {"total_items": 1, "total_pages": 1}
_SAID = ("id", "name", "rank", "earned", "images")
_UNSAID = {field: None for field in Badge.__struct_fields__ if field not in _SAID}


def _badge(customer: Customer, query: BadgesQuery, number: int) -> Badge:
    """Make a badge that says whose it is, of which list, and of which call."""
    return Badge(
        id=customer.value,
        name=query.view,
        rank=number,
        earned=False,
        images={},
        **_UNSAID,
    )


class _WatchedLock(FleetLock):
    """Tells the gateway of which entry and epoch a call is."""

    def attempt(self, name: str) -> AbstractAsyncContextManager[bool]:
        _flight.set(name)
        return super().attempt(name)


class _Deaf:
    """An observer that only counts rejected entries."""

    def __init__(self) -> None:
        self.rejected = 0

    def entry_rejected(self, _: str) -> None:
        self.rejected += 1

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class Process:
    """One process of the fleet: a reader, an invalidator and what they need."""

    def __init__(self, vault: Vault, gateway: NumberedGateway, clock: VirtualTime) -> None:
        self._gateway = gateway
        self.link = Link(vault)
        self.observer = _Deaf()
        shelf = Shelf(store=self.link, policy=POLICY, clock=clock, observer=self.observer)
        self.filler = Filler(
            shelf=shelf,
            lock=_WatchedLock(self.link),
            gateway=self,
            budget=CallBudget(
                store=self.link, keys=KEYS, calls=0, clock=clock, observer=self.observer
            ),
            deadline=DEADLINE,
            clock=clock,
            timer=clock,
            observer=self.observer,
        )
        self.reader = BadgesReader(
            keys=KEYS,
            shelf=shelf,
            filler=self.filler,
            policy=POLICY,
            misses=InFlight(1000),
            soft_timeout=SOFT_TIMEOUT,
            clock=clock,
        )
        self.invalidator = Invalidator(
            store=self.link, keys=KEYS, shelf=shelf, observer=self.observer
        )

    def reason_not_to_ask(self) -> None:
        """Say that there is none."""

    async def fetch(self, customer: Customer, query: BadgesQuery, *, until: float) -> GatewayAnswer:
        """Call the gateway."""
        try:
            async with asyncio.timeout_at(until):
                return await self._gateway.fetch(self, customer, query)
        except TimeoutError as error:
            raise GatewayError(Failure.TIMEOUT) from error
