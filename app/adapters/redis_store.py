"""Entries and epochs in Redis or Valkey, shared by all replicas."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from redis.asyncio import RedisCluster
from redis.exceptions import ResponseError

from app.adapters.batches import BatchedReads, Names, Told, to_nobody
from app.adapters.redis_borrowing import checked_values, read_values
from app.adapters.redis_connections import Client
from app.adapters.redis_durable import write_durably
from app.domain.epochs import HALF, new_epoch
from app.protocol.entries import MAX_STAMP_LEAD, STAMP_BYTES
from app.services.breaker import Breaker, BreakerPolicy, Circuit
from app.services.ports import HeldEpoch, Reading, StoreUnavailableError

T = TypeVar("T")

# Each has a connection to itself meanwhile. More at once are not answered any sooner.
_COMMANDS = 64
_BREAKER = BreakerPolicy(failures=3, first_pause=0.5, longest_pause=10.0)

# A fill is kept unless it was erased meanwhile (one that was invalidated is good for being served
# stale), and never in place of a newer one, unless that one is of a future that only a wrong clock
# can have seen.
_WRITE = f"""
local epoch = redis.call('GET', KEYS[2])
if not epoch or string.sub(epoch, 1, {HALF}) ~= string.sub(ARGV[3], 1, {HALF}) then return 0 end
local old = tonumber(redis.call('GETRANGE', KEYS[1], 0, {STAMP_BYTES - 1}))
local new = tonumber(string.sub(ARGV[1], 1, {STAMP_BYTES}))
if old and old > new and old < new + {MAX_STAMP_LEAD} then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
"""
# An invalidation keeps the first half of the epoch, `erase`; where there is none, both are new.
_CHANGE = f"""
local old = redis.call('GET', KEYS[1])
local new = ARGV[1]
if ARGV[3] == '0' and old then
  new = string.sub(old, 1, {HALF}) .. string.sub(new, {HALF + 1})
