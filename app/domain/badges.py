"""What a caller gets: badges, as the public API words them.

These records are msgspec structs, so that the encoder writes them as they are, without a second
set of classes that could drift. Field order is the order of the public JSON; the public spelling
is the camel case of the field's name. Times are RFC 3339 UTC texts with milliseconds.

What `Meta` says is for the OpenAPI document, which is made of these records; it checks nothing.
Enumerations are open: a value that is not known yet passes through in lower case.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from app.domain.query import Owner, Status


def _open_enumeration(*known: str) -> Meta:
    return Meta(extra_json_schema={"x-extensible-enum": list(known)})


Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Kind = Annotated[str, _open_enumeration("earn", "issue_earn")]
BadgeStatus = Annotated[str, _open_enumeration(*Status)]
OwnerName = Annotated[str, _open_enumeration(*Owner)]

KNOWN_IMAGES = ("earned", "unearned", "inProgress")
"""The pictures that every badge names, if only to say that there is none."""


class Image(Struct, frozen=True):
    """A picture of a badge; its url is http or https, so that a page may put it into an `src`."""

    url: str
    name: str | None


class Group(Struct, frozen=True):
    """The group that a badge belongs to."""

    id: str
    name: str | None


class Claim(Struct, frozen=True):
    """Who uses a badge: a programme, a promotion, a campaign, by its reference there."""

    owner: OwnerName | None
    reference: str | None
    active: bool | None


class Badge(Struct, frozen=True, kw_only=True, rename="camel"):
    """One badge as one customer sees it; null where the gateway sent nothing readable."""

    id: str
    name: str | None
    description: str | None
    kind: Kind | None
    status: BadgeStatus | None
    active: bool | None
    earned: bool
    earn_count: int | None
    last_earned_at: Instant | None
    last_earned_event_at: Instant | None
    issue_status: str | None
    starts_at: Instant | None
    expires_at: Instant | None
    created_at: Instant | None
    updated_at: Instant | None
    rank: int | None
    group: Group | None
    images: dict[str, Image | None]
    owners: list[OwnerName] | UnsetType = UNSET
    claims: list[Claim] | UnsetType = UNSET


class Page(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where in the whole list a page stands; totals are null where the gateway's can't be read."""

    number: int
    size: int
    total_items: int | None
    total_pages: int | None


class BadgesPage(Struct, frozen=True):
    """The answer to one query."""

    badges: list[Badge]
    page: Page
