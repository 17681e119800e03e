"""What readers may see, whatever happens: random histories of a fleet of two processes.

Time is simulated. Every answer carries the number of the gateway's call that brought it, so that
what is older than an invalidation shows.
"""

import asyncio
import json
from collections import Counter, defaultdict
from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from simulation import (
    DEADLINE,
    KEYS,
    POLICY,
    NumberedGateway,
    Process,
    Vault,
    VirtualLoop,
    VirtualTime,
)

from app.domain.failures import Failure, GatewayError
from app.domain.identity import Customer, Identifier
from app.domain.query import BadgesQuery, View
from app.protocol.content import decompress
from app.protocol.query import canonical_query
from app.services.badges import Served, Source
from app.services.fills import COOL_DOWN
from app.services.ports import StoreUnavailableError

CUSTOMERS = [Customer(Identifier.EXTERNAL_ID, name) for name in ("ada", "bob")]
QUERIES = [BadgesQuery(), BadgesQuery(view=View.EARNED)]
FRESH = (Source.HIT, Source.MISS, Source.REFETCHED)

customers = st.sampled_from(CUSTOMERS)
queries = st.sampled_from(QUERIES)
processes = st.integers(0, 1)


@dataclass(frozen=True)
class Promise:
    """Calls up to `fresh` are never fresh again, those up to `erased` never seen again."""

    fresh: int = 0
    erased: int = 0


@dataclass(frozen=True)
class Sight:
    """How things stood when a read began."""

    process: Process
    customer: Customer
    query: BadgesQuery
    began: float
    failures: int
    roll_backs: int
    promise: Promise
    seen: float

    @property
    def entry(self) -> tuple[object, ...]:
        """What is read, where, and since when its history was not disturbed."""
        return (id(self.process), self.customer, self.query, self.failures, self.roll_backs)


