"""The measurement: round by round, every server once in each, in an order that rotates."""

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.compare import load
from bench.compare.load import Outcome
from bench.compare.processes import processor_time, resident_bytes

# Before each measurement: all tokens are known again, all connections made, all code is warm.
_WARM_UP = 1
_FIRST_WARM_UP = 4


@dataclass(frozen=True, slots=True)
class Subject:
    """One kind of requests to one server."""

    name: str
    label: str
    url: str
    process: int
    requests: Path
    log: Path

    @property
    def reads(self) -> bool:
        """Whether each answer is read from Valkey."""
        return self.name != "bare"


@dataclass(frozen=True, slots=True)
class Valkey:
    """The Valkey that all read from."""

    client: Any
    process: int

    def found(self) -> int:
        """Return how many values it has handed out so far."""
        return int(self.client.info("stats")["keyspace_hits"])


@dataclass(frozen=True, slots=True)
class Measurement:
    """One round of one subject: the outcome, and processor time by the second.

    `resident` is the server's memory after it, in bytes; `found` is how many values Valkey handed
    out meanwhile.
    """

    outcome: Outcome
    server: float
    valkey: float
    resident: int
    found: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.outcome.rate

    @property
    def cost(self) -> float:
        """Processor time of the server a request, in seconds."""
        return self.server / self.outcome.requests

    @property
    def server_busy(self) -> float:
        """How busy the server was, 0 to 1."""
        return self.server / self.outcome.seconds

    @property
    def others_busy(self) -> float:
        """How busy the other core was with the load and with Valkey, 0 to 1."""
        return (self.valkey + self.outcome.generator) / self.outcome.seconds


Results = dict[Subject, list[Measurement]]


def median(measured: Sequence[Measurement], read: Callable[[Measurement], float]) -> float:
    """Return the median over the rounds."""
    return statistics.median(map(read, measured))


async def measure(
    subjects: Sequence[Subject], *, rounds: int, seconds: int, core: int, valkey: Valkey
) -> Results:
    """Measure all subjects in all rounds; `core` is the load's.

    Raises:
        LoadError: nothing was answered.

    """
    results: Results = {subject: [] for subject in subjects}
    for subject in subjects:
        await _load(subject, _FIRST_WARM_UP, core)
    for number in range(rounds):
        shift = number % len(subjects)
        for subject in [*subjects[shift:], *subjects[:shift]]:
            results[subject].append(await _measure_one(subject, seconds, core, valkey))
    return results


async def _measure_one(subject: Subject, seconds: int, core: int, valkey: Valkey) -> Measurement:
    await _load(subject, _WARM_UP, core)
    found, valkey_used = valkey.found(), processor_time(valkey.process)
    used = processor_time(subject.process)
    outcome = await _load(subject, seconds, core)
    return Measurement(
        outcome=outcome,
        server=processor_time(subject.process) - used,
        valkey=processor_time(valkey.process) - valkey_used,
        resident=resident_bytes(subject.process),
        found=valkey.found() - found,
    )


async def _load(subject: Subject, seconds: int, core: int) -> Outcome:
    """Put a subject under load, with an empty log: logs of a whole run would fill the disk."""
    if subject.log.exists():
        os.truncate(subject.log, 0)
    return await load.run(f"{subject.url}/me/badges", subject.requests, seconds=seconds, core=core)
