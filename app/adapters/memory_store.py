"""Entries in the memory of this process."""

from collections import OrderedDict

from app.domain.epochs import Standing, invalidated, new_epoch, standing
from app.protocol.entries import MAX_STAMP_LEAD, STAMP_BYTES
from app.services.ports import Clock, HeldEpoch, Reading

_MAX_BYTES = 64 * 1024 * 1024


class MemoryStore:
    """Keeps at most `max_bytes` (names included); the least recently used gives way."""

    def __init__(self, *, clock: Clock, max_bytes: int = _MAX_BYTES) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._bytes = 0
        self._held: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    async def read(self, name: str, epoch_name: str) -> Reading:
        """Read an entry together with its epoch."""
        return Reading(self._get(name), self._get(epoch_name))

    async def begin_epoch(self, epoch_name: str, proposed: bytes, *, ttl: float) -> bytes:
        """Return the epoch in force: the one proposed if there was none."""
        epoch = self._get(epoch_name)
        if epoch is None:
            self._put(epoch_name, proposed, ttl)
        return epoch or proposed

    async def change_epoch(self, epoch_name: str, *, erase: bool, ttl: float) -> None:
        """Put a new epoch in place."""
        epoch = new_epoch() if erase else invalidated(self._get(epoch_name))
        self._put(epoch_name, epoch, ttl)

    async def write(self, name: str, content: bytes, *, ttl: float, epoch: HeldEpoch) -> bool:
        """Keep a content unless it was erased meanwhile or a newer version is there."""
        old, current = self._get(name), self._get(epoch.name)
        newer = old is not None and 0 < _stamp(old) - _stamp(content) < MAX_STAMP_LEAD
        if newer or current is None or standing(epoch.value, current) is Standing.ERASED:
            return False
        self._put(name, content, ttl)
        self._put(epoch.name, current, epoch.ttl)
        return True

    async def hold(self, name: str, owner: bytes, *, ttl: float) -> bool:
        """Take a lock, or hold it longer."""
        if self._get(name) not in (None, owner):
            return False
        self._put(name, owner, ttl)
        return True

    async def release(self, name: str, owner: bytes) -> None:
        """Give a lock up."""
        if self._get(name) == owner:
            self._drop(name)

    async def count(self, name: str, *, window: float) -> int:
        """Count one more under a name."""
        number = int(self._get(name) or 0) + 1
        expires_at = self._held[name][1] if number > 1 else self._clock() + window
        self._put(name, b"%d" % number, expires_at - self._clock())
        return number

    async def pause(self, name: str, *, seconds: float) -> None:
        """Begin a pause, or make it longer."""
        if await self.pause_left(name) < seconds:
            self._put(name, b"", seconds)

    async def pause_left(self, name: str) -> float:
        """Tell how much of a pause is left, in seconds."""
        return 0.0 if self._get(name) is None else self._held[name][1] - self._clock()

    def _get(self, name: str) -> bytes | None:
        found = self._held.get(name)
        if found is None:
            return None
        content, expires_at = found
        if self._clock() >= expires_at:
            self._drop(name)
            return None
        self._held.move_to_end(name)
        return content

    def _put(self, name: str, content: bytes, ttl: float) -> None:
        if name in self._held:
            self._drop(name)
        self._held[name] = (content, self._clock() + ttl)
        self._bytes += len(name) + len(content)
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._held)))

    def _drop(self, name: str) -> None:
        content, _ = self._held.pop(name)
        self._bytes -= len(name) + len(content)


def _stamp(content: bytes) -> int:
    return int(content[:STAMP_BYTES])
