"""The query of `GET /me/badges`: from the request's query string, to the gateway's parameters.

`parse_query` names every fault at once; `canonical_query` is the one spelling of a query that all
spellings of the same meaning share, for cache keys and links.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote_plus, urlencode

from app.domain.query import (
    BadgesQuery,
    Bound,
    FaultCode,
    InvalidQueryError,
    QueryFault,
    Side,
)
from app.protocol import instants
from app.protocol.parameters import (
    GATEWAY_OWNERS,
    GATEWAY_SORTS,
    GATEWAY_STATUSES,
    GATEWAY_VIEWS,
    MAX_PAGE,
    MAX_SIZE,
    TABLE,
    FaultError,
)

__all__ = [
    "MAX_PAGE",
    "MAX_SIZE",
    "PARAMETERS",
    "canonical_query",
    "gateway_parameters",
    "parse_no_query",
    "parse_query",
]

PARAMETERS = tuple(TABLE)
# Apps ask the same few questions for everybody: their strings are read once.
_REMEMBERED = 256


@lru_cache(_REMEMBERED)
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
        except FaultError as fault:
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
    parameter = TABLE.get(name)
    if parameter is None:
        raise FaultError(FaultCode.UNKNOWN, "No such parameter.")
    if len(texts) > 1:
        raise FaultError(FaultCode.REPEATED, "Give it once.")
    try:
        value = unquote_plus(texts[0], errors="strict")
    except UnicodeDecodeError:
        raise FaultError(FaultCode.MALFORMED, "Percent-encoded UTF-8.") from None
    if not value.strip():
        raise FaultError(FaultCode.EMPTY, "Leave it out or give it a value.")
    return parameter.read(value)


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


@lru_cache(_REMEMBERED)
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
