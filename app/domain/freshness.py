"""How old an answer may be: pure decisions on ages, in seconds."""

from dataclasses import dataclass
from enum import StrEnum

CLOCK_SKEW = 5.0


class Freshness(StrEnum):
    """What an entry of a given age is good for."""

    FRESH = "fresh"
    STALE = "stale"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshnessPolicy:
    """The lifetimes of entries, in seconds since the fetch from the gateway *began*.

    An entry is served as it is for `fresh_for`, then for `stale_for` only if a fetch fails. That a
    customer is unknown to the gateway is remembered for `missing_for` and never served stale.
    """

    fresh_for: float
    stale_for: float
    missing_for: float

    def fresh_life(self, *, missing: bool) -> float:
        """For how long an entry is fresh."""
        return self.missing_for if missing else self.fresh_for

    def whole_life(self, *, missing: bool) -> float:
        """For how long an entry is worth keeping."""
        return self.missing_for if missing else self.fresh_for + self.stale_for

    def judge(self, age: float, *, missing: bool) -> Freshness:
        """Say what an entry of this age is good for.

        A replica whose clock runs ahead may have written an entry a little in the future: up to
        `CLOCK_SKEW` that counts as age 0; beyond, the entry is not believed.
        """
        if age < -CLOCK_SKEW:
            return Freshness.UNUSABLE
        if age < self.fresh_life(missing=missing):
            return Freshness.FRESH
        if age < self.whole_life(missing=missing):
            return Freshness.STALE
        return Freshness.UNUSABLE
