"""The read-through: fresh from the cache, else from the gateway, else stale, else an error."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter
from typing import Protocol

from app.domain.failures import Failure, GatewayError
from app.domain.freshness import CLOCK_SKEW, Freshness, FreshnessPolicy
from app.domain.identity import Customer
from app.domain.query import BadgesQuery
from app.protocol.content import compress, digest, encode_page, link_header
from app.protocol.entries import BrokenSealError, Entry, EntryKey, EntryKeys
from app.protocol.gateway import GatewayAnswer
from app.protocol.query import canonical_query
from app.services.flights import Flights
from app.services.ports import Clock, EntryStore, Observer, StoreUnavailableError


class Gateway(Protocol):
    """Where badges come from."""

    async def fetch(self, customer: Customer, query: BadgesQuery) -> GatewayAnswer:
        """Fetch a customer's badges, or raise `GatewayError`."""
        ...


class Source(StrEnum):
    """Where an answer came from."""

    HIT = "hit"
    MISS = "miss"
    REFETCHED = "refetched"
    STALE_IF_ERROR = "stale-if-error"
    BYPASS = "bypass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An answer: the entry, where it came from, and how old it is.

    `age` and `ttl` (what is left of its freshness, negative if stale) and the durations of the
    stages are in seconds; `fetching` is None where the gateway was not asked.
    """

    entry: Entry
    source: Source
    age: float
    ttl: float
    stored: bool = False
    collapsed: bool = False
    looking_up: float = 0.0
    fetching: float | None = None


@dataclass(frozen=True, slots=True)
class _LookUp:
    """What the store had: an entry, and what it is good for."""

    entry: Entry | None
    freshness: Freshness
    reachable: bool


@dataclass(frozen=True, slots=True)
class _Filled:
    """The outcome of a flight: a new entry, and whether the store took it."""

    entry: Entry
    stored: bool


class BadgesReader:
    """Answers queries for badges. `deadline` bounds a whole fetch, in seconds."""

    def __init__(
        self,
        *,
        store: EntryStore,
        keys: EntryKeys,
        gateway: Gateway,
        policy: FreshnessPolicy,
        deadline: float,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._store = store
        self._keys = keys
        self._gateway = gateway
        self._policy = policy
        self._deadline = deadline
        self._clock = clock
        self._observer = observer
        self._flights: Flights[str, _Filled] = Flights()

    async def read(self, customer: Customer, query: BadgesQuery) -> Served:
        """Answer a customer's query.

        Raises:
            GatewayError: the gateway failed and nothing usable was in the cache, or the customer is
                unknown to the loyalty programme.

        """
        started = perf_counter()
        key = self._keys.key(customer, canonical_query(query))
        found = await self._look_up(key)
        looking_up = perf_counter() - started
        if found.entry is not None and found.freshness is Freshness.FRESH:
            return self._serve(found.entry, Source.HIT, looking_up=looking_up)
        return await self._refetch(customer, query, key, found, looking_up)

    async def close(self) -> None:
        """End all fetches that are under way."""
        await self._flights.close()

    async def _refetch(
        self,
        customer: Customer,
        query: BadgesQuery,
        key: EntryKey,
        found: _LookUp,
        looking_up: float,
    ) -> Served:
        """Ask the gateway, and fall back on a stale entry if that fails."""
        started = perf_counter()
        collapsed = key.name in self._flights
        try:
            async with asyncio.timeout(self._deadline):
                filled = await self._flights.join(
                    key.name, lambda: self._fill(customer, query, key)
                )
        except (GatewayError, TimeoutError) as error:
            fetching = perf_counter() - started
            if found.entry is None:
                raise _as_gateway_error(error) from error
            return self._serve(
                found.entry, Source.STALE_IF_ERROR, looking_up=looking_up, fetching=fetching
            )
        return self._serve(
            filled.entry,
            _source(found),
            stored=filled.stored,
            collapsed=collapsed,
            looking_up=looking_up,
            fetching=perf_counter() - started,
        )

    async def _look_up(self, key: EntryKey) -> _LookUp:
        try:
            sealed = await self._store.get(key.name)
        except StoreUnavailableError:
            self._observer.store_failed("get")
            return _LookUp(None, Freshness.UNUSABLE, reachable=False)
        if sealed is None:
            return _LookUp(None, Freshness.UNUSABLE, reachable=True)
        try:
            entry = key.open(sealed)
        except BrokenSealError:
            self._observer.entry_rejected()
            return _LookUp(None, Freshness.UNUSABLE, reachable=True)
        return self._judge(entry)

    def _judge(self, entry: Entry) -> _LookUp:
        age = self._clock() - entry.fetched_at
        if age < -CLOCK_SKEW:
            self._observer.entry_from_the_future()
        freshness = self._policy.judge(age, missing=entry.missing)
        usable = freshness is not Freshness.UNUSABLE
        return _LookUp(entry if usable else None, freshness, reachable=True)

    async def _fill(self, customer: Customer, query: BadgesQuery, key: EntryKey) -> _Filled:
        """Fetch from the gateway and keep the answer, within one deadline."""
        began = self._clock()
        try:
            async with asyncio.timeout(self._deadline):
                answer = await self._gateway.fetch(customer, query)
        except (GatewayError, TimeoutError) as error:
            failure = _as_gateway_error(error)
            self._observer.gateway_failed(failure)
            if failure.failure is not Failure.CUSTOMER_UNKNOWN:
                raise failure from error
            entry = Entry(began, None)
        else:
            self._observer.gateway_answered(
                request_id=answer.request_id, left_out=answer.left_out, warnings=answer.warnings
            )
            entry = _entry(answer, query, began)
        return _Filled(entry, await self._keep(key, entry))

    async def _keep(self, key: EntryKey, entry: Entry) -> bool:
        ttl = self._policy.whole_life(missing=entry.missing)
        try:
            await self._store.put(key.name, key.seal(entry), ttl=ttl)
        except StoreUnavailableError:
            self._observer.store_failed("put")
            return False
        return True

    def _serve(
        self,
        entry: Entry,
        source: Source,
        *,
        stored: bool = False,
        collapsed: bool = False,
        looking_up: float,
        fetching: float | None = None,
    ) -> Served:
        if entry.missing:
            raise GatewayError(Failure.CUSTOMER_UNKNOWN)
        age = max(0.0, self._clock() - entry.fetched_at)
        return Served(
            entry=entry,
            source=source,
            age=age,
            ttl=self._policy.fresh_life(missing=False) - age,
            stored=stored,
            collapsed=collapsed,
            looking_up=looking_up,
            fetching=fetching,
        )


def _source(found: _LookUp) -> Source:
    if not found.reachable:
        return Source.BYPASS
    return Source.MISS if found.entry is None else Source.REFETCHED


def _entry(answer: GatewayAnswer, query: BadgesQuery, fetched_at: float) -> Entry:
    """Make the entry of an answer: encoded, digested and compressed here and never again."""
    body = encode_page(answer.page)
    return Entry(fetched_at, compress(body), digest(body), link_header(answer.page, query))


def _as_gateway_error(error: GatewayError | TimeoutError) -> GatewayError:
    return error if isinstance(error, GatewayError) else GatewayError(Failure.TIMEOUT)
