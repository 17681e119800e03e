"""Where a request's time goes: the service under load, sampled by py-spy where it is installed.

A sample counts for the innermost function of the service that was at work, with all that it had
called of libraries; what the service had no part in, counts for the library's innermost function.
"""

import asyncio
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bench.compare import load
from bench.compare.fill import World
from bench.compare.measure import Results, Subject, median
from bench.compare.processes import pinned

_SAMPLES_A_SECOND = 400
_ROWS = 40
_LEAVES = 3
_GRACE = 30


class ProfileError(Exception):
    """There is no profile; the text says why."""


async def profile(results: Results, *, seconds: int, place: World) -> str:
    """Return a table, in µs a request; what was measured before tells the whole.

    Raises:
        ProfileError: py-spy is not installed, or could not do it.

    """
    (subject, measured), *_ = results.items()
    output = place.folder / "samples"
    async with asyncio.TaskGroup() as together:
        together.create_task(_under_load(subject, seconds + 2, place))
        together.create_task(_sample(subject.process, seconds, output, place))
    return table(output.read_text().splitlines(), median(measured, lambda one: one.cost) * 1e6)


async def _under_load(subject: Subject, seconds: int, place: World) -> None:
    url = f"{subject.url}/me/badges"
    await load.run(url, subject.requests, seconds=seconds, core=place.cores.others)


async def _sample(process: int, seconds: int, output: Path, place: World) -> None:
    """Write stacks with their counts into a file."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    program = shutil.which("py-spy", path=path)
    if program is None:
        raise ProfileError("py-spy is not installed")
    # A process that is stopped for each sample stops at system calls: they seem dear then.
    how = ("--nonblocking", "--function", "--format", "raw")
    options = (*how, "--duration", str(seconds), "--rate", str(_SAMPLES_A_SECOND))
    command = (program, "record", *options, "-p", str(process), "-o", str(output))
    with pinned(place.cores.others):
        spy = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(seconds + _GRACE):
            await spy.wait()
    except BaseException:
        spy.kill()
        await spy.wait()
        raise
    if spy.returncode:
        raise ProfileError(f"py-spy ended with {spy.returncode}")


def table(stacks: Iterable[str], cost: float) -> str:
    """Return tables of where `cost` µs go; a stack is `outer (file:1);inner (file:2) count`."""
    modules: Counter[str] = Counter()
    stages: dict[str, Counter[str]] = {}
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        stage = stage_of(frames)
        modules[stage.partition(" (")[2].partition(":")[0].rstrip(")")] += int(count)
        stages.setdefault(stage, Counter())[frames[-1]] += int(count)
    share = cost / modules.total()
    lines = [f"{cost:.1f} µs a request, {modules.total()} samples"]
    lines += ["", "| µs | module |", "|---:|---|"]
    lines += [f"| {count * share:.1f} | {module} |" for module, count in modules.most_common()]
    lines += ["", "| µs | stage | of that |", "|---:|---|---|"]
    ranked = sorted(stages.items(), key=lambda item: -item[1].total())
    lines += [_row(stage, leaves, share) for stage, leaves in ranked[:_ROWS]]
    rest = sum(leaves.total() for _, leaves in ranked[_ROWS:])
    return "\n".join([*lines, f"| {rest * share:.1f} | {len(ranked[_ROWS:])} others | |"])


def stage_of(frames: list[str]) -> str:
    """Return what a stack counts for."""
    ours = [frame for frame in frames if "(app/" in frame]
    return ours[-1] if ours else frames[-1]


def _row(stage: str, leaves: Counter[str], share: float) -> str:
    within = (
        f"{leaf.partition(' (')[0]} {count * share:.1f}"
        for leaf, count in leaves.most_common(_LEAVES)
    )
    return f"| {leaves.total() * share:.1f} | {stage} | {', '.join(within)} |"
