"""What is wrong with a configuration, in words that never hold a configured value.

A value may be a secret, or a secret written under the wrong key, so no fault repeats one.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: the key in dotted form (`identity[0].issuer`), what is wrong, what is allowed."""

    key: str
    problem: str


class SettingsError(Exception):
    """The configuration cannot be used; `faults` holds every reason, `str()` one a line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(f"{fault.key}: {fault.problem}" for fault in self.faults))


def dotted(path: Iterable[str | int]) -> str:
    """Write the path to a key as TOML does, list positions in brackets: `identity[0].issuer`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{printable(step)}" for step in path)
    return "".join(steps).removeprefix(".")


def printable(name: str) -> str:
    """Quote a name that is not a bare TOML key, so that a fault always fits on one line."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)
