"""Instants on the wire: the gateway's Unix times and the public RFC 3339 texts.

Inside, an instant is an integer: milliseconds since 1970 in UTC.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

# Gateway samples hold seconds, and in newer bodies milliseconds: a value that would be past the
# year 5000 in seconds is milliseconds.
_YEAR_5000 = 95_617_584_000
_YEAR_10000_MS = 253_402_300_800_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

# RFC 3339 section 5.6. Form decoding turns the plus of an offset into a space.
_DATE_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt](?P<minute>(?:[01]\d|2[0-3]):[0-5]\d):(?P<second>[0-5]\d|60)"
    r"(?:\.(?P<fraction>\d+))?"
    r"(?:[Zz]|(?P<sign>[+\- ])(?P<hours>[01]\d|2[0-3]):(?P<minutes>[0-5]\d))",
    re.ASCII,
)


def from_unix(value: Any) -> int | None:
    """Read a gateway time: Unix seconds or milliseconds, integer or float, to the millisecond.

    Anything else, negative or not finite, or past the year 9999, is None.
    """
    if type(value) not in (int, float) or not 0 <= value < _YEAR_10000_MS:
        return None
    instant = math.floor(value + 0.5 if value > _YEAR_5000 else value * 1000 + 0.5)
    return instant if instant < _YEAR_10000_MS else None


@lru_cache(maxsize=4096)
def unix_to_text(value: float | None) -> str | None:
    """Write a gateway time as `to_text` does; None if it is none.

    The same badges, and so the same times, come for all customers.
    """
    instant = from_unix(value)
    return None if instant is None else to_text(instant)


def to_text(instant: int) -> str:
    """Write an instant as RFC 3339 UTC with milliseconds: `2023-10-29T05:30:00.000Z`."""
    second, millisecond = divmod(instant, 1000)
    return f"{_to_second(second)}.{millisecond:03d}Z"


@lru_cache(maxsize=4096)
def _to_second(seconds: int) -> str:
    """Write a date-time without its fraction.

    Most of what is served was fetched within the last few minutes.
    """
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]


def from_text(text: str) -> int | None:
    """Read an RFC 3339 date-time with offset, truncated to milliseconds; None if it is not one.

    Raises:
        OverflowError: a valid date-time that lies outside the years 1 to 9999 in UTC.

    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    try:
        local = datetime.fromisoformat(f"{match['date']}T{match['minute']}:00+00:00")
    except ValueError:
        return None
    offset = timedelta(hours=int(match["hours"] or 0), minutes=int(match["minutes"] or 0))
    minute = local + offset if match["sign"] == "-" else local - offset
    # A leap second (section 5.7) ends a day in UTC; here it is the first of the next.
    if match["second"] == "60" and (minute.hour, minute.minute) != (23, 59):
        return None
    moment = minute + timedelta(seconds=int(match["second"]))
    milliseconds = int((match["fraction"] or "0")[:3].ljust(3, "0"))
    return (moment - _EPOCH) // _MILLISECOND + milliseconds
