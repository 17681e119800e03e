"""W3C Trace Context: which trace ids are believed."""

import pytest

from app.protocol.trace_context import trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "value",
    [
        f"00-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-00",
        f"cc-{TRACE}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be",
    ],
)
def test_a_valid_header_names_the_trace(value: str) -> None:
    """Also one of a later version, as far as it begins like this one."""
    assert trace_id([value]) == TRACE


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        [f"00-{TRACE}-{PARENT}-01"] * 2,
        [f"00-{TRACE}-{PARENT}-01-more"],
        [f"ff-{TRACE}-{PARENT}-01"],
        [f"00-{'0' * 32}-{PARENT}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"00-{TRACE.upper()}-{PARENT}-01"],
        [f"00-{TRACE[1:]}-{PARENT}-01"],
        [f"00-{TRACE}-{PARENT}-01\n"],
        [f"cc-{TRACE}-{PARENT}-01.more"],
    ],
)
def test_anything_else_names_none(values: list[str]) -> None:
    """Two headers, zeros, the wrong length, upper case, the version that never will be."""
    assert trace_id(values) is None
