"""What a caller may ask: the query of `GET /me/badges`, its vocabulary and its faults."""

from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct


class View(StrEnum):
    """Which badges: those that can be enrolled for, can be earned, were earned, or ran out."""

    ISSUABLE = "issuable"
    AVAILABLE = "available"
    EARNED = "earned"
    EXPIRED = "expired"


class Status(StrEnum):
    """Where a badge stands in its own period."""

    UPCOMING = "upcoming"
    LIVE = "live"
    EXPIRED = "expired"


class Owner(StrEnum):
    """The parts of the loyalty platform that own or claim badges."""

    LOYALTY = "loyalty"
    LOYALTY_PROMOTION = "loyalty_promotion"
    REFERRAL_CAMPAIGNS = "referral_campaigns"
    JOURNEYS = "journeys"
    AUDIENCE_CAMPAIGNS = "audience_campaigns"
    REWARDS_CATALOG = "rewards_catalog"
    GOODWILL_MODULE = "goodwill_module"
    MILESTONES = "milestones"
    HISTORICAL_IMPORT = "historical_import"


class SortField(StrEnum):
    """What a list can be sorted by."""

    EXPIRES_AT = "expiresAt"
    UPDATED_AT = "updatedAt"
    LAST_ISSUED_AT = "lastIssuedAt"
    LAST_EXPIRED_AT = "lastExpiredAt"
    LAST_EARNED_AT = "lastEarnedAt"
    LAST_EARNED_EVENT_AT = "lastEarnedEventAt"


class Side(StrEnum):
    """On which side of an instant, the instant itself excluded."""

    AFTER = "After"
    BEFORE = "Before"


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound on a time: milliseconds since 1970, and the side that is asked for."""

    side: Side
    instant: int


class BadgesQuery(Struct, frozen=True, kw_only=True, cache_hash=True):
    """A valid query; its defaults are the gateway's own. `page` counts from 1."""

    view: View = View.ISSUABLE
    status: Status | None = None
    active: bool | None = None
    name: str | None = None
    group: str | None = None
    owner: Owner | None = None
    claimed_by: Owner | None = None
    starts: Bound | None = None
    expires: Bound | None = None
    sort: SortField = SortField.EXPIRES_AT
    descending: bool = True
    page: int = 1
    size: int = 10
    ownership: bool = False


class FaultCode(StrEnum):
    """What can be wrong with one parameter of a query."""

    UNKNOWN = "unknown"
    REPEATED = "repeated"
    EMPTY = "empty"
    MALFORMED = "malformed"
    OUT_OF_RANGE = "out-of-range"
    NOT_ALLOWED = "not-allowed"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class QueryFault:
    """One fault of a query: where, which, and what would be right. Holds no value of the caller."""

    parameter: str
    code: FaultCode
    detail: str


class InvalidQueryError(Exception):
    """The query can't be answered; `faults` names everything that is wrong with it."""

    def __init__(self, faults: tuple[QueryFault, ...]) -> None:
        super().__init__(", ".join(f"{fault.parameter}: {fault.code}" for fault in faults))
        self.faults = faults
