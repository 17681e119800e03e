"""Entries and epochs in Redis or Valkey, shared by all replicas."""

import asyncio
import time
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, TypeVar

from redis.asyncio import RedisCluster
from redis.exceptions import (
    InvalidResponse,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from app.adapters.batches import BatchedReads, Names
from app.adapters.breaker import Breaker
from app.adapters.redis_connections import Client
from app.domain.epochs import new_epoch
from app.protocol.entries import MAX_STAMP_LEAD, STAMP_BYTES
from app.services.ports import HeldEpoch, Reading, StoreUnavailableError

T = TypeVar("T")
_OUTAGES = (RedisError, RedisClusterException, OSError)

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


class RedisStore:
    """Keeps entries and epochs as strings with an expiry.

    Nobody waits longer than `timeout` seconds; after a few failures in a row a circuit breaker
    spares requests the wait. Commands are never cancelled: one that is late ends by itself, so that
    no reply of it is left over on its connection, and a connection that takes long to make is there
    for those who come later.
    """

    def __init__(self, redis: Client, *, timeout: float) -> None:
        self._redis = redis
        self._timeout = timeout
        self._commands: set[asyncio.Task[Any]] = set()
        self._breaker = Breaker(timer=time.monotonic)
        self._reads = BatchedReads(
            self._fetch,
            timeout=timeout,
            succeeded=self._breaker.succeeded,
            failed=self._breaker.failed,
        )
        self._write = redis.register_script(_WRITE)
        self._change = redis.register_script(_CHANGE)
        self._hold = redis.register_script(_HOLD)
        self._release = redis.register_script(_RELEASE)
        self._count = redis.register_script(_COUNT)

    async def read(self, name: str, epoch_name: str) -> Reading:
        """Read an entry together with its epoch."""
        if not self._breaker.lets_pass:
            raise StoreUnavailableError
        return await self._reads.read(name, epoch_name)

    async def begin_epoch(self, epoch_name: str, proposed: bytes, *, ttl: float) -> bytes:
        """Return the epoch in force: the one proposed if there was none."""
        command = self._redis.set(epoch_name, proposed, px=_milliseconds(ttl), nx=True, get=True)
        epoch = await self._guarded(_as_coroutine(command))
        return epoch if isinstance(epoch, bytes) else proposed

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
        number = await self._guarded(self._count([name], [_milliseconds(window)]))
        if not isinstance(number, int):
            raise StoreUnavailableError
        return number

    async def close(self) -> None:
        """Wait for reads under way, and end what is late; the client is closed by its owner."""
        await self._reads.close()
        for command in self._commands:
            command.cancel()
        await asyncio.gather(*self._commands, return_exceptions=True)

    async def _fetch(self, names: Sequence[Names]) -> Sequence[bytes | None]:
        """Read in one round trip: an MGET, or on a Cluster one pipeline for each node."""
        flat = [name for pair in names for name in pair]
        if not isinstance(self._redis, RedisCluster):
            return _values(await self._redis.mget(flat), len(flat))
        pipeline = self._redis.pipeline()
        for name in flat:
            pipeline.get(name)
        return _values(await pipeline.execute(), len(flat))

    async def _guarded(self, command: Coroutine[Any, Any, T]) -> T:
        """Wait for a command's answer, unless the circuit is open."""
        if not self._breaker.lets_pass:
            command.close()
            raise StoreUnavailableError
        task = asyncio.create_task(command)
        self._commands.add(task)
        task.add_done_callback(self._forget)
        await asyncio.wait({task}, timeout=self._timeout)
        try:
            answer = task.result()
        except ResponseError as error:
            # It is there, and refuses: it is full, or read-only since a failover.
            raise StoreUnavailableError from error
        except (*_OUTAGES, asyncio.InvalidStateError) as error:
            self._breaker.failed()
            raise StoreUnavailableError from error
        self._breaker.succeeded()
        return answer

    def _forget(self, command: asyncio.Task[Any]) -> None:
        self._commands.discard(command)
        if not command.cancelled():
            # Mark it as seen: who waited for it may have given up.
            command.exception()


def _values(reply: object, number: int) -> list[bytes | None]:
    """Check the form of a reply: on a connection out of step it is the reply to something else."""
    if not isinstance(reply, list) or len(reply) != number:
        raise InvalidResponse
    if not all(value is None or isinstance(value, bytes) for value in reply):
        raise InvalidResponse
    return reply


async def _as_coroutine(command: Awaitable[T]) -> T:
    """redis-py promises no more than an awaitable."""
    return await command


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
