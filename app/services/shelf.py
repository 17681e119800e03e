"""Where entries are looked up and kept: the store, or this process alone while that is away."""

from collections import OrderedDict

from msgspec import Struct

from app.domain.epochs import Standing, new_epoch, standing
from app.domain.freshness import CLOCK_SKEW, Freshness, FreshnessPolicy
from app.protocol.entries import BrokenSealError, Entry, EntryKey
from app.services.ports import Clock, EntryStore, HeldEpoch, Observer, StoreUnavailableError

_MAX_LOCAL = 1_000


class LookUp(Struct, frozen=True):
    """What was found of an entry.

    `entry` is None unless it is good for something; `epoch` is the customer's, None if it has
    none or the store is out of reach.
    """

    entry: Entry | None
    freshness: Freshness
    epoch: bytes | None
    reachable: bool


class Shelf:
    """Looks entries up and keeps them.

    While the store is out of reach, entries are kept in this process, at most `_MAX_LOCAL` of them
    and never past their freshness; they are thrown away as soon as the store is back, since they
    know nothing of invalidations.
    """

    def __init__(
        self, *, store: EntryStore, policy: FreshnessPolicy, clock: Clock, observer: Observer
    ) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock
        self._observer = observer
        self._local: OrderedDict[str, Entry] = OrderedDict()

    async def look_up(self, key: EntryKey) -> LookUp:
        """Find an entry and say what it is good for."""
        try:
            reading = await self._store.read(key.name, key.epoch_name)
        except StoreUnavailableError:
            self._observer.store_failed("read")
            return self._look_up_locally(key)
        self._local.clear()
        entry = self._open(key, reading.content)
        if entry is None:
            return LookUp(None, Freshness.UNUSABLE, reading.epoch, reachable=True)
        freshness = self._judge(entry, reading.epoch)
        usable = freshness is not Freshness.UNUSABLE
        return LookUp(entry if usable else None, freshness, reading.epoch, reachable=True)

    async def epoch(self, found: LookUp, key: EntryKey) -> HeldEpoch | None:
        """Return the epoch to fetch under, begun now if the customer has none.

        None while the store is out of reach: what is fetched then is not written to it.
        """
        if not found.reachable:
            return None
        value = found.epoch
        if value is None:
            try:
                value = await self._store.begin_epoch(
                    key.epoch_name, new_epoch(), ttl=self.epoch_life
                )
            except StoreUnavailableError:
                self._observer.store_failed("begin_epoch")
                return None
        return HeldEpoch(key.epoch_name, value, self.epoch_life)

    async def keep(self, key: EntryKey, entry: Entry, epoch: HeldEpoch | None) -> bool:
        """Keep an entry; tells whether the store took it."""
        if epoch is None:
            self._keep_locally(key, entry)
            return False
        ttl = self._policy.whole_life(missing=entry.missing)
        try:
            return await self._store.write(key.name, key.seal(entry), ttl=ttl, epoch=epoch)
        except StoreUnavailableError:
            self._observer.store_failed("write")
            return False

    @property
    def epoch_life(self) -> float:
        """For how long an epoch lives: longer than any entry."""
        longest = max(self._policy.whole_life(missing=missing) for missing in (False, True))
        return 2 * longest

    def _open(self, key: EntryKey, content: bytes | None) -> Entry | None:
        if content is None:
            return None
        try:
            return key.open(content)
        except BrokenSealError:
            self._observer.entry_rejected(key.name)
            return None

    def _judge(self, entry: Entry, epoch: bytes | None) -> Freshness:
        now = self._clock()
        if now - entry.fetched_at < -CLOCK_SKEW:
            self._observer.entry_from_the_future()
        stands = standing(entry.epoch, epoch)
        if stands is Standing.ERASED:
            return Freshness.UNUSABLE
        invalidated = stands is Standing.INVALIDATED
        return self._policy.judge(entry, now=now, invalidated=invalidated)

    def _look_up_locally(self, key: EntryKey) -> LookUp:
        entry = self._local.get(key.name)
        if entry is not None:
            freshness = self._policy.judge(entry, now=self._clock(), invalidated=False)
            if freshness is Freshness.FRESH:
                return LookUp(entry, freshness, None, reachable=False)
            del self._local[key.name]
        return LookUp(None, Freshness.UNUSABLE, None, reachable=False)

    def _keep_locally(self, key: EntryKey, entry: Entry) -> None:
        self._local[key.name] = entry
        while len(self._local) > _MAX_LOCAL:
            self._local.popitem(last=False)
