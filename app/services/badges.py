"""The read-through: fresh from the cache, else from the gateway, else stale, else an error."""

import asyncio
from enum import StrEnum
from time import perf_counter

from msgspec import Struct
from msgspec.structs import replace

from app.domain.failures import BudgetExceededError, Failure, GatewayError
from app.domain.freshness import PULL_TO_REFRESH_AGE, Freshness, FreshnessPolicy
from app.domain.identity import Customer
from app.domain.query import BadgesQuery
from app.protocol.entries import Entry, EntryKeys
from app.protocol.query import canonical_query
from app.services import deadlines
from app.services.fills import Filled, Filler, Wanted
from app.services.load import InFlight, OverloadedError
from app.services.ports import Clock
from app.services.shelf import LookUp, Shelf

_SERVED_AT_ONCE = frozenset({Freshness.FRESH, Freshness.REVALIDATE})


class Source(StrEnum):
    """Where an answer came from."""

    HIT = "hit"
    MISS = "miss"
    REFETCHED = "refetched"
    STALE_IF_ERROR = "stale-if-error"
    BYPASS = "bypass"


class Served(Struct, frozen=True, kw_only=True):
    """An answer: the entry, where it came from, and how old it is.

    `age` and `ttl` (what is left of its freshness, negative if stale) and the durations of the
    stages are in seconds; `fetching` is None where nobody waited for the gateway. `stale_reason`
    says why nothing newer was served where something newer was wanted; `gateway_request_id` is the
    gateway's own id of the call that was waited for, or whose failure this request was told of.
    """

    entry: Entry
    source: Source
    age: float
    ttl: float
    stored: bool = False
    collapsed: bool = False
    looking_up: float = 0.0
    fetching: float | None = None
    stale_reason: str | None = None
    gateway_request_id: str | None = None


class BadgesReader:
    """Answers queries for badges.

    A request that has a stale entry to offer waits for the gateway for `soft_timeout` seconds at
    most, and not at all while as many wait as `misses` allows.
    """

    def __init__(
        self,
        *,
        keys: EntryKeys,
        shelf: Shelf,
        filler: Filler,
        policy: FreshnessPolicy,
        misses: InFlight,
        soft_timeout: float,
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._shelf = shelf
        self._filler = filler
        self._policy = policy
        self._misses = misses
        self._soft_timeout = soft_timeout
        self._clock = clock

    async def read(
        self, customer: Customer, query: BadgesQuery, *, until: float, pulled: bool = False
    ) -> Served:
        """Answer a customer's query; `pulled`: he asked for what is there now.

        `until` is the request's deadline, in the loop's time.

        Raises:
            GatewayError: the gateway failed and nothing usable was in the cache, or the customer is
                unknown to the loyalty programme.
            BudgetExceededError: the customer has no call left, and nothing usable was in the cache.
            OverloadedError: too many wait for the gateway, and nothing usable was in the cache.

        """
        started = perf_counter()
        key = self._keys.key(customer, canonical_query(query))
        found = await self._shelf.look_up(key)
        usual = found.freshness
        if pulled:
            found = self._pulled(found)
        looking_up = perf_counter() - started
        if found.entry is not None and found.freshness is Freshness.FRESH:
            return self._serve(found.entry, Source.HIT, looking_up)
        wanted = Wanted(customer, query, key, found)
        if found.entry is not None and found.freshness is Freshness.REVALIDATE:
            self._filler.launch(wanted)
            served = self._serve(found.entry, Source.HIT, looking_up)
            return replace(served, stale_reason="revalidating")
        return replace(await self._refetch(wanted, usual, until), looking_up=looking_up)

    def _pulled(self, found: LookUp) -> LookUp:
        """Treat an entry as invalidated for this caller, unless it is very young."""
        entry = found.entry
        if entry is None or self._clock() - entry.fetched_at <= PULL_TO_REFRESH_AGE:
            return found
        return replace(found, freshness=Freshness.STALE)

    async def _refetch(self, wanted: Wanted, usual: Freshness, until: float) -> Served:
        """Wait for the gateway, and fall back on a stale entry if that fails or takes too long.

        Who pulled to refresh without a call left is answered as he `usual`ly would be.
        """
        started = perf_counter()
        stale = wanted.found.entry
        try:
            filled = await self._fetched(wanted, until)
        except (GatewayError, OverloadedError) as error:
            if stale is None:
                raise
            served = _excused(self._serve(stale, Source.STALE_IF_ERROR), error)
        except BudgetExceededError as error:
            if stale is None:
                raise
            source = Source.HIT if usual in _SERVED_AT_ONCE else Source.STALE_IF_ERROR
            served = _excused(self._serve(stale, source), error)
        else:
            served = self._filled(wanted.found, filled)
        return replace(served, fetching=perf_counter() - started)

    async def _fetched(self, wanted: Wanted, until: float) -> Filled:
        if wanted.found.entry is not None:
            until = min(until, asyncio.get_running_loop().time() + self._soft_timeout)
        with self._misses:
            try:
                async with deadlines.until(until):
                    return await self._filler.join(wanted)
            except TimeoutError as error:
                raise GatewayError(Failure.TIMEOUT) from error

    def _filled(self, found: LookUp, filled: Filled) -> Served:
        source = Source.MISS if found.entry is None else Source.REFETCHED
        if filled.entry.missing:
            raise GatewayError(Failure.CUSTOMER_UNKNOWN, request_id=filled.request_id)
        served = self._serve(filled.entry, source if found.reachable else Source.BYPASS)
        return replace(
            served,
            stored=filled.stored,
            collapsed=filled.collapsed,
            gateway_request_id=filled.request_id,
        )

    def _serve(self, entry: Entry, source: Source, looking_up: float = 0.0) -> Served:
        if entry.missing:
            raise GatewayError(Failure.CUSTOMER_UNKNOWN)
        now = self._clock()
        return Served(
            entry=entry,
            source=source,
            age=max(0.0, now - entry.fetched_at),
            ttl=self._policy.fresh_until(entry) - now,
            looking_up=looking_up,
        )


def _excused(served: Served, error: Exception) -> Served:
    """Say why the gateway's answer is not there."""
    match error:
        case GatewayError():
            return replace(
                served, stale_reason=error.failure.value, gateway_request_id=error.request_id
            )
        case OverloadedError():
            return replace(served, stale_reason="overloaded")
    return replace(served, stale_reason="budget")
