"""One flight in the fleet: of the processes that need the same entry, one fetches it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.services.ports import EntryStore, StoreUnavailableError

LOCK_FOR = 2.0
_RENEW_EVERY = LOCK_FOR / 4


class FleetLock:
    """A lock in the store, held while its holder lives.

    It saves work; nothing rests on it. A store that fails makes everybody a holder. A holder that
    dies delays the others by at most `LOCK_FOR` seconds.
    """

    def __init__(self, store: EntryStore) -> None:
        self._store = store

    @asynccontextmanager
    async def attempt(self, name: str) -> AsyncIterator[bool]:
        """Try to take the lock, and keep it until the block ends; yields whether it is ours."""
        owner = secrets.token_bytes(16)
        if not await self._hold(name, owner):
            yield False
            return
        renewal = asyncio.create_task(self._renew(name, owner))
        try:
            yield True
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
            await self._release(name, owner)

    async def _hold(self, name: str, owner: bytes) -> bool:
        try:
            return await self._store.hold(name, owner, ttl=LOCK_FOR)
        except StoreUnavailableError:
            return True

    async def _renew(self, name: str, owner: bytes) -> None:
        while True:
            await asyncio.sleep(_RENEW_EVERY)
            await self._hold(name, owner)

    async def _release(self, name: str, owner: bytes) -> None:
        try:
            await self._store.release(name, owner)
        except StoreUnavailableError:
            return
