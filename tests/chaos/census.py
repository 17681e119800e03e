"""What this process holds: tasks, sockets, memory."""

import asyncio
import gc
import resource
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

_DESCRIPTORS = Path("/proc/self/fd")
_STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Census:
    """A count. `sockets` is None where the system does not tell; `memory` is in bytes.

    `requests` are those of callers that are in memory, whether they were answered or not.
    """

    tasks: Counter[str]
    requests: int
    sockets: int | None
    memory: int

    def more_than(self, other: "Census", *, sockets: int = 0) -> str:
        """Say what there is more of than in another count, but for so many sockets."""
        found = [f"{number} more of {name}" for name, number in (self.tasks - other.tasks).items()]
        if self.requests > other.requests:
            found.append(f"{self.requests - other.requests} more requests in memory")
        if self.sockets is not None and other.sockets is not None:
            surplus = self.sockets - other.sockets
            found += [f"{surplus} more sockets"] if surplus > sockets else []
        return ", ".join(found)

    def __str__(self) -> str:
        sockets = "?" if self.sockets is None else self.sockets
        mebibytes = self.memory / 2**20
        return (
            f"{self.tasks.total()} tasks, {self.requests} requests, {sockets} sockets, "
            f"{mebibytes:.1f} MiB"
        )


def census(*, collect: bool = False) -> Census:
    """Count, after collecting garbage where asked to."""
    if collect:
        gc.collect()
    tasks = Counter(_name(task) for task in asyncio.all_tasks())
    return Census(tasks, _requests(), _sockets(), _memory())


def _name(task: asyncio.Task[object]) -> str:
    return getattr(task.get_coro(), "__qualname__", "?")


def _requests() -> int:
    return sum(isinstance(thing, web.BaseRequest) for thing in gc.get_objects())


def _sockets() -> int | None:
    if not _DESCRIPTORS.is_dir():
        return None
    return sum(_is_socket(entry) for entry in _DESCRIPTORS.iterdir())


def _is_socket(descriptor: Path) -> bool:
    try:
        return str(descriptor.readlink()).startswith("socket:")
    except OSError:
        return False


def _memory() -> int:
    """Return what is resident, or where that is not told, the most that ever was."""
    if _STATM.is_file():
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
