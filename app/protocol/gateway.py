"""The badges call of the gateway: the request to send, and what an answer means.

Rules are the gateway documentation's, and its gaps: where it does not say whether a code comes as
HTTP status or inside a body, both are understood.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from app.domain.badges import BadgesPage, Page
from app.domain.failures import Failure, GatewayError
from app.domain.identity import Customer, Identifier
from app.domain.query import BadgesQuery
from app.protocol.normalise import normalise_badge, total_items
from app.protocol.query import gateway_parameters
from app.protocol.tolerant_json import NOT_JSON, parse_json

_PATH = "/api_gateway/v1/badges/management/"
_UNKNOWN_CUSTOMER = frozenset({1026, 8015})
_TOKEN_REJECTED = frozenset({401, 498})
_NO_ACCESS = 4000
_AUTHORISATION_BUSY = 4001
_PASSING = frozenset({502, 503, 504, 520, 521})
# The same queries come for all customers.
_parameters = lru_cache(1024)(gateway_parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRequest:
    """A request to send as it is: `url` is percent-encoded, not to be encoded or folded again."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """What came back over HTTP: status, headers (asked for in lower case) and the decoded body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str | None:
        """The gateway's own id of the request, if it is fit for a log."""
        given = self.headers.get("x-cap-requestid") or self.headers.get("x-cap-request-id") or ""
        fit = re.fullmatch(r"[A-Za-z0-9._-]{1,128}", given)
        return given if fit else None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAnswer:
    """A good answer: the page, how many badges had to be left out, how many warnings came along."""

    page: BadgesPage
    left_out: int
    warnings: int
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BadgesEndpoint:
    """Where the badges API is and how calls to it are attributed (headers by name)."""

    base_url: str
    attribution: Mapping[str, str]

    def request(self, customer: Customer, query: BadgesQuery) -> GatewayRequest:
        """Make the request for a customer's badges, still without a credential."""
        headers = {"Accept": "application/json", **self.attribution}
        if customer.identifier is not Identifier.CUSTOMER_ID:
            headers["X-CAP-CUSTOMER-IDENTIFIER"] = customer.identifier.value
        segment = quote(customer.value, safe="")
        url = f"{self.base_url}{_PATH}{segment}?{_parameters(query)}"
        return GatewayRequest(url=url, headers=headers)


def basic_password(password: str) -> str:
    """Make what the gateway takes for a password in basic authentication: its MD5, in hex."""
    return hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()


def interpret(answer: RawAnswer, query: BadgesQuery, *, now: float) -> GatewayAnswer:
    """Say what an answer means: its body codes are more telling than its HTTP status.

    Raises:
        GatewayError: it is not a badges answer; the failure says in which way.

    """
    document = parse_json(answer.body)
    failure = answer_failure(document, answer.status, answer.headers) or _body_failure(document)
    if failure is not None:
        pause = retry_after(answer.headers.get("retry-after"), now=now)
        raise GatewayError(failure, retry_after=pause, request_id=answer.request_id)
    return _good_answer(document, answer.request_id, query)


def retry_after(value: str | None, *, now: float) -> float | None:
    """Read a Retry-After header (RFC 9110 section 10.2.3) as seconds from `now`, if readable."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
        # The obsolete form without a zone is in UTC all the same (section 5.6.7).
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - now)
    except (ValueError, OverflowError):
        return None


def answer_failure(document: Any, status: int, headers: Mapping[str, str]) -> Failure | None:
    """Classify an answer of any endpoint by its body's codes, then its status; None if good."""
    codes = frozenset(error_codes(document))
    failure = _code_failure(codes) or _status_failure(status, headers)
    return Failure.UNREADABLE if failure is None and document is NOT_JSON else failure


def _status_failure(status: int, headers: Mapping[str, str]) -> Failure | None:
    """Classify an HTTP status; None for 200."""
    if status == HTTPStatus.OK:
        return None
    asks_for_pause = status == HTTPStatus.SERVICE_UNAVAILABLE and "retry-after" in headers
    if status == HTTPStatus.TOO_MANY_REQUESTS or asks_for_pause:
        return Failure.LIMITED
    if status in _TOKEN_REJECTED:
        return Failure.TOKEN_REJECTED
    if status == HTTPStatus.FORBIDDEN:
        return Failure.FORBIDDEN
    if status in _PASSING:
        return Failure.UNREACHABLE
    is_server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Failure.SERVER_ERROR if is_server_error else Failure.UNEXPECTED


def _code_failure(codes: frozenset[int]) -> Failure | None:
    """Classify the error codes of a body, where they are among the documented ones."""
    if codes & _UNKNOWN_CUSTOMER:
        return Failure.CUSTOMER_UNKNOWN
    if codes & _TOKEN_REJECTED:
        return Failure.TOKEN_REJECTED
    if _NO_ACCESS in codes:
        return Failure.FORBIDDEN
    return Failure.LIMITED if _AUTHORISATION_BUSY in codes else None


def _body_failure(document: Any) -> Failure | None:
    """Classify the body of a 200, which may carry errors and no data all the same."""
    if not isinstance(document, dict):
        return Failure.WRONG_SHAPE
    if document.get("errors"):
        return Failure.UNEXPECTED
    data = document.get("data")
    has_list = isinstance(data, dict) and isinstance(data.get("customerBadges"), list)
    return None if has_list else Failure.WRONG_SHAPE


def error_codes(document: Any) -> Iterator[int]:
    """Yield the error codes of a body, which come as numbers or texts.

    They are in its `errors`, or in a body that is an error itself, or in its `status`: the
    documentation does not say.
    """
    if not isinstance(document, dict):
        return
    errors = document.get("errors")
    listed = errors if isinstance(errors, list) else [errors]
    for error in (*listed, document, document.get("status")):
        code = error.get("code") if isinstance(error, dict) else None
        if type(code) is int:
            yield code
        elif isinstance(code, str) and code.isascii() and code.isdigit():
            yield int(code[:9])


def _good_answer(document: Any, request_id: str | None, query: BadgesQuery) -> GatewayAnswer:
    raw_badges: list[Any] = document["data"]["customerBadges"]
    badges = [
        badge
        for raw in raw_badges
        if (badge := normalise_badge(raw, ownership=query.ownership)) is not None
    ]
    warnings = document.get("warnings")
    return GatewayAnswer(
        page=BadgesPage(badges, _page(document["data"].get("pagination"), query)),
        left_out=len(raw_badges) - len(badges),
        warnings=len(warnings) if isinstance(warnings, list) else 0,
        request_id=request_id,
    )


def _page(pagination: Any, query: BadgesQuery) -> Page:
    total = total_items(pagination)
    pages = None if total is None else -(-total // query.size)
    return Page(number=query.page, size=query.size, total_items=total, total_pages=pages)
