"""Entries in the memory of this process."""

from collections import OrderedDict

from app.services.ports import Clock

_MAX_BYTES = 64 * 1024 * 1024


class MemoryStore:
    """Keeps at most `max_bytes` of entries (names included); the least recently used give way."""

    def __init__(self, *, clock: Clock, max_bytes: int = _MAX_BYTES) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    async def get(self, name: str) -> bytes | None:
        """Return the content of that name, None if there is none or its time is over."""
        found = self._entries.get(name)
        if found is None:
            return None
        content, expires_at = found
        if self._clock() >= expires_at:
            self._drop(name)
            return None
        self._entries.move_to_end(name)
        return content

    async def put(self, name: str, content: bytes, *, ttl: float) -> None:
        """Keep a content for `ttl` seconds, making room if there is none."""
        if name in self._entries:
            self._drop(name)
        self._entries[name] = (content, self._clock() + ttl)
        self._bytes += len(name) + len(content)
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, name: str) -> None:
        content, _ = self._entries.pop(name)
        self._bytes -= len(name) + len(content)
