"""A badge as one customer sees it at one moment."""

from dataclasses import dataclass

from app.sandbox.catalogue import RawBadge
from app.sandbox.customers import Customer

_STATUSES = frozenset({"UPCOMING", "LIVE", "EXPIRED"})
_YEAR_5000 = 95_617_584_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A badge as one customer sees it, with what the gateway knows beyond its answer.

    `issued_on` is when the customer was enrolled, in Unix seconds.
    """

    raw: RawBadge
    issued_on: float | None

    @property
    def earned(self) -> bool:
        """Whether the customer has earned the badge at least once."""
        return bool(self.raw.get("earnCount")) or self.raw.get("lastEarnedOn") is not None

    def belongs_to(self, view: str) -> bool:
        """Whether the badge is in the view (the `badgeType` parameter)."""
        run_out = self.raw.get("badgeStatus") == "EXPIRED"
        if view in {"EARNED", "EXPIRED"}:
            return self.earned and run_out == (view == "EXPIRED")
        issuable = self.raw.get("badgeType") == "ISSUE_EARN" and self.issued_on is None
        return not run_out and issuable == (view == "AVAILABLE_TO_ISSUE")


def as_seen_by(customer: Customer, badge: RawBadge, now: float) -> Candidate:
    """Return the badge with what the customer has made of it, at `now` in Unix seconds."""
    identifier = str(badge.get("badgeMetaId"))
    raw = badge | {"badgeStatus": status_at(badge, now)}
    issued_on = customer.enrolments.get(identifier)
    if issued_on is not None:
        raw["issueStatus"] = "ISSUED"
    earning = customer.earnings.get(identifier)
    if earning is not None:
        raw["earnCount"] = earning.count
        raw["lastEarnedOn"] = raw["lastEarnEventDate"] = earning.last_earned_on
    return Candidate(raw=raw, issued_on=issued_on)


def status_at(badge: RawBadge, now: float) -> object:
    """Return the badge's status at this time, or what it says where that is nothing known."""
    starts, expires = seconds_of(badge.get("startsOn")), seconds_of(badge.get("expiresOn"))
    if badge.get("badgeStatus") not in _STATUSES or starts is None or expires is None:
        return badge.get("badgeStatus")
    if now < starts:
        return "UPCOMING"
    return "LIVE" if now < expires else "EXPIRED"


def seconds_of(value: object) -> float | None:
    """Return a time of the gateway in Unix seconds, or None where it is not a time.

    What would lie past the year 5000 is milliseconds (the gateway's newer samples).
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value / 1000 if value > _YEAR_5000 else value
