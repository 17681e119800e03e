"""How old an answer may be: pure decisions on times, in seconds."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

CLOCK_SKEW = 5.0
PULL_TO_REFRESH_AGE = 5.0
_JITTER = 0.1


class Freshness(StrEnum):
    """What an entry is good for.

    FRESH: served. REVALIDATE: served, and refreshed behind. STALE: fetched anew, and served only if
    that fails or takes too long. UNUSABLE: as if there were none.
    """

    FRESH = "fresh"
    REVALIDATE = "revalidate"
    STALE = "stale"
    UNUSABLE = "unusable"


class Dated(Protocol):
    """What an entry says of its own time.

    `fetched_at`: when its fetch from the gateway began; `turns_at`: when the first of its badges
    starts or expires after that, None if none does; `missing`: it remembers an unknown customer.
    """

    @property
    def fetched_at(self) -> float: ...  # noqa: D102 - see above

    @property
    def turns_at(self) -> float | None: ...  # noqa: D102

    @property
    def missing(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshnessPolicy:
    """The lifetimes of entries, in seconds since the fetch from the gateway *began*.

    That a customer is unknown to the gateway is remembered for `missing_for` and never served
    stale.
    """

    fresh_for: float
    revalidate_for: float
    stale_for: float
    missing_for: float

    def fresh_until(self, entry: Dated) -> float:
        """Until when an entry is fresh.

        Entries that were filled together must not run out together: up to a tenth of the time is
        taken off, by a fraction that the moment of the fetch decides and all replicas agree on.
        """
        if entry.missing:
            return entry.fetched_at + self.missing_for
        fraction = entry.fetched_at * 1000 % 1
        until = entry.fetched_at + self.fresh_for * (1 - _JITTER * fraction)
        return until if entry.turns_at is None else min(until, entry.turns_at)

    def whole_life(self, *, missing: bool) -> float:
        """For how long an entry is worth keeping."""
        return self.missing_for if missing else self.fresh_for + self.stale_for

    def judge(self, entry: Dated, *, now: float, invalidated: bool) -> Freshness:
        """Say what an entry is good for now.

        A replica whose clock runs ahead may have written an entry a little in the future: up to
        `CLOCK_SKEW` that counts as age 0; beyond, the entry is not believed.
        """
        age = now - entry.fetched_at
        if age < -CLOCK_SKEW or age >= self.whole_life(missing=entry.missing):
            return Freshness.UNUSABLE
        if invalidated:
            return Freshness.UNUSABLE if entry.missing else Freshness.STALE
        late = now - self.fresh_until(entry)
        if late < 0:
            return Freshness.FRESH
        return Freshness.REVALIDATE if late < self.revalidate_for else Freshness.STALE