class Fleet(RuleBasedStateMachine):
    """Two processes, their readers, and everything that can happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualTime()
        self.runner = asyncio.Runner(loop_factory=lambda: VirtualLoop(self.clock))
        self.vault = Vault(self.clock)
        self.gateway = NumberedGateway(self.clock)
        self.fleet = [Process(self.vault, self.gateway, self.clock) for _ in range(2)]
        self.promises: defaultdict[Customer, Promise] = defaultdict(Promise)
        self.roll_backs: Counter[Customer] = Counter()
        self.seen: defaultdict[tuple[object, ...], float] = defaultdict(float)
        self.readers: list[asyncio.Task[None]] = []
        self.faults: list[str] = []

    @rule(customer=customers, query=queries, process=processes, pulled=st.booleans())
    def read(self, customer: Customer, query: BadgesQuery, process: int, *, pulled: bool) -> None:
        """One reads, and nothing else happens until he has his answer."""
        self.runner.run(self._read(self.fleet[process], customer, query, pulled=pulled))

    @rule(
        customer=customers,
        query=queries,
        numbers=st.tuples(st.integers(0, 3), st.integers(0, 3)),
        later=st.sampled_from([0.0, 0.0015, 0.004, 0.1]),
        pulled=st.booleans(),
    )
    def begin_reads(
        self,
        customer: Customer,
        query: BadgesQuery,
        numbers: tuple[int, int],
        later: float,
        *,
        pulled: bool,
    ) -> None:
        """Several begin to read at once in both processes; other things happen meanwhile."""
        readers = [each for each, number in zip(self.fleet, numbers, strict=True) if number]
        self.runner.run(self._begin(readers * max(numbers), customer, query, later, pulled=pulled))

    @precondition(lambda self: self.readers)
    @rule(which=st.integers(0, 10))
    def give_up(self, which: int) -> None:
        """A reader who waits goes away."""
        self.readers.pop(which % len(self.readers)).cancel()
        self.runner.run(asyncio.sleep(0))

    @rule(seconds=st.sampled_from([0.001, 0.3, 1, 2.5, 6, 25, 61, 100, 400, 700]))
    def pass_time(self, seconds: float) -> None:
        """Time passes, and what is under way goes on."""
        self.runner.run(asyncio.sleep(seconds))

    @rule(latency=st.sampled_from([0.0, 0.01, 0.4, 1.0, 2.8, 10.0]))
    def change_latency(self, latency: float) -> None:
        """From now on the gateway takes so long."""
        self.gateway.latency = latency

    @rule(failing=st.booleans())
    def change_gateway(self, *, failing: bool) -> None:
        """The gateway fails, or recovers."""
        self.gateway.failing = failing

    @rule(customer=customers)
    def join_or_leave(self, customer: Customer) -> None:
        """The gateway does not know a customer any more, or again."""
        self.gateway.unknown ^= {customer}

    @rule(customer=customers, process=processes, erase=st.booleans())
    def invalidate(self, customer: Customer, process: int, *, erase: bool) -> None:
        """What was kept of a customer is invalidated or erased; promised only if that succeeds."""
        self.runner.run(self._invalidate(self.fleet[process], customer, erase=erase))

    @rule(customer=customers, query=queries, epoch=st.booleans())
    def evict(self, customer: Customer, query: BadgesQuery, *, epoch: bool) -> None:
        """The store loses an entry or an epoch."""
        key = KEYS.key(customer, canonical_query(query))
        self.vault.evict(key.epoch_name if epoch else key.name)

    @rule(customer=customers)
    def roll_back(self, customer: Customer) -> None:
        """A failover loses the last epoch; what was promised by it is lost too."""
        if self.vault.roll_back(KEYS.epoch_name(customer)):
            self.roll_backs[customer] += 1
            self.promises.pop(customer, None)

    @rule(process=processes, up=st.booleans())
    def change_link(self, process: int, *, up: bool) -> None:
        """A process loses the store, or has it back."""
        self.fleet[process].link.up = up

    @invariant()
    def nobody_saw_what_he_must_not(self) -> None:
        """Nothing that a reader got broke a promise."""
        assert self.faults == []

    @invariant()
    def one_flight_per_entry_and_epoch(self) -> None:
        """A process never asks for the same entry under the same epoch twice at a time."""
        assert self.gateway.doubled == []

    @invariant()
    def all_seals_open(self) -> None:
        """No process ever read what was not sealed for the name that it asked for."""
        assert [process.observer.rejected for process in self.fleet] == [0, 0]

    def teardown(self) -> None:
        """Let everybody have his answer, and look at those too."""
        with self.runner:
            self.runner.run(self._end())
        self.nobody_saw_what_he_must_not()

    async def _end(self) -> None:
        await asyncio.gather(*self.readers)
        for process in self.fleet:
            await process.filler.close()

    async def _begin(
        self,
        readers: list[Process],
        customer: Customer,
        query: BadgesQuery,
        later: float,
        *,
        pulled: bool,
    ) -> None:
        self.readers = [reader for reader in self.readers if not reader.done()]
        self.readers += [
            asyncio.create_task(self._read(process, customer, query, pulled=pulled))
            for process in readers
        ]
        await asyncio.sleep(later)

    async def _invalidate(self, process: Process, customer: Customer, *, erase: bool) -> None:
        before = self.gateway.calls
        try:
            await process.invalidator.invalidate([customer], erase=erase)
        except StoreUnavailableError:
            return
        erased = before if erase else self.promises[customer].erased
        self.promises[customer] = Promise(before, erased)

    async def _read(
        self, process: Process, customer: Customer, query: BadgesQuery, *, pulled: bool
    ) -> None:
        sight = self._sight(process, customer, query)
        try:
            served = await process.reader.read(
                customer, query, until=self.clock() + DEADLINE, pulled=pulled
            )
        except GatewayError as error:
            self._judge_error(sight, error)
        else:
            self._judge(sight, served)

    def _sight(self, process: Process, customer: Customer, query: BadgesQuery) -> Sight:
        failures, roll_backs = process.link.failures, self.roll_backs[customer]
        entry = (id(process), customer, query, failures, roll_backs)
        promise, seen = self.promises[customer], self.seen[entry]
        began = self.clock()
        return Sight(process, customer, query, began, failures, roll_backs, promise, seen)

    def _undisturbed(self, sight: Sight) -> bool:
        """Whether the store was there for the reader all the time, and did not forget an epoch."""
        same_epochs = self.roll_backs[sight.customer] == sight.roll_backs
        return same_epochs and sight.process.link.failures == sight.failures

    def _judge(self, sight: Sight, served: Served) -> None:
        assert served.entry.body is not None
        (badge,) = json.loads(decompress(served.entry.body))["badges"]
        age = self.clock() - served.entry.fetched_at
        told = f"call {badge['rank']} as {served.source}, {age} s old; {sight}"
        if (badge["id"], badge["name"]) != (sight.customer.value, sight.query.view):
            self.faults.append(f"foreign: {told}")
        if age > self._oldest(served.source):
            self.faults.append(f"too old: {told}")
        if self._undisturbed(sight):
            self._judge_promises(sight, served, badge["rank"], told)

    @staticmethod
    def _oldest(source: Source) -> float:
        whole = POLICY.fresh_for + POLICY.stale_for
        return POLICY.fresh_for + POLICY.revalidate_for if source is Source.HIT else whole

    def _judge_promises(self, sight: Sight, served: Served, number: int, told: str) -> None:
        if served.source in FRESH and number <= sight.promise.fresh:
            self.faults.append(f"invalidated: {told}")
        if number <= sight.promise.erased:
            self.faults.append(f"erased: {told}")
        if served.entry.fetched_at < sight.seen:
            self.faults.append(f"gone back: {told}")
        self.seen[sight.entry] = max(self.seen[sight.entry], served.entry.fetched_at)

    def _judge_error(self, sight: Sight, error: GatewayError) -> None:
        told = f"{error.failure}; {sight}"
        if error.failure is not Failure.CUSTOMER_UNKNOWN:
            if self.gateway.troubled_at < sight.began - DEADLINE - COOL_DOWN:
                self.faults.append(f"a failure without a cause: {told}")
        elif not self._was_unknown(sight):
            self.faults.append(f"unknown without a cause: {told}")

    def _was_unknown(self, sight: Sight) -> bool:
        """Whether the gateway said so lately, and since the last invalidation."""
        promised = sight.promise.fresh if self._undisturbed(sight) else 0
        return any(
            customer == sight.customer
            and number > promised
            and began >= sight.began - POLICY.missing_for
            for customer, number, began in self.gateway.said_unknown
        )


TestFleet = Fleet.TestCase
TestFleet.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
