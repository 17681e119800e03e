"""Writes that a failover can't undo: they wait until the replicas have them (WAIT).

WAIT counts the writes of its own connection, so write and WAIT share a borrowed one. How many
replicas have to answer is the larger of two numbers: of those that the server itself says are
connected (ROLE), and of those that might be promoted in its place, by those who would promote them.
The second counts replicas that were cut off from the server but not from the Sentinels or the rest
of the Cluster: they would lose the write. Whom those hold for dead can't be promoted, and is not
waited for; a server without replicas is not asked to WAIT.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import InvalidResponse, SlotNotCoveredError

from app.adapters.redis_borrowing import Borrowed, ask, borrowed_of_node
from app.adapters.redis_connections import Client

# The part of the time left that replicas get: the server's "not all of them" is to come in time.
_SHARE = 0.8


async def write_durably(client: Client, key: str, *command: str | bytes | int, by: float) -> bool:
    """Send a command that writes `key`, and tell whether every replica has confirmed the write.

    If not, the write stands all the same where it was made, but may be lost. `by` is a time of the
    event loop; what has not been confirmed a little earlier is given up.
    """
    async with _master_of(client, key) as (connection, promotable):
        await ask(connection, *command)
        replicas = max(promotable, await _connected_replicas(connection))
        if isinstance(client, RedisCluster):
            replicas = max(replicas, _promotable_nodes(await ask(connection, "CLUSTER", "NODES")))
        if not replicas:
            return True
        left = (by - asyncio.get_running_loop().time()) * 1000 * _SHARE
        # Zero would mean to wait for ever.
        confirmed: int = await ask(connection, "WAIT", replicas, max(1, int(left)))
        return confirmed >= replicas


@asynccontextmanager
async def _master_of(client: Client, key: str) -> AsyncIterator[tuple[AbstractConnection, int]]:
    """Borrow a connection to whom `key` is written to; with the replicas that Sentinels know."""
    if isinstance(client, RedisCluster):
        await client.initialize()
        node = client.get_node_from_key(key)
        if node is None:
            raise SlotNotCoveredError
        async with borrowed_of_node(node) as connection:
            yield connection, 0
        return
    promotable = await _promotable_by_sentinels(client)
    async with Borrowed(client.connection_pool) as connection:
        yield connection, promotable


async def _promotable_by_sentinels(client: Redis) -> int:
    """Count the replicas that Sentinels hold for alive; zero without Sentinels.

    Asking them who the master is closes the pool's connections to one that was deposed: cut off
    from everybody, that one would confirm a write that nobody else ever sees.
    """
    pool = client.connection_pool
    if not isinstance(pool, SentinelConnectionPool):
        return 0
    await pool.get_master_address()  # type: ignore[no-untyped-call] # redis-py's
    return len(await pool.sentinel_manager.discover_replicas(pool.service_name))


async def _connected_replicas(connection: AbstractConnection) -> int:
    """Count the replicas that a master is connected to: `master`, offset, replicas."""
    reply = await ask(connection, "ROLE")
    if not isinstance(reply, list) or reply[0] != b"master" or not isinstance(reply[2], list):
        raise InvalidResponse
    return len(reply[2])


def _promotable_nodes(nodes: bytes) -> int:
    """Count the replicas of the node asked that have not failed, in its CLUSTER NODES.

    A line is: id, address, flags, id of its master, and more.
    """
    rows = [line.split() for line in nodes.splitlines()]
    flags = {row[0]: row[2].split(b",") for row in rows}
    asked = next(name for name, its_flags in flags.items() if b"myself" in its_flags)
    return sum(row[3] == asked and b"fail" not in flags[row[0]] for row in rows)
