"""The gateway's tokens: what an endpoint of either form answers, and how long a token is good.

Capillary's own form is JSON `{"key", "secret"}`, answered by `{"data": {"accessToken",
"ttlSeconds"}}`; the other is RFC 6749 section 4.4.
"""

import base64
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from app.domain.failures import Failure, GatewayError
from app.protocol.gateway import answer_failure, error_codes, retry_after
from app.protocol.tolerant_json import parse_json

DEFAULT_LIFE = 300.0
_MAX_LIFE = 30 * 86400.0
# RFC 6749 section 5.2, and what an endpoint that does not follow it answers to wrong credentials.
_REFUSALS = ("invalid_client", "unauthorized_client", "invalid_grant", "access_denied")
_INVALID_KEY = 320001
# What a failure means here: this call carries no token, and knows no customers.
_OF_A_TOKEN_CALL: Mapping[Failure, Failure] = {
    Failure.TOKEN_REJECTED: Failure.CREDENTIALS_REFUSED,
    Failure.FORBIDDEN: Failure.CREDENTIALS_REFUSED,
    Failure.CUSTOMER_UNKNOWN: Failure.UNEXPECTED,
}
_FIT_FOR_HEADER = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayToken:
    """A token of the gateway; `expires_at` in seconds since 1970."""

    value: str = field(repr=False)
    expires_at: float


def capillary_request(key: str, secret: str) -> str:
    """Write the body of Capillary's token request."""
    return msgspec.json.encode({"key": key, "secret": secret}).decode()


def standard_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, now: float
) -> dict[str, Any]:
    """Bring a good token answer of either form into RFC 6749's; an unreadable lifetime is dropped.

    Raises:
        GatewayError: the credentials were refused, or the answer holds no token.

    """
    document = parse_json(body)
    token, life = _token_and_life(document)
    if (
        status != HTTPStatus.OK
        or not isinstance(token, str)
        or not _FIT_FOR_HEADER.fullmatch(token)
    ):
        pause = retry_after(headers.get("retry-after"), now=now)
        raise GatewayError(_failure(status, headers, document), retry_after=pause)
    answer = {"access_token": token, "token_type": "Bearer"}
    return answer if life is None else answer | {"expires_in": life}


def gateway_token(answer: Mapping[str, Any], *, now: float) -> GatewayToken:
    """Make a token of a standard answer.

    It lives as long as the answer says, else as long as the token itself says if it is a JWT, else
    for `DEFAULT_LIFE`.
    """
    value: str = answer["access_token"]
    life = answer.get("expires_in") or _jwt_life(value, now=now) or DEFAULT_LIFE
    return GatewayToken(value=value, expires_at=now + min(life, _MAX_LIFE))


def _token_and_life(document: Any) -> tuple[Any, int | None]:
    """Find the token and its lifetime in an answer of either form."""
    if not isinstance(document, dict):
        return None, None
    data = document.get("data")
    if isinstance(data, dict):
        return data.get("accessToken"), _life(data.get("ttlSeconds"))
    return document.get("access_token"), _life(document.get("expires_in"))


def _failure(status: int, headers: Mapping[str, str], document: Any) -> Failure:
    error = document.get("error") if isinstance(document, dict) else None
    if error in _REFUSALS or _INVALID_KEY in error_codes(document):
        return Failure.CREDENTIALS_REFUSED
    failure = answer_failure(document, status, headers) or Failure.WRONG_SHAPE
    return _OF_A_TOKEN_CALL.get(failure, failure)


def _life(value: Any) -> int | None:
    """Read a lifetime in seconds, which some endpoints send as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:9])
    usable = type(value) in (int, float) and 1 <= value < math.inf
    return int(min(value, _MAX_LIFE)) if usable else None


def _jwt_life(token: str, *, now: float) -> float | None:
    """Read how long a JWT is still good (RFC 7519 section 4.1.4); None if it is no JWT or over."""
    try:
        payload = token.split(".")[1]
        claims = parse_json(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        life = float(claims["exp"]) - now
    except (IndexError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return life if 0 < life < math.inf else None
