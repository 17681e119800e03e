"""The garbage collector of a service: it holds requests up as rarely as can be."""

import subprocess
import sys

_SETTLED = """
import gc
from app.bootstrap.garbage import settle

settle()
frozen, full = gc.get_freeze_count(), gc.get_stats()[2]["collections"]
kept = [[] for _ in range(500_000)]
print(frozen > 10_000, gc.get_stats()[2]["collections"] - full, gc.isenabled())
"""


def test_many_requests_at_once_start_no_full_collection() -> None:
    """What was made at the start is left alone; objects in use, however many, cost no long look."""
    # A process of its own: what is frozen stays so.
    told = subprocess.run(
        [sys.executable, "-c", _SETTLED], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.split() == ["True", "0", "True"]
