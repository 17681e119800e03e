"""The documented parameters of a badges call, judged strictly."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from app.sandbox.search import SORTS, Bound, Search

VIEWS = frozenset({"AVAILABLE_TO_ISSUE", "AVAILABLE", "EARNED", "EXPIRED"})
STATUSES = frozenset({"UPCOMING", "LIVE", "EXPIRED"})
ACTIONS = frozenset({"ACTIVATED", "DEACTIVATED"})
OPERATORS = frozenset({"LESS_THAN", "GREATER_THAN"})
ORDERS = frozenset({"ASC", "DESC"})
OWNERS = frozenset(
    {
        "Loyalty",
        "Loyalty_Promotion",
        "Referral_Campaigns",
        "Journeys",
        "Audience_Campaigns",
        "Rewards_Catalog",
        "Goodwill_Module",
        "Milestones",
        "Historical_Import",
    }
)
PARAMETERS = frozenset(
    {
        *("page", "size", "sortOn", "order", "name", "badgeType", "action", "badgeStatus"),
        *("owner", "claimedBy", "groupId"),
        *("startOn", "startOnOperator", "expiresOn", "expiresOnOperator"),
    }
)

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_NUMBER = re.compile(r"[0-9]{1,9}")


class MalformedSearchError(ValueError):
    """A parameter that the gateway does not know, or a value that it does not take."""


def parse_search(parameters: Mapping[str, str]) -> Search:
    """Understand the parameters of a badges call; those left out take the gateway's defaults.

    Raises MalformedSearchError for an unknown parameter or a value that is not documented.
    """
    unknown = sorted(set(parameters) - PARAMETERS)
    if unknown:
        raise MalformedSearchError(f"unknown parameter {unknown[0]}")
    return Search(
        view=_choice(parameters, "badgeType", VIEWS) or "AVAILABLE_TO_ISSUE",
        status=_choice(parameters, "badgeStatus", STATUSES),
        action=_choice(parameters, "action", ACTIONS),
        name=parameters.get("name"),
        group=parameters.get("groupId"),
        owner=_choice(parameters, "owner", OWNERS),
        claimed_by=_choice(parameters, "claimedBy", OWNERS),
        starts=_bound(parameters, "startOn"),
        expires=_bound(parameters, "expiresOn"),
        sort_on=_choice(parameters, "sortOn", SORTS.keys()) or "EXPIRES_ON",
        descending=_choice(parameters, "order", ORDERS) != "ASC",
        page=_number(parameters, "page", default=0, least=0),
        size=_number(parameters, "size", default=10, least=1),
    )


def _choice(parameters: Mapping[str, str], name: str, allowed: Iterable[str]) -> str | None:
    value = parameters.get(name)
    if value is not None and value not in allowed:
        raise MalformedSearchError(f"{name} does not take this value")
    return value


def _number(parameters: Mapping[str, str], name: str, *, default: int, least: int) -> int:
    text = parameters.get(name, str(default))
    if _NUMBER.fullmatch(text) is None or int(text) < least:
        raise MalformedSearchError(f"{name} is not a whole number of {least} or more")
    return int(text)


def _bound(parameters: Mapping[str, str], name: str) -> Bound | None:
    operator = _choice(parameters, f"{name}Operator", OPERATORS)
    text = parameters.get(name)
    if text is None and operator is None:
        return None
    if text is None or operator is None:
        raise MalformedSearchError(f"{name} and {name}Operator come together")
    return Bound(moment=_moment(name, text), after=operator == "GREATER_THAN")


def _moment(name: str, text: str) -> float:
    try:
        if _DATE.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except ValueError:
        pass  # a thirteenth month has the right form
    raise MalformedSearchError(f"{name} is not YYYY-MM-DDTHH:MM:SS.SSSZ")
