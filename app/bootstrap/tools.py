"""What nearly every part of the service needs."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from app.services.ports import Clock, Observer


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What nearly every part needs, and the stack that closes what was opened."""

    stack: AsyncExitStack
    clock: Clock
    observer: Observer
