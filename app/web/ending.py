"""How a listener ends without failing anybody who was at its door."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

from aiohttp import web

from app.web.exchanges import UnderWay


async def close_listener(
    listener: asyncio.Server, make_connection: Callable[[], asyncio.BaseProtocol]
) -> None:
    """Close a listener; who waits to be accepted is.

    The kernel resets those that it has accepted and we have not, even where another process listens
    on the same port (`reuse_port`) and would take them. What remains is who comes in between our
    last look and the close, microseconds apart.
    """
    await asyncio.sleep(0)  # the loop takes most of them
    waiting = [accepted for own in listener.sockets for accepted in _waiting(own)]
    listener.close()
    loop = asyncio.get_running_loop()
    handed_over = (loop.connect_accepted_socket(make_connection, each) for each in waiting)
    await asyncio.gather(*handed_over, return_exceptions=True)


def _waiting(listening: socket.socket) -> Iterator[socket.socket]:
    """Accept whoever waits, by a socket object of our own: that of the loop can't."""
    with socket.socket(fileno=os.dup(listening.fileno())) as twin, suppress(OSError):
        twin.settimeout(0)
        while True:
            accepted, _ = twin.accept()
            accepted.settimeout(0)
            yield accepted


async def finish_requests(server: web.Server, under_way: UnderWay, shutdown_timeout: float) -> None:
    """Close idle connections; requests under way have `shutdown_timeout` seconds to finish.

    aiohttp's own limit applies twice in a row: to the request, and to the connection's task, which
    runs that request. So it gets none here; what remains is cut when the runner is cleaned up.
    """
    server.pre_shutdown()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(shutdown_timeout):
                await under_way.ended()
                await server.shutdown(None)
    finally:
        await under_way.cut()
