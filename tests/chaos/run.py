"""The driver of the chaos run: a service under load whose neighbours fail, and what came of it."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from chaos.book import Book
from chaos.census import Census, census
from chaos.children import Child, child
from chaos.outcome import CALLERS, PROMISE, REDIS_POOL, Held, Outcome, judge
from chaos.samples import Sample
from chaos.schedule import Event, Schedule, schedule
from chaos.service import Log, ready, serving

_SETTLES_WITHIN = 15.0
_PROGRESS_EVERY = 10.0
_DISRUPTIVE = frozenset({"frozen", "restarted"})


class Driver:
    """Runs one schedule."""

    def __init__(self, neighbours: Child, load: Child, progress: Callable[[str], None]) -> None:
        self._neighbours = neighbours
        self._load = load
        self._progress = progress
        self.book = Book(PROMISE)
        self.log = Log(self.book.store_failed)
        self.faults: Counter[str] = Counter()
        self.calls = 0
        self.left = 0
        self._keys_away = 0
        self._stopped = asyncio.Event()

    async def listen_to_neighbours(self) -> None:
        """Take note of what the neighbours say."""
        while True:
            heard = await self._neighbours.hear()
            match heard["say"]:
                case "calls":
                    self.book.need.called(time.time(), heard["gateway"] - self.calls)
                    self.calls = heard["gateway"]
                case "tokens":
                    self.book.handed_out(heard["generation"], heard["at"])
                    await self._load.tell(do="tokens", **heard)
                case "over":
                    self._over(heard["party"], heard["kind"], heard["at"])

    async def listen_to_load(self) -> None:
        """Judge what callers saw."""
        while True:
            heard = await self._load.hear()
            if heard["say"] == "stopped":
                self._stopped.set()
                continue
            self.left = heard["left"]
            for sample in heard["samples"]:
                self.book.judge(Sample(*sample))

    async def play(self, plan: Schedule, address: str) -> Census:
        """Let callers call and neighbours fail; returns the count halfway."""
        began = time.time()
        self.book.calm_from = began + plan.calm_from
        await self._load.tell(do="call", address=address)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fail(plan, began))
            group.create_task(self._show(began + plan.seconds))
            await asyncio.sleep(plan.seconds / 2)
            return self._count()

    async def settle(self) -> None:
        """Stop the callers, and have the neighbours close what the service left open."""
        await self._load.tell(do="stop")
        async with asyncio.timeout(_SETTLES_WITHIN * 2):
            await self._stopped.wait()
        await self._neighbours.tell(do="hang-up")

    async def _fail(self, plan: Schedule, began: float) -> None:
        for event in plan.events:
            await asyncio.sleep(max(0.0, began + event.at - time.time()))
            await self._begin(event)
        await asyncio.sleep(max(0.0, began + plan.seconds - time.time()))

    async def _begin(self, event: Event) -> None:
        name = f"{event.party} {event.kind}"
        self.faults[name] += 1
        if event.seconds:
            self.book.on.append(name)
        if event.party == "issuer":
            await self._neighbours.tell(do="rotate")
            return
        if event.party == "redis" and event.kind in _DISRUPTIVE:
            self.book.store_left(time.time(), emptied=event.kind == "restarted")
        if event.party == "keys":
            self._keys_away += 1
            self.book.issuer_left()
        await self._neighbours.tell(
            do="fault", party=event.party, kind=event.kind, seconds=event.seconds
        )

    def _over(self, party: str, kind: str, at: float) -> None:
        name = f"{party} {kind}"
        if name in self.book.on:
            self.book.on.remove(name)
        if party == "redis" and kind in _DISRUPTIVE:
            self.book.reach.healed(at)
        if party == "keys":
            self._keys_away -= 1
            if not self._keys_away:
                self.book.issuer_healed(at)

    def _count(self) -> Census:
        """Count what the process holds; that takes a moment, which is not the service's."""
        began = time.time()
        counted = census(collect=True)
        self.book.disturbed(began, time.time())
        return counted

    async def _show(self, until: float) -> None:
        """Tell every ten seconds how far it is."""
        while time.time() + _PROGRESS_EVERY < until:
            await asyncio.sleep(_PROGRESS_EVERY)
            counted, statuses = self.book.counted, dict(sorted(self.book.statuses.items()))
            self._progress(
                f"{until - time.time():5.0f} s to go: {counted['requests']} requests {statuses}, "
                f"{self.calls} calls, {len(self.book.violations)} violations; {census()}"
            )


async def run(
    seed: int, seconds: float, progress: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Run the chaos of that seed for so many seconds."""
    plan = schedule(seed, seconds)
    async with AsyncExitStack() as stack:
        neighbours = await stack.enter_async_context(child("chaos.neighbours", str(seed)))
        load = await stack.enter_async_context(child("chaos.load", str(CALLERS), str(seed)))
        driver = Driver(neighbours, load, progress)
        addresses = await neighbours.hear()
        async with asyncio.TaskGroup() as group:
            listeners = (driver.listen_to_neighbours(), driver.listen_to_load())
            listening = [group.create_task(listener) for listener in listeners]
            held = await _played(driver, plan, addresses)
            for task in listening:
                task.cancel()
    outcome = Outcome(
        seed=seed,
        seconds=seconds,
        book=driver.book,
        calls=driver.calls,
        left=driver.left,
        faults=driver.faults,
        events=driver.log.events,
        held=held,
    )
    judge(outcome)
    return outcome


async def _played(driver: Driver, plan: Schedule, addresses: Mapping[str, str]) -> Held:
    """Run the service through the schedule, counting what the process holds."""
    before = census(collect=True)
    async with serving(addresses, PROMISE, driver.log) as address:
        await ready(address)
        idle = census(collect=True)
        middle = await driver.play(plan, address)
        await driver.settle()
        settled = await _back_to(idle, sockets=REDIS_POOL)
    after = await _back_to(before)
    return Held(before=before, idle=idle, middle=middle, settled=settled, after=after)


async def _back_to(other: Census, *, sockets: int = 0) -> Census:
    """Wait, not for ever, until there is no more than there was; returns the last count."""
    until = time.monotonic() + _SETTLES_WITHIN
    counted = census(collect=True)
    while counted.more_than(other, sockets=sockets) and time.monotonic() < until:
        await asyncio.sleep(0.1)
        counted = census(collect=True)
    return counted
