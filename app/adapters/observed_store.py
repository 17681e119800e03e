"""A store whose operations are timed, counted and traced."""

from collections.abc import Awaitable
from time import perf_counter
from typing import TypeVar

from app.services.ports import (
    EntryStore,
    HeldEpoch,
    Observer,
    Reading,
    StoreUnavailableError,
    Tracer,
)

T = TypeVar("T")


class ObservedStore:
    """Passes everything on to a store, and tells how long it took and whether there was an answer.

    See `app.services.ports.EntryStore` for the operations. Many reads share a round trip, which the
    store itself tells of; here those are told of that it refuses at once.
    """

    def __init__(self, store: EntryStore, *, observer: Observer, tracer: Tracer) -> None:
        self._store = store
        self._observer = observer
        self._tracer = tracer

    def read(self, name: str, epoch_name: str) -> Awaitable[Reading]:
        """Read an entry together with its epoch."""
        try:
            reading = self._store.read(name, epoch_name)
        except StoreUnavailableError:
            self._observer.store_asked("read", 0.0, answered=False)
            raise
        return self._traced(reading) if self._tracer.active else reading

    async def begin_epoch(self, epoch_name: str, proposed: bytes, *, ttl: float) -> bytes:
        """Return the epoch in force."""
        beginning = self._store.begin_epoch(epoch_name, proposed, ttl=ttl)
        return await self._observed("begin_epoch", beginning)

    async def change_epoch(self, epoch_name: str, *, erase: bool, ttl: float) -> None:
        """Put a new epoch in place."""
        changing = self._store.change_epoch(epoch_name, erase=erase, ttl=ttl)
        await self._observed("change_epoch", changing)

    async def write(self, name: str, content: bytes, *, ttl: float, epoch: HeldEpoch) -> bool:
        """Keep a content."""
        writing = self._store.write(name, content, ttl=ttl, epoch=epoch)
        return await self._observed("write", writing)

    async def hold(self, name: str, owner: bytes, *, ttl: float) -> bool:
        """Take a lock, or hold it longer."""
        return await self._observed("hold", self._store.hold(name, owner, ttl=ttl))

    async def release(self, name: str, owner: bytes) -> None:
        """Give a lock up."""
        await self._observed("release", self._store.release(name, owner))

    async def count(self, name: str, *, window: float) -> int:
        """Count one more under a name."""
        return await self._observed("count", self._store.count(name, window=window))

    async def pause(self, name: str, *, seconds: float) -> None:
        """Begin a pause, or make it longer."""
        await self._observed("pause", self._store.pause(name, seconds=seconds))

    async def pause_left(self, name: str) -> float:
        """Tell how much of a pause is left, in seconds."""
        return await self._observed("pause_left", self._store.pause_left(name))

    async def _traced(self, reading: Awaitable[Reading]) -> Reading:
        with self._tracer.call("store read"):
            return await reading

    async def _observed(self, operation: str, work: Awaitable[T]) -> T:
        """Wait for an operation. One whose caller left meanwhile is not counted: it has no end."""
        started = perf_counter()
        try:
            with self._tracer.call(f"store {operation}"):
                answer = await work
        except Exception:
            self._observer.store_asked(operation, perf_counter() - started, answered=False)
            raise
        self._observer.store_asked(operation, perf_counter() - started, answered=True)
        return answer
