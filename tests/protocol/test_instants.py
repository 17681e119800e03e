"""Instants: Unix times of the gateway, RFC 3339 texts of callers and of our answers."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol import instants

YEAR_5000 = 95_617_584_000
LAST = 253_402_300_799_999
FIRST = -62_135_596_800_000
IN_RANGE = st.integers(FIRST, LAST)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1698556674.481, "2023-10-29T05:17:54.481Z"),
        (1698557400.0, "2023-10-29T05:30:00.000Z"),
        (1818857606, "2027-08-21T14:13:26.000Z"),
        (1718857868.451499, "2024-06-20T04:31:08.451Z"),
        (1718857868.451600001, "2024-06-20T04:31:08.452Z"),
        (1718857868.9996, "2024-06-20T04:31:09.000Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (0.0004, "1970-01-01T00:00:00.000Z"),
        (0.0005, "1970-01-01T00:00:00.001Z"),
        (YEAR_5000, "5000-01-01T00:00:00.000Z"),
        (1765178896000, "2025-12-08T07:28:16.000Z"),
        (1765178896000.6, "2025-12-08T07:28:16.001Z"),
        (YEAR_5000 + 1, "1973-01-11T16:26:24.001Z"),
        (LAST, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_unix_times_are_read_to_the_nearest_millisecond(value: float, text: str) -> None:
    """Seconds, with or without a fraction; past the year 5000 it is milliseconds."""
    instant = instants.from_unix(value)
    assert instant is not None
    assert instants.to_text(instant) == text


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        "1698557400",
        [],
        {},
        -1,
        -0.001,
        math.nan,
        math.inf,
        -math.inf,
        1e300,
        10**400,
        -(10**400),
        LAST + 1,
        LAST + 0.75,
    ],
)
def test_what_is_no_time_is_none(value: Any) -> None:
    """Negative, not finite, not a number, past the year 9999: nothing to show to anybody."""
    assert instants.from_unix(value) is None


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.floats(), st.integers()))
def test_any_number_is_a_time_that_can_be_written_or_none(value: float) -> None:
    """No number that the gateway may send breaks the answer."""
    instant = instants.from_unix(value)
    assert instant is None or len(instants.to_text(instant)) == 24


@settings(max_examples=100, deadline=None)
@given(st.integers(0, YEAR_5000 * 1000))
def test_seconds_with_milliseconds_are_exact(milliseconds: int) -> None:
    """A float of seconds loses no millisecond on its way."""
    assert instants.from_unix(milliseconds / 1000) == milliseconds


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T00:00:00.5Z", 500),
        ("1970-01-01T00:00:00.0019999999999999Z", 1),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("1970-01-01T05:30:00+05:30", 0),
        ("1970-01-01T05:30:00 05:30", 0),
        ("1969-12-31T19:00:00-05:00", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T23:59:00+23:59", 0),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("1990-12-31T23:59:60Z", 662_688_000_000),
        ("1990-12-31T15:59:60.25-08:00", 662_688_000_250),
        ("0001-01-01T00:00:00Z", FIRST),
        ("9999-12-31T23:59:59.999Z", LAST),
    ],
)
def test_rfc_3339_is_read(text: str, instant: int) -> None:
    """RFC 3339 section 5.6: truncated to milliseconds, a space for the plus of an offset."""
    assert instants.from_text(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-23",
        "2026-11-23T07:00:00",
        "2026-11-23T07:00Z",
        "2026-11-23 07:00:00Z",
        "2026-11-23T07:00:00.Z",
        "2026-11-23T07:00:00,5Z",
        "2026-11-23T07:00:00+0530",
        "2026-11-23T07:00:00+05",
        "2026-11-23T07:00:00+24:00",
        "2026-11-23T07:00:00+05:60",
        "2026-11-23T07:00:00\u221205:00",
        "2026-11-23T07:00:00ZZ",
        "2026-11-23T07:00:00Z\n",
        " 2026-11-23T07:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T07:60:00Z",
        "2026-11-23T07:00:60Z",
        "2026-11-23T23:59:60+01:00",
        "2026-11-23T07:00:61Z",
        "0000-01-01T00:00:00Z",
        "20261123T070000Z",
        "2026-W48-1T07:00:00Z",
        "\u0662026-11-23T07:00:00Z",
        "1795000000",
        "\ud800",
    ],
)
def test_what_is_not_rfc_3339_is_none(text: str) -> None:
    """Nothing is guessed: a date, a local time, another spelling of ISO 8601 are all refused."""
    assert instants.from_text(text) is None


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:00-00:01", "9999-12-31T23:59:60Z"],
)
def test_what_leaves_the_calendar_says_so(text: str) -> None:
    """A date-time in form, but before the year 1 or after 9999 in UTC."""
    with pytest.raises(OverflowError):
        instants.from_text(text)


@settings(max_examples=100, deadline=None)
@given(IN_RANGE)
def test_what_is_written_is_read_back(instant: int) -> None:
    """Texts and instants are one and the same, before 1970 too."""
    assert instants.from_text(instants.to_text(instant)) == instant


@settings(max_examples=100, deadline=None)
@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_an_offset_is_only_a_spelling(moment: datetime, minutes: int) -> None:
    """The same instant has the same value in whatever zone it is written."""
    there = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    expected = instants.from_text(moment.isoformat() + "Z")
    assert expected is not None
    assert instants.from_text(there.isoformat()) == expected
