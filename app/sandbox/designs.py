"""The table from which the sandbox makes its badges: names, groups, owners and periods."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """The gateway's `badgeType` of an answer: earned straight away, or enrolled for first."""

    EARN = "EARN"
    ISSUE_EARN = "ISSUE_EARN"


class Design(NamedTuple):
    """One badge; positional, because a table of keywords can't be read as a table.

    `starts` and `expires` are days from the moment at which the catalogue is made. `pictures`
    holds the first letters of the tags that the badge has: Earned, Unearned, In progress.
    """

    name: str
    description: str
    kind: Kind
    group: str | None
    rank: int | None
    owner: str | None
    claims: int
    starts: float
    expires: float
    pictures: str


_EARN, _ISSUE = Kind.EARN, Kind.ISSUE_EARN
_DAILY, _SEASONS, _FRIENDS, _PLANET = "Everyday", "Seasons", "Friends", "Planet"
_LOYALTY, _PROMOTION, _REFERRAL = "Loyalty", "Loyalty_Promotion", "Referral_Campaigns"
_JOURNEYS, _AUDIENCE, _REWARDS = "Journeys", "Audience_Campaigns", "Rewards_Catalog"
_GOODWILL, _MILESTONES, _IMPORT = "Goodwill_Module", "Milestones", "Historical_Import"

LIVE: tuple[Design, ...] = (
    Design("First Purchase", "Buy anything once", _EARN, _DAILY, 1, _LOYALTY, 1, -700, 900, "EU"),
    Design("Early Bird", "Shop before nine", _EARN, _DAILY, 2, _LOYALTY, 2, -90, 45, "UEI"),
    Design("Night Owl", "Shop after ten", _EARN, _DAILY, 3, _LOYALTY, 1, -90.25, 45, "EUI"),
    Design("Coffee Lover", "Ten coffees", _ISSUE, _DAILY, 4, _PROMOTION, 1, -300, 60.5, "EIU"),
    Design("Five in a Row", "Five days", _EARN, _DAILY, 5, _JOURNEYS, 0, -200, 21, "EU"),
    Design("Weekend Explorer", "A new shop", _EARN, None, None, _PROMOTION, 1, -30, 30, "EU"),
    Design("Spring Collector", "Buy green", _EARN, _SEASONS, 1, _PROMOTION, 1, -80, 12, "EUI"),
    Design("Bring a Friend", "Invite one", _EARN, _FRIENDS, 1, _REFERRAL, 3, -400, 400, "EU"),
    Design("Inner Circle", "Invite ten", _EARN, _FRIENDS, 2, _REFERRAL, 1, -400, 400, "EUI"),
    Design("Review Writer", "Say it", _EARN, _FRIENDS, None, _JOURNEYS, 1, -150, 200, "EU"),
    Design("Silver Member", "500 points", _ISSUE, None, 1, _MILESTONES, 1, -365, 365, "EU"),
    Design("Gold Member", "2,000 points", _ISSUE, None, 2, _MILESTONES, 1, -365, 365, "EUI"),
    Design("Platinum Member", "9,000 points", _ISSUE, None, 3, _MILESTONES, 2, -365, 365, "EU"),
    Design("Green Delivery", "No van", _EARN, _PLANET, 1, _AUDIENCE, 1, -60, 90, "EU"),
    Design("Bag for Life", "Bring a bag", _EARN, _PLANET, 2, _AUDIENCE, 0, -60, 90.75, "UE"),
    Design("Plastic Free", "A month of it", _ISSUE, _PLANET, 3, _AUDIENCE, 1, -10, 20, "EUI"),
    Design("Repair Café", "Mend it", _ISSUE, _PLANET, None, _REWARDS, 1, -5, 55, "EU"),
    Design("Ten Thousand Steps", "Walk here", _ISSUE, None, None, _JOURNEYS, 1, -14, 14, "EUI"),
    Design("Birthday Badge", "On the day", _ISSUE, _SEASONS, 2, _LOYALTY, 3, -365, 750, "EU"),
    Design("Fuel Master", "Fill up", _ISSUE, _DAILY, None, _LOYALTY, 4, -365, 750, "UE"),
    Design("Sorry!", "We were late", _ISSUE, None, None, _GOODWILL, 1, -20, 10, "E"),
    Design("Old Friend", "Since 2009", _ISSUE, _FRIENDS, 3, _IMPORT, 0, -2000, 2000, "EU"),
    Design("Wish List", "Ten wishes", _ISSUE, None, None, _REWARDS, 0, -1, 6.5, "U"),
    Design("Bare Necessities", "No picture", _ISSUE, None, 7, None, 0, -3, 33, ""),
)
UPCOMING: tuple[Design, ...] = (
    Design("Summer Picnic", "Ten snacks", _ISSUE, _SEASONS, 3, _PROMOTION, 1, 12, 102, "EU"),
    Design("Autumn Leaves", "Buy amber", _EARN, _SEASONS, 4, _PROMOTION, 1, 75, 160, "EUI"),
    Design("Black Friday", "Be quick", _EARN, _SEASONS, None, _AUDIENCE, 1, 40, 41, "EU"),
    Design("Anniversary", "Ten years", _ISSUE, None, 1, _MILESTONES, 0, 5.5, 370, ""),
    Design("Beta Tester", "The new app", _EARN, None, None, _JOURNEYS, 1, 0.25, 30, "EU"),
    Design("Night of Shops", "Until two", _EARN, _DAILY, None, None, 0, 2, 3, "UE"),
)
EXPIRED: tuple[Design, ...] = (
    Design("Launch Party", "Day one", _EARN, None, None, _PROMOTION, 1, -420, -380, "EU"),
    Design("Winter Games", "Buy three", _EARN, _SEASONS, 5, _PROMOTION, 1, -160, -100, "EUI"),
    Design("Lucky Thirteen", "A Friday", _ISSUE, None, 13, _AUDIENCE, 1, -50, -49, "EU"),
    Design("Paper Round", "Go paperless", _ISSUE, _PLANET, 4, _LOYALTY, 0, -500, -135, "UE"),
    Design("Pioneer", "The first app", _EARN, None, None, _IMPORT, 0, -3000, -1200, "E"),
    Design("World Cup", "Guess right", _EARN, _FRIENDS, 4, _REFERRAL, 1, -90, -60.5, "EU"),
)
DESIGNS = LIVE + UPCOMING + EXPIRED
"""Thirty-six badges."""
