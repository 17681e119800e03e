"""Entries and epochs in Redis or Valkey, shared by all replicas."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from app.adapters.batches import BatchedReads
from app.adapters.breaker import Breaker
from app.domain.epochs import new_epoch
from app.protocol.entries import MAX_STAMP_LEAD, STAMP_BYTES
from app.services.ports import HeldEpoch, Reading, StoreUnavailableError

_MAX_CONNECTIONS = 512
T = TypeVar("T")

# A fill is kept only under the epoch that it was begun with, and never in place of a newer one,
# unless that one is of a future that only a wrong clock can have seen.
_WRITE = f"""
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
local old = tonumber(redis.call('GETRANGE', KEYS[1], 0, {STAMP_BYTES - 1}))
local new = tonumber(string.sub(ARGV[1], 1, {STAMP_BYTES}))
if old and old > new and old < new + {MAX_STAMP_LEAD} then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
"""
# An invalidation keeps the first half of the epoch, `erase`; where there is none, both are new.
_CHANGE = """
local old = redis.call('GET', KEYS[1])
local new = ARGV[1]
if ARGV[3] == '0' and old then new = string.sub(old, 1, 16) .. string.sub(new, 17) end
redis.call('SET', KEYS[1], new, 'PX', ARGV[2])
return 1
"""
_HOLD = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"
_COUNT = """
local number = redis.call('INCR', KEYS[1])
if number == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return number
"""


def connect(url: str, *, timeout: float) -> Redis:
    """Make a client that gives up after `timeout` seconds and never retries on its own.

    Maintenance notifications stay off: while they are on, redis-py does not check a pooled
    connection for unread replies, and one that is left over becomes the answer to the next command.
    """
    return Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        max_connections=_MAX_CONNECTIONS,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )


class RedisStore:
    """Keeps entries and epochs as strings with an expiry. `timeout` bounds each operation.

    After a few failures in a row a circuit breaker spares requests the wait.
    """

    def __init__(self, redis: Redis, *, timeout: float) -> None:
        self._redis = redis
        self._timeout = timeout
        self._breaker = Breaker(timer=time.monotonic)
        self._reads = BatchedReads(self._fetch)
        self._write = redis.register_script(_WRITE)
        self._change = redis.register_script(_CHANGE)
        self._hold = redis.register_script(_HOLD)
        self._release = redis.register_script(_RELEASE)
        self._count = redis.register_script(_COUNT)

    async def read(self, name: str, epoch_name: str) -> Reading:
        """Read an entry together with its epoch."""
        return await self._reads.read(name, epoch_name)

    async def begin_epoch(self, epoch_name: str, proposed: bytes, *, ttl: float) -> bytes:
        """Return the epoch in force: the one proposed if there was none."""
        command = self._redis.set(epoch_name, proposed, px=_milliseconds(ttl), nx=True, get=True)
        return cast("bytes | None", await self._guarded(command)) or proposed

    async def change_epoch(self, epoch_name: str, *, erase: bool, ttl: float) -> None:
        """Put a new epoch in place."""
        arguments = (new_epoch(), _milliseconds(ttl), int(erase))
        await self._guarded(self._change([epoch_name], arguments))

    async def write(self, name: str, content: bytes, *, ttl: float, epoch: HeldEpoch) -> bool:
        """Keep a content if its epoch is in force and no newer version is there."""
        arguments = (content, _milliseconds(ttl), epoch.value, _milliseconds(epoch.ttl))
        return bool(await self._guarded(self._write([name, epoch.name], arguments)))

    async def hold(self, name: str, owner: bytes, *, ttl: float) -> bool:
        """Take a lock, or hold it longer."""
        return bool(await self._guarded(self._hold([name], [owner, _milliseconds(ttl)])))

    async def release(self, name: str, owner: bytes) -> None:
        """Give a lock up."""
        await self._guarded(self._release([name], [owner]))

    async def count(self, name: str, *, window: float) -> int:
        """Count one more under a name."""
        return int(await self._guarded(self._count([name], [_milliseconds(window)])))

    async def close(self) -> None:
        """Wait for reads under way; the client is closed by who made it."""
        await self._reads.close()

    async def _fetch(self, names: Sequence[str]) -> Sequence[bytes | None]:
        return cast("list[bytes | None]", await self._guarded(self._redis.mget(names)))

    async def _guarded(self, command: Awaitable[Any]) -> Any:  # noqa: ANN401 - as redis-py's
        """Wait for a command's answer, unless the circuit is open.

        redis-py closes a connection whose command was cancelled, so that no late answer is left
        over on it.
        """
        if not self._breaker.lets_pass:
            _dispose(command)
            raise StoreUnavailableError
        try:
            async with asyncio.timeout(self._timeout):
                answer = await command
        except ResponseError as error:
            # It is there, and refuses: it is full, or read-only since a failover.
            raise StoreUnavailableError from error
        except (RedisError, OSError, TimeoutError) as error:
            self._breaker.failed()
            raise StoreUnavailableError from error
        self._breaker.succeeded()
        return answer


def _dispose(command: Awaitable[Any]) -> None:
    """Close a coroutine that will not be awaited."""
    if asyncio.iscoroutine(command):
        command.close()


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
