"""Invalidating and erasing what is kept of customers."""

import asyncio
from collections.abc import Iterable

from app.domain.identity import Customer
from app.protocol.entries import EntryKeys
from app.services.ports import EntryStore, Observer, StoreUnavailableError
from app.services.shelf import Shelf


class Invalidator:
    """Puts new epochs in place.

    The promise: a request that arrives after `invalidate` has returned never gets as fresh what was
    fetched before it; after an erasure, not even as stale. What it can't cover: a replica that is
    cut off from the store serves what it fetched since, for at most `fresh_for`; and a failover
    that loses the write undoes it.
    """

    def __init__(
        self, *, store: EntryStore, keys: EntryKeys, shelf: Shelf, observer: Observer
    ) -> None:
        self._store = store
        self._keys = keys
        self._shelf = shelf
        self._observer = observer

    async def invalidate(self, customers: Iterable[Customer], *, erase: bool) -> None:
        """Invalidate all entries of the customers, or erase them.

        Raises:
            StoreUnavailableError: not all of them could be; to be tried again.

        """
        names = {self._keys.epoch_name(customer) for customer in customers}
        try:
            await asyncio.gather(*(self._change(name, erase=erase) for name in names))
        except StoreUnavailableError:
            self._observer.store_failed("change_epoch")
            raise

    async def _change(self, name: str, *, erase: bool) -> None:
        await self._store.change_epoch(name, erase=erase, ttl=self._shelf.epoch_life)
