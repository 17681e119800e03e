"""What answers look like: made of the records that the answers are made of."""

from typing import Any

import msgspec

from app.domain.badges import Badge, BadgesPage, Claim, Group, Image, Page
from app.domain.query import Owner
from app.domain.summary import Summary, Totals

_PICTURES = "https://pictures.example"
_BADGE = Badge(
    id="653dea07b3cda7078c7c68ee",
    name="Birthday Badge",
    description="A present for your birthday",
    kind="issue_earn",
    status="live",
    active=True,
    earned=False,
    earn_count=0,
    last_earned_at=None,
    last_earned_event_at=None,
    issue_status=None,
    starts_at="2023-10-29T05:30:00.000Z",
    expires_at="2027-12-14T03:15:10.000Z",
    created_at="2023-10-29T05:17:54.481Z",
    updated_at="2024-05-23T09:02:26.522Z",
    rank=2,
    group=Group("65c3600c60d9261bdd8a6410", "2024 Badges"),
    images={
        "earned": Image(f"{_PICTURES}/birthday.png", "birthday.png"),
        "unearned": Image(f"{_PICTURES}/birthday-grey.png", None),
        "inProgress": None,
    },
)
_EARNED = msgspec.structs.replace(
    _BADGE, earned=True, earn_count=1, last_earned_at="2026-11-20T16:04:11.250Z"
)
_OWNED = msgspec.structs.replace(
    _BADGE, owners=[Owner.LOYALTY.value], claims=[Claim(Owner.LOYALTY.value, "626", active=True)]
)


def pages() -> dict[str, Any]:
    """Show lists of badges: as they come, with ownership, and an empty one."""
    return {
        "badges": _shown("A list of badges", _page(_BADGE)),
        "ownership": _shown("With `include=ownership`", _page(_OWNED)),
        "none": _shown("No badges", _page()),
    }


def summaries() -> dict[str, Any]:
    """Show a summary, and one that is incomplete."""
    totals = Totals(issuable=2, available=5, earned=1, expired=0)
    whole = Summary(totals=totals, last_earned=_EARNED, next_to_expire=_EARNED, incomplete=[])
    partly = Summary(
        totals=msgspec.structs.replace(totals, expired=None),
        last_earned=_EARNED,
        next_to_expire=_EARNED,
        incomplete=["totals.expired"],
    )
    return {
        "summary": _shown("A summary", whole),
        "incomplete": _shown("One part could not be had", partly),
    }


def _page(*badges: Badge) -> BadgesPage:
    page = Page(number=1, size=10, total_items=len(badges), total_pages=len(badges))
    return BadgesPage(list(badges), page)


def _shown(summary: str, value: msgspec.Struct) -> dict[str, Any]:
    return {"summary": summary, "value": msgspec.to_builtins(value)}
