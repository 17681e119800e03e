"""What a home screen needs of a customer's badges, in one record."""

from collections.abc import Iterable

from msgspec import Struct

from app.domain.badges import Badge
from app.domain.query import Status


class Totals(Struct, frozen=True, kw_only=True):
    """How many badges there are in each view; null where that is not known now."""

    issuable: int | None
    available: int | None
    earned: int | None
    expired: int | None


class Summary(Struct, frozen=True, kw_only=True, rename="camel"):
    """The answer of `GET /me/badges/summary`.

    `incomplete` names what could not be had now; a badge that is null and not named there does not
    exist.
    """

    totals: Totals
    last_earned: Badge | None
    next_to_expire: Badge | None
    incomplete: list[str]


def last_earned(badges: Iterable[Badge]) -> Badge | None:
    """Find the badge that was earned last; times are texts of one form, which compare as such."""
    earned = [badge for badge in badges if badge.last_earned_at is not None]
    return max(earned, key=lambda badge: badge.last_earned_at or "", default=None)


def next_to_expire(badges: Iterable[Badge], *, now: str) -> Badge | None:
    """Find the earned, live badge that expires first after `now`, a text of the same form."""
    ahead = [
        badge
        for badge in badges
        if badge.earned and badge.status == Status.LIVE and (badge.expires_at or "") > now
    ]
    return min(ahead, key=lambda badge: badge.expires_at or "", default=None)
