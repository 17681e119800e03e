"""The query of `GET /me/badges`: from the request's query string, to the gateway's parameters.

`parse_query` names every fault at once; `canonical_query` is the one spelling of a query that all
spellings of the same meaning share, for cache keys and links.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import quote, unquote_plus, urlencode

from app.domain.query import (
    BadgesQuery,
    Bound,
    FaultCode,
    InvalidQueryError,
    Owner,
    QueryFault,
    Side,
    SortField,
    Status,
    View,
)
from app.protocol import instants

MAX_PAGE = 1000
MAX_SIZE = 100
_MAX_NAME = 100
_MAX_GROUP = 64

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


class _FaultError(Exception):
    """One value can't be read."""

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
            raise _FaultError(FaultCode.NOT_ALLOWED, f"One of: {allowed}.")
        return member

    return read


_read_sort_field = _one_of(GATEWAY_SORTS)


def _read_sort(value: str) -> tuple[SortField, bool]:
    descending = value.startswith("-")
    try:
        return _read_sort_field(value.removeprefix("-")), descending
    except _FaultError as fault:
        detail = f"{fault.detail} A leading - sorts in descending order."
        raise _FaultError(fault.code, detail) from None


def _read_active(value: str) -> bool:
    active = _ACTIVE.get(value.lower())
    if active is None:
        raise _FaultError(FaultCode.NOT_ALLOWED, "One of: true, false.")
    return active


def _read_name(value: str) -> str:
    value = value.strip()
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise _FaultError(FaultCode.MALFORMED, "Text without control characters.")
    if len(value) > _MAX_NAME:
        raise _FaultError(FaultCode.OUT_OF_RANGE, f"1 to {_MAX_NAME} characters.")
    return value


def _read_group(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", value):
        raise _FaultError(FaultCode.MALFORMED, "Only A-Z, a-z, 0-9, _ and -.")
    if len(value) > _MAX_GROUP:
        raise _FaultError(FaultCode.OUT_OF_RANGE, f"1 to {_MAX_GROUP} characters.")
    return value


def _read_instant(value: str) -> int:
    try:
        instant = instants.from_text(value)
    except OverflowError:
        raise _FaultError(FaultCode.OUT_OF_RANGE, "The years 1 to 9999 in UTC.") from None
    if instant is None:
        example = "2026-11-23T07:00:00Z"
        raise _FaultError(
            FaultCode.MALFORMED, f"An RFC 3339 date-time with offset, such as {example}."
        )
    return instant


def _number(largest: int) -> Callable[[str], int]:
    """Make a reader of a whole number from 1 to `largest`."""

    def read(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]+", value):
            raise _FaultError(FaultCode.MALFORMED, f"A whole number from 1 to {largest}.")
        digits = value.lstrip("0") or "0"
        # Judged by length first: int() refuses texts of thousands of digits.
        if len(digits) > len(str(largest)) or not 1 <= int(digits) <= largest:
            raise _FaultError(FaultCode.OUT_OF_RANGE, f"1 to {largest}.")
        return int(digits)

    return read


def _read_include(value: str) -> bool:
    if value.lower() != "ownership":
        raise _FaultError(FaultCode.NOT_ALLOWED, "One of: ownership.")
    return True


_READERS: Mapping[str, Callable[[str], Any]] = {
    "view": _one_of(GATEWAY_VIEWS),
    "status": _one_of(GATEWAY_STATUSES),
    "active": _read_active,
    "name": _read_name,
    "group": _read_group,
    "owner": _one_of(GATEWAY_OWNERS),
    "claimedBy": _one_of(GATEWAY_OWNERS),
    "startsAfter": _read_instant,
    "startsBefore": _read_instant,
    "expiresAfter": _read_instant,
    "expiresBefore": _read_instant,
    "sort": _read_sort,
    "page": _number(MAX_PAGE),
    "size": _number(MAX_SIZE),
    "include": _read_include,
}

PARAMETERS = tuple(_READERS)


def parse_query(query_string: str) -> BadgesQuery:
    """Read the query string of a request as it came, percent-encoded.

    Raises:
        InvalidQueryError: with every fault that the query has.

    """
    given = _split(query_string)
    values: dict[str, Any] = {}
    faults: list[QueryFault] = []
    for name, texts in given.items():
        try:
            values[name] = _read(name, texts)
        except _FaultError as fault:
            faults.append(QueryFault(_quotable(name), fault.code, fault.detail))
    faults.extend(
        QueryFault(f"{kind}Before", FaultCode.CONFLICT, f"Not together with {kind}After.")
        for kind in ("starts", "expires")
        if f"{kind}After" in given and f"{kind}Before" in given
    )
    if faults:
        raise InvalidQueryError(tuple(faults))
    return _assemble(values)


def parse_no_query(query_string: str) -> None:
    """Read the query string of a resource that has no parameters.

    Raises:
        InvalidQueryError: it holds some.

    """
    given = _split(query_string)
    if given:
        raise InvalidQueryError(
            tuple(
                QueryFault(_quotable(name), FaultCode.UNKNOWN, "No such parameter.")
                for name in given
            )
        )


def _split(query_string: str) -> dict[str, list[str]]:
    """Group the raw values of a query string by their decoded names."""
    given: dict[str, list[str]] = {}
    for pair in query_string.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            given.setdefault(unquote_plus(name), []).append(value)
    return given


def _read(name: str, texts: list[str]) -> Any:
    """Read the one value of a parameter."""
    reader = _READERS.get(name)
    if reader is None:
        raise _FaultError(FaultCode.UNKNOWN, "No such parameter.")
    if len(texts) > 1:
        raise _FaultError(FaultCode.REPEATED, "Give it once.")
    try:
        value = unquote_plus(texts[0], errors="strict")
    except UnicodeDecodeError:
        raise _FaultError(FaultCode.MALFORMED, "Percent-encoded UTF-8.") from None
    if not value.strip():
        raise _FaultError(FaultCode.EMPTY, "Leave it out or give it a value.")
    return reader(value)


def _quotable(name: str) -> str:
    """Return a parameter's name if it is fit to be repeated: callers put anything there."""
    return name if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.\[\]-]{0,63}", name) else "(unprintable)"


