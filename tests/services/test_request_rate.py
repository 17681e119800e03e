"""The request rate: a customer's bucket, with time as the tests let it pass."""

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.identity import Customer, Identifier
from app.services.request_rate import WINDOW, Allowance, RequestRate

ADA = Customer(Identifier.EXTERNAL_ID, "ada")
BOB = Customer(Identifier.EXTERNAL_ID, "bob")

TICKS = 64
"""Ticks of the tests' clock in a second: a power of two, so that all its times are exact."""

quotas = st.integers(1, 20)
waits = st.lists(
    st.one_of(st.just(0), st.integers(0, 2 * TICKS), st.integers(0, 150 * TICKS)), max_size=60
)
jumps = st.lists(st.one_of(st.just(0), st.integers(-99_999, 99_999)), max_size=60)


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.ticks = 1_800_000_000 * TICKS

    def __call__(self) -> float:
        """Tell the time in seconds."""
        return self.ticks / TICKS


class Bucket:
    """What is expected: a bucket of tokens, in exact numbers."""

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self.level = Fraction(quota)

    def wait(self, ticks: int) -> None:
        """Let time fill it."""
        self.level = min(self.level + Fraction(ticks * self.quota, WINDOW * TICKS), self.quota)

    def take(self) -> Allowance:
        """Take a token if there is a whole one."""
        wait = 0 if self.level >= 1 else self._seconds(1 - self.level)
        self.level -= not wait
        return Allowance(floor(self.level), self._seconds(self.quota - self.level), wait)

    def _seconds(self, tokens: Fraction) -> int:
        return ceil(tokens * WINDOW / self.quota)


@given(quota=quotas, waits=waits)
def test_it_is_a_bucket_of_tokens(quota: int, waits: list[int]) -> None:
    """What is admitted, what is left, when it is whole, when to come again: as with tokens."""
    time, bucket = Time(), Bucket(quota)
    rate = RequestRate(quota=quota, clock=time)

    for ticks in waits:
        time.ticks += ticks
        bucket.wait(ticks)
        assert rate.take(ADA) == bucket.take()


@given(quota=quotas, waits=waits)
def test_never_more_than_the_quota_and_what_time_restores(quota: int, waits: list[int]) -> None:
    """In any stretch of time no more is admitted than `quota` and `quota` / 60 a second of it."""
    time, admitted = Time(), []
    rate = RequestRate(quota=quota, clock=time)

    for ticks in waits:
        time.ticks += ticks
        if not rate.take(ADA).wait:
            admitted.append(time.ticks)

    for first, begun in enumerate(admitted):
        for last, ended in enumerate(admitted[first:]):
            assert last + 1 <= quota + Fraction((ended - begun) * quota, WINDOW * TICKS)


@given(quota=quotas, jumps=jumps)
def test_a_clock_that_goes_back_does_no_harm(quota: int, jumps: list[int]) -> None:
    """Backward steps neither restore anything nor lock anybody out: `wait` stays the truth."""
    time, forward, admitted = Time(), 0, 0
    rate = RequestRate(quota=quota, clock=time)

    for ticks in jumps:
        time.ticks += ticks
        forward += max(ticks, 0)
        admitted += not rate.take(ADA).wait
        assert admitted <= quota + Fraction(forward * quota, WINDOW * TICKS)

    while not (wait := rate.take(ADA).wait):
        pass
    assert wait <= WINDOW
    time.ticks += wait * TICKS
    assert rate.take(ADA).wait == 0


def test_the_figures_of_the_default_quota() -> None:
    """120 at once, then one each half second."""
    time = Time()
    rate = RequestRate(quota=120, clock=time)

    assert rate.take(ADA) == (119, 1, 0)
    assert [rate.take(ADA).remaining for _ in range(119)] == list(range(118, -1, -1))
    assert rate.take(ADA) == (0, 60, 1)
    time.ticks += TICKS // 2
    assert rate.take(ADA) == (0, 60, 0)
    time.ticks += 30 * TICKS
    assert rate.take(ADA) == (59, 31, 0)


def test_each_customer_has_a_quota_of_his_own() -> None:
    """One who has used it up leaves the others theirs; equal identifiers are one customer."""
    rate = RequestRate(quota=1, clock=Time())
    rate.take(ADA)

    assert rate.take(BOB).wait == 0
    assert rate.take(Customer(Identifier.EMAIL, "ada")).wait == 0
    assert rate.take(Customer(Identifier.EXTERNAL_ID, "ada")).wait == 60


def test_a_whole_quota_takes_no_memory() -> None:
    """Who has not asked for two windows is forgotten as soon as anybody asks."""
    time = Time()
    rate = RequestRate(quota=5, clock=time)
    for number in range(1000):
        rate.take(Customer(Identifier.EXTERNAL_ID, str(number)))
    assert len(rate) == 1000

    for _ in range(2):
        time.ticks += WINDOW * TICKS
        rate.take(ADA)

    assert len(rate) <= 2


@pytest.mark.parametrize("idle", [1, 20, 40, 59])
@pytest.mark.parametrize("begun", [0, 59, 60, 90, 119, 120, 500])
def test_nobody_is_forgotten_before_his_quota_is_whole(begun: int, idle: int) -> None:
    """However often others ask meanwhile, and whenever it was used up: time alone restores it."""
    time = Time()
    rate = RequestRate(quota=60, clock=time)

    def others_ask(seconds: int) -> None:
        for _ in range(seconds):
            time.ticks += TICKS
            rate.take(BOB)

    others_ask(begun)
    assert [rate.take(ADA).wait for _ in range(60)] == [0] * 60
    others_ask(idle)

    assert rate.take(ADA).remaining == idle - 1


def test_memory_has_a_bound() -> None:
    """However many customers ask at the same time, only so many are kept."""
    rate = RequestRate(quota=5, clock=Time(), max_customers=10)

    for number in range(1000):
        rate.take(Customer(Identifier.EXTERNAL_ID, str(number)))
        assert len(rate) <= 20


def test_who_goes_on_asking_is_not_forgotten() -> None:
    """A crowd of others does not give a customer over his limit a new quota."""
    rate = RequestRate(quota=1, clock=Time(), max_customers=10)
    rate.take(ADA)

    for number in range(1000):
        rate.take(Customer(Identifier.EXTERNAL_ID, str(number)))
        assert rate.take(ADA).wait == 60
