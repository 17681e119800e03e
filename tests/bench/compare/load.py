"""The load: wrk where it is installed, else a generator of our own."""

import asyncio
import json
import os
import resource
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.compare.processes import pinned

CONNECTIONS = 32
_HERE = Path(__file__).parent
_GRACE = 30


class LoadError(Exception):
    """The generator failed, or nothing was answered."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a load has shown: requests a second, times in seconds, bytes of an answer.

    `failed` counts requests that failed, by the kind of failure; `generator` is the processor time
    that the generator took, in seconds.
    """

    requests: int
    seconds: float
    p50: float
    p99: float
    answer_bytes: float
    failed: dict[str, int]
    generator: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def generator_name() -> str:
    """Say what makes the load."""
    return "wrk" if shutil.which("wrk") else "a generator of our own, since wrk is not installed"


async def run(
    url: str, requests: Path, *, seconds: int, core: int, connections: int = CONNECTIONS
) -> Outcome:
    """Put so many connections under load for so many seconds, from a core.

    Raises:
        LoadError: there is nothing to tell.

    """
    before = _children()
    report = json.loads(await _output(_command(url, requests, connections, seconds), core, seconds))
    used = _children() - before
    failed = {kind: count for kind, count in report["failed"].items() if count}
    if not report["requests"]:
        raise LoadError(f"{url} answered nothing: {failed}")
    return Outcome(
        requests=report["requests"],
        seconds=report["duration"] / 1e6,
        p50=report["p50"] / 1e6,
        p99=report["p99"] / 1e6,
        answer_bytes=report["bytes"] / report["requests"],
        failed=failed,
        generator=used,
    )


def _command(url: str, requests: Path, connections: int, seconds: int) -> Sequence[str]:
    wrk = shutil.which("wrk")
    if wrk is None:
        program = (sys.executable, "-m", "bench.compare.generator")
        return (*program, url, str(requests), str(connections), str(seconds))
    options = ("-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "20s")
    return (wrk, *options, "-s", str(_HERE / "load.lua"), url, "--", str(requests))


async def _output(command: Sequence[str], core: int, seconds: int) -> bytes:
    """Run a generator and return the last line that it printed."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_HERE.parent.parent)}
    with pinned(core):
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=asyncio.subprocess.PIPE
        )
    try:
        async with asyncio.timeout(seconds + _GRACE):
            output, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise LoadError(f"{command[0]} ended with {process.returncode}")
    return output.splitlines()[-1]


def _children() -> float:
    """Return the processor time of all processes of ours that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