def _assemble(values: dict[str, Any]) -> BadgesQuery:
    default = BadgesQuery()
    sort, descending = values.get("sort", (default.sort, default.descending))
    return BadgesQuery(
        view=values.get("view", default.view),
        status=values.get("status"),
        active=values.get("active"),
        name=values.get("name"),
        group=values.get("group"),
        owner=values.get("owner"),
        claimed_by=values.get("claimedBy"),
        starts=_bound(values, "starts"),
        expires=_bound(values, "expires"),
        sort=sort,
        descending=descending,
        page=values.get("page", default.page),
        size=values.get("size", default.size),
        ownership=values.get("include", default.ownership),
    )


def _bound(values: dict[str, Any], kind: str) -> Bound | None:
    for side in Side:
        instant = values.get(f"{kind}{side}")
        if instant is not None:
            return Bound(side, instant)
    return None


def gateway_parameters(query: BadgesQuery) -> str:
    """Write a query as the gateway's query string, its defaults spelled out."""
    active = {None: None, True: "ACTIVATED", False: "DEACTIVATED"}[query.active]
    pairs = [
        ("page", str(query.page - 1)),
        ("size", str(query.size)),
        ("sortOn", GATEWAY_SORTS[query.sort]),
        ("order", "DESC" if query.descending else "ASC"),
        ("badgeType", GATEWAY_VIEWS[query.view]),
        ("action", active),
        ("badgeStatus", query.status and GATEWAY_STATUSES[query.status]),
        ("name", query.name),
        ("groupId", query.group),
        ("owner", query.owner and GATEWAY_OWNERS[query.owner]),
        ("claimedBy", query.claimed_by and GATEWAY_OWNERS[query.claimed_by]),
    ]
    for parameter, bound in (("startOn", query.starts), ("expiresOn", query.expires)):
        if bound is not None:
            operator = "GREATER_THAN" if bound.side is Side.AFTER else "LESS_THAN"
            pairs.append((parameter, instants.to_text(bound.instant)))
            pairs.append((f"{parameter}Operator", operator))
    return _encode(pairs)


def canonical_query(query: BadgesQuery, *, page: int | None = None) -> str:
    """Write a query in its one public spelling, as a query string without the question mark.

    Defaults are left out but for page and size. `page` stands in for the query's own page.
    """
    default = BadgesQuery()
    is_default_sort = (query.sort, query.descending) == (default.sort, default.descending)
    sort = f"{'-' if query.descending else ''}{query.sort}"
    bounds = [
        (f"{kind}{bound.side}", instants.to_text(bound.instant))
        for kind, bound in (("starts", query.starts), ("expires", query.expires))
        if bound is not None
    ]
    return _encode(
        [
            ("view", None if query.view is default.view else query.view),
            ("status", query.status),
            ("active", {None: None, True: "true", False: "false"}[query.active]),
            ("name", query.name),
            ("group", query.group),
            ("owner", query.owner),
            ("claimedBy", query.claimed_by),
            *bounds,
            ("sort", None if is_default_sort else sort),
            ("page", str(query.page if page is None else page)),
            ("size", str(query.size)),
            ("include", "ownership" if query.ownership else None),
        ]
    )


def _encode(pairs: Iterable[tuple[str, str | None]]) -> str:
    """Percent-encode the pairs that have a value."""
    return urlencode([pair for pair in pairs if pair[1] is not None], quote_via=quote)
