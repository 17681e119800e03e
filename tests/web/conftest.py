"""Fixtures for the tests of the connections that answer without a task."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from express_lines import Serve, nothing_going_wrong_unseen


@pytest.fixture
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """Start listeners with handlers of the test's own."""
    async with AsyncExitStack() as stack:
        yield Serve(stack, monkeypatch)


@pytest.fixture
async def _watched() -> AsyncIterator[None]:
    """No task is left behind, and no callback or task fails where nobody looks."""
    async with nothing_going_wrong_unseen():
        yield
