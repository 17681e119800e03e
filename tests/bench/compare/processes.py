"""Processes that are measured: each on a core of its own choosing, its use read from the kernel."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_END_WITHIN = 10


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of the servers, and that of the load and of everything else."""

    servers: int
    others: int

    @classmethod
    def available(cls) -> "Cores":
        """Choose the first and the last core that this process may use."""
        cores = sorted(os.sched_getaffinity(0))
        return cls(cores[0], cores[-1])


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Let processes that are started meanwhile, with all their threads, run on this core alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def server(
    command: Sequence[str], *, core: int, log: Path, environment: Mapping[str, str], folder: Path
) -> Iterator[int]:
    """Run a server whose output is appended to a file; yields its process id."""
    with log.open("ab") as output, pinned(core):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PATH": os.environ["PATH"], **environment},
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(_END_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def processor_time(process: int) -> float:
    """Return what a process with its threads has used so far, in seconds, in steps of a tick."""
    # The name, in parentheses, may hold anything: fields are counted from behind it.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(process: int) -> int:
    """Return the memory of a process that is in fact in memory, in bytes."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {process} has ended")


async def idle_for(seconds: float) -> float:
    """Return how much of the machine's time in so many seconds nobody wants, 0 to 1."""
    before = _machine_times()
    await asyncio.sleep(seconds)
    after = _machine_times()
    spent = [end - start for start, end in zip(before, after, strict=True)]
    return spent[3] / max(1, sum(spent))


def _machine_times() -> list[int]:
    return [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
