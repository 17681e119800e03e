"""What nearly every part of the service needs."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from app.services.ports import Clock, Observer, Tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What nearly every part needs, and the stack that closes what was opened.

    `clock` tells the time of day, `timer` one that never goes back, both in seconds.
    """

    stack: AsyncExitStack
    clock: Clock
    timer: Callable[[], float]
    observer: Observer
    tracer: Tracer
