"""The cache: its store, its keys, its freshness, and what fills it."""

import secrets
from dataclasses import dataclass
from functools import partial

from app.adapters.memory_store import MemoryStore
from app.adapters.observed_store import ObservedStore
from app.adapters.redis_connections import connect
from app.adapters.redis_store import RedisStore
from app.adapters.tracing import TracedFlights
from app.bootstrap.tools import Tools
from app.domain.freshness import FreshnessPolicy
from app.protocol.entries import EntryKeys
from app.services.badges import BadgesReader
from app.services.budget import CallBudget
from app.services.fills import Filler
from app.services.fleet_lock import FleetLock
from app.services.gateway import BadgesGateway
from app.services.invalidation import Invalidator
from app.services.load import InFlight
from app.services.ports import EntryStore
from app.services.shelf import Shelf
from app.settings import CacheSettings, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """What the web layer uses of the cache."""

    keys: EntryKeys
    reader: BadgesReader
    invalidator: Invalidator
    misses: InFlight


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where entries are kept, and how they are named and sealed."""

    keys: EntryKeys
    store: EntryStore


async def make_store(settings: Settings, tools: Tools) -> Stored:
    """Open the store."""
    store = ObservedStore(
        await _store(settings.cache, tools), observer=tools.observer, tracer=tools.tracer
    )
    return Stored(keys=_entry_keys(settings), store=store)


def make_cache(settings: Settings, stored: Stored, gateway: BadgesGateway, tools: Tools) -> Cache:
    """Make the cache in front of the gateway."""
    keys, store, policy = stored.keys, stored.store, _policy(settings.cache)
    shelf = Shelf(store=store, policy=policy, clock=tools.clock, observer=tools.observer)
    filler = Filler(
        shelf=shelf,
        lock=FleetLock(store),
        gateway=TracedFlights(gateway, tools.tracer) if tools.tracer.active else gateway,
        budget=CallBudget(
            store=store,
            keys=keys,
            calls=settings.limits.gateway_calls_per_minute,
            clock=tools.clock,
            observer=tools.observer,
        ),
        deadline=settings.gateway.timeout,
        clock=tools.clock,
        timer=tools.timer,
        observer=tools.observer,
    )
    tools.stack.push_async_callback(filler.close)
    misses = InFlight(settings.server.max_misses_in_flight)
    reader = BadgesReader(
        keys=keys,
        shelf=shelf,
        filler=filler,
        policy=policy,
        misses=misses,
        soft_timeout=settings.gateway.soft_timeout,
        clock=tools.clock,
    )
    invalidator = Invalidator(store=store, keys=keys, shelf=shelf, observer=tools.observer)
    return Cache(keys=keys, reader=reader, invalidator=invalidator, misses=misses)


def _entry_keys(settings: Settings) -> EntryKeys:
    """Make the keys of entries. A cache in this process's memory needs no lasting secrets."""
    cache, attribution = settings.cache, settings.gateway.attribution
    name_secret = cache.name_secret.get_secret_value().encode() if cache.name_secret else None
    sealing = tuple(secret.get_secret_value().encode() for secret in cache.secret)
    return EntryKeys(
        namespace=cache.namespace,
        name_secret=name_secret or secrets.token_bytes(32),
        secrets=sealing or (secrets.token_bytes(32),),
        scope=(settings.gateway.base_url, attribution.type or "", attribution.code or ""),
    )


async def _store(settings: CacheSettings, tools: Tools) -> EntryStore:
    url = settings.url.get_secret_value()
    if url == "memory://":
        return MemoryStore(clock=tools.timer)
    redis = await tools.stack.enter_async_context(connect(url, timeout=settings.timeout))
    store = RedisStore(
        redis,
        timeout=settings.timeout,
        changed=partial(tools.observer.circuit_changed, "store"),
        told=tools.observer.entries_read,
    )
    tools.stack.push_async_callback(store.close)
    return store


def _policy(settings: CacheSettings) -> FreshnessPolicy:
    return FreshnessPolicy(
        fresh_for=settings.fresh_for,
        revalidate_for=settings.revalidate_for,
        stale_for=settings.stale_for,
        missing_for=settings.missing_for,
    )
