"""One flight: what several callers need at the same time is done once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Flights(Generic[K, T]):
    """Shared tasks by key. They belong to this object, not to the callers who wait for them.

    A caller who is cancelled leaves; the flight goes on for the others, and for the cache.
    `close` cancels what is still in the air and waits for it.
    """

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[T]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._tasks

    def launch(self, key: K, make: Callable[[], Coroutine[Any, Any, T]]) -> Awaitable[T]:
        """Return the flight of that key, started now if there is none."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(make())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return task

    async def join(self, key: K, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait for the flight of that key. Being cancelled here does not cancel it."""
        return await asyncio.shield(self.launch(key, make))

    def _landed(self, key: K, task: asyncio.Task[T]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            # Mark it as seen: all callers may have left, and that is no error.
            task.exception()

    async def close(self) -> None:
        """Cancel all flights and wait until they have ended."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
