"""Limits to how long is waited."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


async def in_task() -> None:
    """Let a task go on with the caller, if none does so far.

    Requests are answered without a task for as long as they can be (`app.web.exchanges`), and what
    asyncio cancels, a time limit or a group, it cancels by the task.
    """
    if asyncio.current_task() is None:
        await asyncio.sleep(0)


@asynccontextmanager
async def until(deadline: float) -> AsyncIterator[None]:
    """Wait inside until a deadline in the loop's time; in any case by a task.

    Raises:
        TimeoutError: it passed.

    """
    await in_task()
    async with asyncio.timeout_at(deadline):
        yield