end
redis.call('SET', KEYS[1], new, 'PX', ARGV[2])
return 1
"""
_HOLD = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_PAUSE = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
end
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
    spares requests the wait; `changed` is told of its states, `told` of each round trip of reads.
    Commands are never cancelled: one that is late ends by itself, so that no reply of it is left
    over on its connection, and a connection that takes long to make is there for those who come
    later.
    """

    def __init__(
        self,
        redis: Client,
        *,
        timeout: float,
        changed: Callable[[Circuit], None] = lambda _: None,
        told: Told = to_nobody,
    ) -> None:
        self._redis = redis
        self._timeout = timeout
        self._commands: set[asyncio.Task[Any]] = set()
        self._turns = asyncio.Semaphore(_COMMANDS)
        self._breaker = Breaker(_BREAKER, timer=time.monotonic, changed=changed)
        self._reads = BatchedReads(self._fetch, timeout=timeout, breaker=self._breaker, told=told)
        self._write = redis.register_script(_WRITE)
        self._change = redis.register_script(_CHANGE)
        self._hold = redis.register_script(_HOLD)
        self._release = redis.register_script(_RELEASE)
        self._count = redis.register_script(_COUNT)
        self._pause = redis.register_script(_PAUSE)

    def read(self, name: str, epoch_name: str) -> Awaitable[Reading]:
        """Read an entry together with its epoch."""
        if not self._breaker.lets_pass():
            raise StoreUnavailableError
        return self._reads.read(name, epoch_name)

    async def begin_epoch(self, epoch_name: str, proposed: bytes, *, ttl: float) -> bytes:
        """Return the epoch in force: the one proposed if there was none."""
        px = _milliseconds(ttl)
        command = _begun(lambda: self._redis.set(epoch_name, proposed, px=px, nx=True, get=True))
        epoch = await self._spared(command)
        return epoch if isinstance(epoch, bytes) else proposed

    async def change_epoch(self, epoch_name: str, *, erase: bool, ttl: float) -> None:
        """Put a new epoch in place.

        An erasure waits, within the store's `timeout`, until every replica that might be promoted
        has confirmed it, and raises `StoreUnavailableError` if one has not: the new epoch is in
        force then, but a failover may lose it, so the erasure has to be sent again. Without
        replicas that costs one more round trip. A mere invalidation does not wait: if it is lost,
        entries are served for at most the rest of their freshness. Who is known as a replica
        neither to Redis itself nor to its Sentinels or its Cluster is not waited for.
        """
        if not erase:
            arguments = (new_epoch(), _milliseconds(ttl), 0)
            await self._guarded(self._change([epoch_name], arguments))
        elif not await self._guarded(self._erase(epoch_name, ttl)):
            raise StoreUnavailableError

    async def write(self, name: str, content: bytes, *, ttl: float, epoch: HeldEpoch) -> bool:
        """Keep a content unless it was erased meanwhile or a newer version is there."""
        arguments = (content, _milliseconds(ttl), epoch.value, _milliseconds(epoch.ttl))
        return bool(await self._spared(self._write([name, epoch.name], arguments)))

    async def hold(self, name: str, owner: bytes, *, ttl: float) -> bool:
        """Take a lock, or hold it longer."""
        return bool(await self._spared(self._hold([name], [owner, _milliseconds(ttl)])))

    async def release(self, name: str, owner: bytes) -> None:
        """Give a lock up."""
        await self._spared(self._release([name], [owner]))

    async def count(self, name: str, *, window: float) -> int:
        """Count one more under a name."""
        number = await self._spared(self._count([name], [_milliseconds(window)]))
        if not isinstance(number, int):
            raise StoreUnavailableError
        return number

    async def pause(self, name: str, *, seconds: float) -> None:
        """Begin a pause, or make it longer."""
        await self._spared(self._pause([name], [_milliseconds(seconds)]))

    async def pause_left(self, name: str) -> float:
        """Tell how much of a pause is left, in seconds."""
        left = await self._spared(_begun(lambda: self._redis.pttl(name)))
        if not isinstance(left, int):
            raise StoreUnavailableError
        return max(0, left) / 1000

    async def close(self) -> None:
        """Wait for reads under way, and end what is late; the client is closed by its owner."""
        await self._reads.close()
        for command in self._commands:
            command.cancel()
        await asyncio.gather(*self._commands, return_exceptions=True)

    async def _erase(self, epoch_name: str, ttl: float) -> bool:
        """Put a new epoch in place on the master and on all replicas; whether it is on all."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        arguments = (new_epoch(), _milliseconds(ttl), 1)
        if isinstance(self._redis, RedisCluster):
            # This follows redirections and failovers, which a borrowed connection does not.
            await self._change([epoch_name], arguments)
        command = ("EVAL", _CHANGE, 1, epoch_name, *arguments)
        return await write_durably(self._redis, epoch_name, *command, by=deadline)

    async def _fetch(self, names: Sequence[Names]) -> Sequence[bytes | None]:
        """Read in one round trip: an MGET, or on a Cluster one pipeline for each node."""
        flat = [name for pair in names for name in pair]
        if not isinstance(self._redis, RedisCluster):
            return await read_values(self._redis.connection_pool, flat)
        pipeline = self._redis.pipeline()
        for name in flat:
            pipeline.get(name)
        return checked_values(await pipeline.execute(), len(flat))

    async def _spared(self, command: Coroutine[Any, Any, T]) -> T:
        """Wait for the answer to what can be done without: not tried if the last command failed.

        So a request waits in vain once, for its read, and not once for each of its commands.
        """
        if self._breaker.in_doubt:
            command.close()
            raise StoreUnavailableError
        return await self._guarded(command)

    async def _guarded(self, command: Coroutine[Any, Any, T]) -> T:
        """Wait for a command's answer, unless the circuit is open."""
        if not self._breaker.lets_pass():
            command.close()
            raise StoreUnavailableError
        era = self._breaker.era
        task = asyncio.create_task(self._in_turn(command))
        self._commands.add(task)
        task.add_done_callback(self._forget)
        await asyncio.wait({task}, timeout=self._timeout)
        try:
            answer = task.result()
        except ResponseError as error:
            # It is there, and refuses: it is full, or read-only since a failover.
            raise StoreUnavailableError from error
        except asyncio.CancelledError:
            # The store was closed. Had it been who waits here, he would not have come this far.
            raise StoreUnavailableError from None
        # Late, or failed in any way: redis-py has errors outside of its own family, and its Cluster
        # client lets bare ones through when connections break while others are being made.
        except Exception as error:
            self._breaker.failed(era)
            raise StoreUnavailableError from error
        self._breaker.succeeded(era)
        return answer

    async def _in_turn(self, command: Coroutine[Any, Any, T]) -> T:
        """Run a command when there is a connection for it, unless nobody waits for it by then."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._timeout
        try:
            async with self._turns:
                if loop.time() >= until:
                    raise StoreUnavailableError
                return await command
        finally:
            command.close()

    def _forget(self, command: asyncio.Task[Any]) -> None:
        self._commands.discard(command)
        if not command.cancelled():
            # Mark it as seen: who waited for it may have given up.
            command.exception()


async def _begun(command: Callable[[], Awaitable[T]]) -> T:
    """Begin a command when it is waited for, which an open circuit prevents."""
    return await command()


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
