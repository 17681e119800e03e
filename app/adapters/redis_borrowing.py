"""A connection for oneself: commands go out and replies come in without the client in between.

redis-py's `execute_command` (8.1.0) does five things around a command. It takes a connection from
the pool, which connects it and refuses one with unread data: so does this module, by the same pool.
It closes a connection that broke: this module does so after any exception at all. It retries: the
store wants none of that. It passes the reply through a callback of the command: MGET has none. It
reports the duration to OpenTelemetry: the service has figures of its own. To go without the last
three saves a tenth of what a read costs; and commands that have to share a connection can't be had
with them.
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from hiredis import pack_command
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import InvalidResponse

_VALUE = {bytes, type(None)}


class Borrowed:
    """A connection from the pool of a server or a Sentinel set, for the length of a `with`.

    Who leaves by an exception, a cancellation included, may leave a reply unread, which would
    become the answer to the next command: that connection is closed before anybody else gets it.
    An error in place of an answer closes it too, since who sent several commands has not read all
    replies then. Closing does not wait, so that a second cancellation finds nothing to interrupt.
    """

    __slots__ = ("_connection", "_pool")

    # A class rather than a generator: each read of the cache comes by here.
    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def __aenter__(self) -> AbstractConnection:
        taking: Awaitable[AbstractConnection] = self._pool.get_connection()  # type: ignore[no-untyped-call] # redis-py's
        self._connection = await taking
        return self._connection

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is not None:
                await self._connection.disconnect(nowait=True)
        finally:
            await self._pool.release(self._connection)


@asynccontextmanager
async def borrowed_of_node(node: ClusterNode) -> AsyncIterator[AbstractConnection]:
    """Take a connection to a node of a Cluster, and put it back; otherwise as `Borrowed`."""
    connection = node.acquire_connection()
    try:
        yield connection
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    finally:
        node.release(connection)


async def ask(connection: AbstractConnection, *command: str | bytes | int) -> Any:  # noqa: ANN401
    """Send a command over a borrowed connection and read the whole reply, whatever it is."""
    await connection.send_command(*command)
    return await connection.read_response()


async def read_values(pool: ConnectionPool, names: Sequence[str]) -> list[bytes | None]:
    """Read strings with one MGET."""
    # hiredis packs in C: of many names, redis-py's Python takes a quarter of what the read costs.
    command = pack_command(("MGET", *names))  # type: ignore[arg-type] # its stub: one argument
    async with Borrowed(pool) as connection:
        await connection.send_packed_command(command)
        # The form is checked before the connection is given back: one out of step is closed.
        return checked_values(await connection.read_response(), len(names))


def checked_values(reply: object, number: int) -> list[bytes | None]:
    """Check the form of a reply: on a connection out of step it is the reply to something else."""
    if not isinstance(reply, list) or len(reply) != number:
        raise InvalidResponse
    if not {*map(type, reply)} <= _VALUE:
        raise InvalidResponse
    return reply
