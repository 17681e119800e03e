"""The seam through which a test makes a stand-in misbehave."""

from collections.abc import Awaitable, Callable

from aiohttp import web

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
"""Consulted before the normal answer; what it returns is sent, None means: as usual."""


async def consult(behaviour: Behaviour | None, request: web.Request) -> web.StreamResponse | None:
    """Return what the behaviour answers instead of the normal answer, or None."""
    return None if behaviour is None else await behaviour(request)
