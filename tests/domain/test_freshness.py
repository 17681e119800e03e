"""Freshness: what an entry is good for at every age, and how long it is kept."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.freshness import CLOCK_SKEW, Freshness, FreshnessPolicy


@dataclass(frozen=True)
class Lifetime:
    """What an entry says of its own time."""

    fetched_at: float
    turns_at: float | None
    missing: bool


POLICY = FreshnessPolicy(fresh_for=60.0, revalidate_for=300.0, stale_for=86400.0, missing_for=30.0)
FETCHED = 1_795_000_000.0
FRESH, REVALIDATE = Freshness.FRESH, Freshness.REVALIDATE
STALE, UNUSABLE = Freshness.STALE, Freshness.UNUSABLE


def judged(
    age: float,
    *,
    missing: bool = False,
    invalidated: bool = False,
    turns_after: float | None = None,
    fetched: float = FETCHED,
) -> Freshness:
    """Judge an entry of a given age; a badge of it starts or expires at another age."""
    turns_at = None if turns_after is None else fetched + turns_after
    entry = Lifetime(fetched_at=fetched, turns_at=turns_at, missing=missing)
    return POLICY.judge(entry, now=fetched + age, invalidated=invalidated)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (-5.001, UNUSABLE),
        (-5.0, FRESH),
        (0.0, FRESH),
        (59.999, FRESH),
        (60.0, REVALIDATE),
        (359.999, REVALIDATE),
        (360.0, STALE),
        (86459.9, STALE),
        (86460.0, UNUSABLE),
        (math.inf, UNUSABLE),
    ],
)
def test_the_ages_of_an_answer(age: float, expected: Freshness) -> None:
    """Fresh, then refreshed behind, then stale, then nothing; a little future counts as age 0."""
    assert judged(age) is expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [(-5.001, UNUSABLE), (-5.0, FRESH), (29.9, FRESH), (30.0, UNUSABLE), (59.0, UNUSABLE)],
)
def test_an_unknown_customer_is_never_stale(age: float, expected: Freshness) -> None:
    """That a customer is unknown holds for `missing_for`, and then not at all."""
    assert judged(age, missing=True) is expected


@pytest.mark.parametrize("age", [0.0, 59.0, 300.0, 86459.0])
def test_an_invalidated_answer_is_for_errors_only(age: float) -> None:
    """However young, it is not served while a fetch succeeds; an unknown customer is forgotten."""
    assert judged(age, invalidated=True) is STALE
    assert judged(age, invalidated=True, missing=True) is UNUSABLE


@pytest.mark.parametrize(
    ("age", "turns_after", "expected"),
    [(9.9, 10, FRESH), (10.0, 10, REVALIDATE), (61.0, 70, REVALIDATE), (310.0, 10, STALE)],
)
def test_a_badge_that_turns_ends_freshness(
    age: float, turns_after: float, expected: Freshness
) -> None:
    """From the moment at which a badge starts or expires, the answer is no longer fresh."""
    assert judged(age, turns_after=turns_after) is expected


@settings(max_examples=60, deadline=None)
@given(fetched=st.floats(min_value=1e9, max_value=4e9))
def test_jitter_takes_off_a_tenth_at_most(fetched: float) -> None:
    """Entries filled together run out apart; none lives longer than `fresh_for`."""
    entry = Lifetime(fetched_at=fetched, turns_at=None, missing=False)
    assert 53.99 <= POLICY.fresh_until(entry) - fetched <= 60.01


def test_an_entry_is_kept_for_as_long_as_it_may_be_served() -> None:
    """What the store keeps is what may still be served stale, and no longer."""
    assert POLICY.whole_life(missing=False) == 86460.0
    assert POLICY.whole_life(missing=True) == 30.0


@settings(max_examples=60, deadline=None)
@given(
    younger=st.floats(min_value=-CLOCK_SKEW, max_value=1e6),
    wait=st.floats(min_value=0, max_value=1e6),
    turns_after=st.none() | st.floats(min_value=0, max_value=1e6),
    missing=st.booleans(),
)
def test_an_entry_never_gets_fresher(
    younger: float, wait: float, turns_after: float | None, *, missing: bool
) -> None:
    """Time only ever takes away."""
    order = [FRESH, REVALIDATE, STALE, UNUSABLE]
    before = judged(younger, missing=missing, turns_after=turns_after)
    after = judged(younger + wait, missing=missing, turns_after=turns_after)
    assert order.index(before) <= order.index(after)
