"""Freshness: what an entry is good for at every age, and how long it is kept."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.freshness import CLOCK_SKEW, Freshness, FreshnessPolicy

POLICY = FreshnessPolicy(fresh_for=60.0, stale_for=86400.0, missing_for=30.0)
JUST_BEFORE = -math.inf
FRESH, STALE, UNUSABLE = Freshness.FRESH, Freshness.STALE, Freshness.UNUSABLE


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (-5.001, UNUSABLE),
        (-5.0, FRESH),
        (-1.0, FRESH),
        (0.0, FRESH),
        (math.nextafter(60.0, JUST_BEFORE), FRESH),
        (60.0, STALE),
        (86459.9, STALE),
        (86460.0, UNUSABLE),
        (math.inf, UNUSABLE),
    ],
)
def test_an_answer_is_fresh_then_stale_then_nothing(age: float, expected: Freshness) -> None:
    """Fresh for `fresh_for`, stale for `stale_for` more; five seconds of skew count as age 0."""
    assert POLICY.judge(age, missing=False) is expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [(-5.001, UNUSABLE), (-5.0, FRESH), (29.9, FRESH), (30.0, UNUSABLE), (59.0, UNUSABLE)],
)
def test_an_unknown_customer_is_never_stale(age: float, expected: Freshness) -> None:
    """That a customer is unknown holds for `missing_for`, and then not at all."""
    assert POLICY.judge(age, missing=True) is expected


def test_an_entry_is_kept_for_as_long_as_it_may_be_served() -> None:
    """What the store keeps is what may still be served stale, and no longer."""
    assert POLICY.whole_life(missing=False) == 86460.0
    assert POLICY.whole_life(missing=True) == 30.0


def test_an_entry_is_fresh_for_its_kind_of_answer() -> None:
    """Badges and the lack of a customer have lives of their own."""
    assert POLICY.fresh_life(missing=False) == 60.0
    assert POLICY.fresh_life(missing=True) == 30.0


@settings(max_examples=60, deadline=None)
@given(
    younger=st.floats(min_value=-CLOCK_SKEW, max_value=1e6),
    wait=st.floats(min_value=0, max_value=1e6),
    missing=st.booleans(),
)
def test_an_entry_never_gets_fresher(younger: float, wait: float, *, missing: bool) -> None:
    """Time only ever takes away: fresh, then stale, then unusable."""
    order = [FRESH, STALE, UNUSABLE]
    before = POLICY.judge(younger, missing=missing)
    after = POLICY.judge(younger + wait, missing=missing)
    assert order.index(before) <= order.index(after)
