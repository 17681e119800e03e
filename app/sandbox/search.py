"""What a badges call asks for, and which badges that finds, in which order, on which page."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.sandbox.candidates import Candidate, seconds_of
from app.sandbox.catalogue import RawBadge


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """A moment in Unix seconds, and on which side of it a badge has to lie; exclusive."""

    moment: float
    after: bool

    def holds(self, value: object) -> bool:
        """Whether the time, as the gateway writes it, lies on the right side."""
        seconds = seconds_of(value)
        if seconds is None:
            return False
        return seconds > self.moment if self.after else seconds < self.moment


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """A badges call's parameters, understood; `page` is 0-based."""

    view: str
    status: str | None
    action: str | None
    name: str | None
    group: str | None
    owner: str | None
    claimed_by: str | None
    starts: Bound | None
    expires: Bound | None
    sort_on: str
    descending: bool
    page: int
    size: int

    def wants(self, candidate: Candidate) -> bool:
        """Whether every filter lets the badge pass."""
        raw = candidate.raw
        return (
            candidate.belongs_to(self.view)
            and self.status in {None, raw.get("badgeStatus")}
            and self.action in {None, "ACTIVATED" if raw.get("active") else "DEACTIVATED"}
            and (self.name or "").casefold() in str(raw.get("name")).casefold()
            and self.group in {None, raw.get("badgeGroupId")}
            and (self.owner is None or self.owner in _owners(raw))
            and (self.claimed_by is None or self.claimed_by in _claimants(raw))
            and (self.starts is None or self.starts.holds(raw.get("startsOn")))
            and (self.expires is None or self.expires.holds(raw.get("expiresOn")))
        )

    def answer(self, candidates: Iterable[Candidate]) -> dict[str, Any]:
        """Return the `data` of the gateway's answer: one sorted page and the pagination."""
        found = self._sorted(candidate for candidate in candidates if self.wants(candidate))
        page = found[self.page * self.size :][: self.size]
        return {
            "customerBadges": [candidate.raw for candidate in page],
            "pagination": {
                "page": self.page,
                "size": len(page),
                "total": len(found),
                "totalPages": math.ceil(len(found) / self.size),
            },
        }

    def _sorted(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Sort by the asked time, badges without one last in either order, equal ones by id."""
        time_of = SORTS[self.sort_on]
        direction = -1 if self.descending else 1

        def rank(candidate: Candidate) -> tuple[bool, float, str]:
            seconds = seconds_of(time_of(candidate))
            return (
                seconds is None,
                direction * (seconds or 0),
                str(candidate.raw.get("badgeMetaId")),
            )

        return sorted(candidates, key=rank)


def _last_expired(candidate: Candidate) -> object:
    return candidate.raw.get("expiresOn") if candidate.raw.get("badgeStatus") == "EXPIRED" else None


SORTS: Mapping[str, Callable[[Candidate], object]] = {
    "EXPIRES_ON": lambda candidate: candidate.raw.get("expiresOn"),
    "LAST_MODIFIED_DATE": lambda candidate: candidate.raw.get("lastUpdatedOn"),
    "LAST_ISSUED_DATE": lambda candidate: candidate.issued_on,
    "LAST_EXPIRED_BADGE": _last_expired,
    "LAST_EARNED_ON_DATE": lambda candidate: candidate.raw.get("lastEarnedOn"),
    "LAST_EARNED_EVENT_DATE": lambda candidate: candidate.raw.get("lastEarnEventDate"),
}
"""Where each value of `sortOn` finds its time."""


def _owners(raw: RawBadge) -> list[str]:
    owners: list[str] = (raw.get("ownership") or {}).get("restrictedToOwners") or []
    return owners


def _claimants(raw: RawBadge) -> set[str]:
    claims: list[dict[str, str]] = (raw.get("ownership") or {}).get("claims") or []
    return {claim["ownerType"] for claim in claims}
