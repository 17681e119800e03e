"""How busy the event loop is: how late it wakes those who sleep."""

import asyncio
from collections.abc import Callable

EVERY = 0.25


async def watch_loop_lag(observe: Callable[[float], None]) -> None:
    """Tell every `EVERY` seconds, until cancelled, how many seconds late this task was woken."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + EVERY
        await asyncio.sleep(EVERY)
        observe(max(0.0, loop.time() - due))
