"""The parameters of `GET /me/badges`: one table that parses them and that describes them.

`parse_query` reads by it, and the OpenAPI document is made from it, so that what is documented is
what is accepted.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from app.domain.query import BadgesQuery, FaultCode, Owner, SortField, Status, View
from app.protocol import instants

MAX_PAGE = 1000
MAX_SIZE = 100
_MAX_NAME = 100
_MAX_GROUP = 64
_GROUP = r"^[A-Za-z0-9_-]+$"
# ECMA 262's dialect, which JSON Schema means: something that is no blank, and no control character.
_NAME = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"

GATEWAY_VIEWS: Mapping[View, str] = {
    View.ISSUABLE: "AVAILABLE_TO_ISSUE",
    View.AVAILABLE: "AVAILABLE",
    View.EARNED: "EARNED",
    View.EXPIRED: "EXPIRED",
}
GATEWAY_STATUSES: Mapping[Status, str] = {status: status.value.upper() for status in Status}
GATEWAY_OWNERS: Mapping[Owner, str] = {owner: owner.value.title() for owner in Owner}
GATEWAY_SORTS: Mapping[SortField, str] = {
    SortField.EXPIRES_AT: "EXPIRES_ON",
    SortField.UPDATED_AT: "LAST_MODIFIED_DATE",
    SortField.LAST_ISSUED_AT: "LAST_ISSUED_DATE",
    SortField.LAST_EXPIRED_AT: "LAST_EXPIRED_BADGE",
    SortField.LAST_EARNED_AT: "LAST_EARNED_ON_DATE",
    SortField.LAST_EARNED_EVENT_AT: "LAST_EARNED_EVENT_DATE",
}
_ACTIVE: Mapping[str, bool] = {
    "true": True,
    "activated": True,
    "false": False,
    "deactivated": False,
}


class FaultError(Exception):
    """One value can't be read: what is wrong with it, and what would be right."""

    def __init__(self, code: FaultCode, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


_E = TypeVar("_E", bound=StrEnum)


def _one_of(gateway: Mapping[_E, str]) -> Callable[[str], _E]:
    """Make a reader of an enumerated value, in the public or the gateway's spelling."""
    spellings = {spelling.lower(): member for member, spelling in gateway.items()}
    spellings |= {member.value.lower(): member for member in gateway}
    allowed = ", ".join(member.value for member in gateway)

    def read(value: str) -> _E:
        member = spellings.get(value.lower())
        if member is None:
            raise FaultError(FaultCode.NOT_ALLOWED, f"One of: {allowed}.")
        return member

    return read


_read_sort_field = _one_of(GATEWAY_SORTS)


def _read_sort(value: str) -> tuple[SortField, bool]:
    descending = value.startswith("-")
    try:
        return _read_sort_field(value.removeprefix("-")), descending
    except FaultError as fault:
        detail = f"{fault.detail} A leading - sorts in descending order."
        raise FaultError(fault.code, detail) from None


def _read_active(value: str) -> bool:
    active = _ACTIVE.get(value.lower())
    if active is None:
        raise FaultError(FaultCode.NOT_ALLOWED, "One of: true, false.")
    return active


def _read_name(value: str) -> str:
    value = value.strip()
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise FaultError(FaultCode.MALFORMED, "Text without control characters.")
    if len(value) > _MAX_NAME:
        raise FaultError(FaultCode.OUT_OF_RANGE, f"1 to {_MAX_NAME} characters.")
    return value


def _read_group(value: str) -> str:
    if not re.fullmatch(_GROUP, value):
        raise FaultError(FaultCode.MALFORMED, "Only A-Z, a-z, 0-9, _ and -.")
    if len(value) > _MAX_GROUP:
        raise FaultError(FaultCode.OUT_OF_RANGE, f"1 to {_MAX_GROUP} characters.")
    return value


def _read_instant(value: str) -> int:
    try:
        instant = instants.from_text(value)
    except OverflowError:
        raise FaultError(FaultCode.OUT_OF_RANGE, "The years 1 to 9999 in UTC.") from None
    if instant is None:
        example = "2026-11-23T07:00:00Z"
        raise FaultError(
            FaultCode.MALFORMED, f"An RFC 3339 date-time with offset, such as {example}."
        )
    return instant


def _number(largest: int) -> Callable[[str], int]:
    """Make a reader of a whole number from 1 to `largest`."""

    def read(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]+", value):
            raise FaultError(FaultCode.MALFORMED, f"A whole number from 1 to {largest}.")
        digits = value.lstrip("0") or "0"
        # Judged by length first: int() refuses texts of thousands of digits.
        if len(digits) > len(str(largest)) or not 1 <= int(digits) <= largest:
            raise FaultError(FaultCode.OUT_OF_RANGE, f"1 to {largest}.")
        return int(digits)

    return read


def _read_include(value: str) -> bool:
    if value.lower() != "ownership":
        raise FaultError(FaultCode.NOT_ALLOWED, "One of: ownership.")
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter: how a value is read, and how it is described to callers.

    `read` raises `FaultError`; `schema` is a JSON Schema of what it takes, in the public spelling.
    """

    read: Callable[[str], Any]
    schema: Mapping[str, Any]
    description: str
    example: str | int | bool


def _choice(gateway: Mapping[_E, str], description: str, default: _E | None = None) -> Parameter:
    schema = {"type": "string", "enum": [member.value for member in gateway]}
    if default is not None:
        schema["default"] = default.value
    example = next(iter(gateway)) if default is None else default
    return Parameter(
        read=_one_of(gateway), schema=schema, description=description, example=example.value
    )


def _instant(description: str) -> Parameter:
    return Parameter(
        read=_read_instant,
        schema={"type": "string", "format": "date-time"},
        description=f"{description} RFC 3339, with an offset; what is beyond milliseconds is cut.",
        example="2026-11-23T07:00:00Z",
    )


def _count(largest: int, description: str, default: int) -> Parameter:
    return Parameter(
        read=_number(largest),
        schema={"type": "integer", "minimum": 1, "maximum": largest, "default": default},
        description=description,
        example=default,
    )


def _sort() -> Parameter:
    fields = [field.value for field in SortField]
    default = f"{'-' if _DEFAULT.descending else ''}{_DEFAULT.sort}"
    values = [*fields, *(f"-{field}" for field in fields)]
    return Parameter(
        read=_read_sort,
        schema={"type": "string", "enum": values, "default": default},
        description="What the list is sorted by: ascending, or with a leading `-` descending.",
        example=default,
    )


_DEFAULT = BadgesQuery()

TABLE: Mapping[str, Parameter] = {
    "view": _choice(
        GATEWAY_VIEWS,
        "Which badges: those that the customer can be enrolled for, can earn, has earned, or has "
        "earned and that ran out.",
        _DEFAULT.view,
    ),
    "status": _choice(GATEWAY_STATUSES, "Where a badge stands in its own period."),
    "active": Parameter(
        read=_read_active,
        schema={"type": "boolean"},
        description="Whether a badge is switched on.",
        example=True,
    ),
    "name": Parameter(
        read=_read_name,
        schema={"type": "string", "minLength": 1, "maxLength": _MAX_NAME, "pattern": _NAME},
        description="Text to look for in a badge's name; blanks around it are cut.",
        example="Birthday",
    ),
    "group": Parameter(
        read=_read_group,
        schema={"type": "string", "minLength": 1, "maxLength": _MAX_GROUP, "pattern": _GROUP},
        description="The id of the group that a badge belongs to.",
        example="65c3600c60d9261bdd8a6410",
    ),
    "owner": _choice(GATEWAY_OWNERS, "The part of the loyalty programme that owns a badge."),
    "claimedBy": _choice(GATEWAY_OWNERS, "The part of the loyalty programme that uses a badge."),
    "startsAfter": _instant("Badges that start after this. Not together with `startsBefore`."),
    "startsBefore": _instant("Badges that start before this. Not together with `startsAfter`."),
    "expiresAfter": _instant("Badges that expire after this. Not together with `expiresBefore`."),
    "expiresBefore": _instant("Badges that expire before this. Not together with `expiresAfter`."),
    "sort": _sort(),
    "page": _count(MAX_PAGE, "The page of the list, counted from 1.", _DEFAULT.page),
    "size": _count(MAX_SIZE, "How many badges a page has.", _DEFAULT.size),
    "include": Parameter(
        read=_read_include,
        schema={"type": "string", "enum": ["ownership"]},
        description="`ownership` adds `owners` and `claims` to each badge.",
        example="ownership",
    ),
}
