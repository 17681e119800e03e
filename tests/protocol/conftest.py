"""Fixtures of the wire forms: documented bodies of the gateway."""

from collections.abc import Callable
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture(scope="session")
def sample() -> Callable[[str], bytes]:
    """Read a body from the gateway's public documentation, by its name."""
    return lambda name: (SAMPLES / f"{name}.json").read_bytes()
