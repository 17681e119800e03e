"""Programs of others that some tests need: skipped without them, or failed where all is required.

`.ci/run` installs them and sets `TESTS_REQUIRE_ALL=1`.
"""

import os
import shutil
from typing import NoReturn

import pytest

_REQUIRE_ALL = "TESTS_REQUIRE_ALL"


def program(name: str) -> str:
    """Find a program."""
    # Servers stand in folders that only root's PATH has.
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is None:
        go_without(f"{name} is not installed")
    return path


def go_without(reason: str) -> NoReturn:
    """End a test that lacks what it needs."""
    if os.environ.get(_REQUIRE_ALL) == "1":
        pytest.fail(f"{reason}, and {_REQUIRE_ALL} is 1")
    pytest.skip(reason)
