"""How the stand-ins misbehave, fault by fault, request by request."""

import asyncio
import random
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

_SPARED = 0.15
"""The share of requests that are answered as usual while a fault is on."""

_SLOWEST = 1.0
_RESET = struct.pack("ii", 1, 0)
_GARBAGE = (
    (200, "<html>It works!</html>"),
    (200, '{"data": {"customerBadges": ['),
    (200, '{"data": {"customerBadges": 7, "pagination": []}, "errors": []}'),
    (200, '{"data": {}}'),
    (200, "[]"),
    (404, ""),
    (302, ""),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault while it is on; `over` is set when it ends."""

    kind: str
    over: asyncio.Event = field(default_factory=asyncio.Event)


Misbehaviour = Callable[[web.Request, Fault], Awaitable[web.StreamResponse | None]]


async def hang(request: web.Request, fault: Fault) -> web.StreamResponse | None:
    """Answer nothing; the connection breaks when the fault is over."""
    await fault.over.wait()
    return await reset(request, fault)


async def reset(request: web.Request, _: Fault) -> web.StreamResponse | None:
    """Reset the connection."""
    if request.transport is not None:
        wire = request.transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        request.transport.abort()
    return web.Response(status=500)


async def slow(_: web.Request, __: Fault) -> web.StreamResponse | None:
    """Answer as usual, up to a second late."""
    await asyncio.sleep(random.uniform(0, _SLOWEST))  # noqa: S311 - chaos, not cryptography
    return None


async def garbage(_: web.Request, __: Fault) -> web.StreamResponse | None:
    """Answer something else."""
    status, text = random.choice(_GARBAGE)  # noqa: S311 - chaos, not cryptography
    return web.Response(status=status, text=text, content_type="application/json")


def status(code: int, headers: Mapping[str, str] | None = None) -> Misbehaviour:
    """Make a misbehaviour that answers a status."""

    async def answer(_: web.Request, __: Fault) -> web.StreamResponse | None:
        return web.Response(status=code, headers=headers)

    return answer


MISBEHAVIOURS: Mapping[str, Misbehaviour] = {
    "hang": hang,
    "reset": reset,
    "slow": slow,
    "garbage": garbage,
    "error": status(500),
    "unavailable": status(503),
    "limited": status(429, {"Retry-After": "1"}),
}


@dataclass(slots=True)
class Manners:
    """A stand-in's behaviour: each request meets one of the faults that are on, or none."""

    active: list[Fault] = field(default_factory=list)
    requests: int = 0

    async def behave(self, request: web.Request) -> web.StreamResponse | None:
        """Answer instead of the stand-in, or leave it to him."""
        self.requests += 1
        if not self.active or random.random() < _SPARED:  # noqa: S311 - chaos, not cryptography
            return None
        fault = random.choice(self.active)  # noqa: S311 - chaos, not cryptography
        return await MISBEHAVIOURS[fault.kind](request, fault)
