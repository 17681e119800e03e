"""Which trace a request belongs to: W3C Trace Context, section 3.2."""

import re
from collections.abc import Sequence

_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})"
    r"-[0-9a-f]{2}(?P<more>-.*)?"
)


def trace_id(values: Sequence[str]) -> str | None:
    """Return the trace id of the traceparent headers of a request; None if they are not valid.

    Later versions may have further fields; version 00 has none.
    """
    match = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    if match is None or (match["version"] == "00" and match["more"] is not None):
        return None
    trace, parent = match["trace"], match["parent"]
    return trace if trace.strip("0") and parent.strip("0") else None
