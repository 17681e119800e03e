"""What stands out among a customer's badges."""

from typing import Any

import pytest

from app.domain.badges import Badge
from app.domain.summary import last_earned, next_to_expire

NOW = "2026-11-23T12:00:00.000Z"


def badge(identifier: str, **known: Any) -> Badge:
    """Make a badge of which little is known."""
    fields = dict.fromkeys(Badge.__struct_fields__[:-2]) | {"earned": True, "images": {}}
    return Badge(**fields | {"id": identifier, "status": "live"} | known)


@pytest.mark.parametrize(
    ("times", "last"),
    [
        ([], None),
        ([None, None], None),
        ([None, "2026-01-01T00:00:00.000Z", None], 1),
        (["2026-01-02T00:00:00.000Z", "2026-01-10T00:00:00.000Z", None], 1),
    ],
)
def test_the_badge_that_was_earned_last(times: list[str | None], last: int | None) -> None:
    """In whichever order they come; those that were never earned don't count."""
    badges = [badge(str(place), last_earned_at=time) for place, time in enumerate(times)]

    found = last_earned(badges)

    assert (None if found is None else found.id) == (None if last is None else str(last))


def test_the_badge_to_expire_next() -> None:
    """The earliest ahead, of those that are earned and live; one that never expires is none."""
    badges = [
        badge("never", expires_at=None),
        badge("over", expires_at=NOW),
        badge("later", expires_at="2027-01-01T00:00:00.000Z"),
        badge("next", expires_at="2026-11-23T12:00:00.001Z"),
        badge("not live", expires_at="2026-11-23T12:00:00.001Z", status="upcoming"),
        badge("not earned", expires_at="2026-11-23T12:00:00.001Z", earned=False),
    ]

    found = next_to_expire(badges, now=NOW)

    assert found is not None
    assert found.id == "next"
    assert next_to_expire(badges[:2], now=NOW) is None
