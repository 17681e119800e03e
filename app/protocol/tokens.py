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
from app.protocol.gateway import error_codes, parse_json, status_failure

DEFAULT_LIFE = 300.0
_MAX_LIFE = 30 * 86400.0
# RFC 6749 section 5.2, and what an endpoint that does not follow it answers to wrong credentials.
_REFUSALS = ("invalid_client", "unauthorized_client", "invalid_grant", "access_denied")
_INVALID_KEY = 320001
_FIT_FOR_HEADER = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayToken:
    """A token of the gateway; `expires_at` in seconds since 1970."""

    value: str = field(repr=False)
    expires_at: float


def capillary_request(key: str, secret: str) -> str:
    """Write the body of Capillary's token request."""
    return msgspec.json.encode({"key": key, "secret": secret}).decode()


def standard_answer(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Bring a good token answer of either form into RFC 6749's; an unreadable lifetime is dropped.

    Raises:
        GatewayError: the credentials were refused, or the answer holds no token.

    """
    document = parse_json(body)
    if not isinstance(document, dict):
        document = {}
    data = document.get("data")
    if isinstance(data, dict):
        document = {"access_token": data.get("accessToken"), "expires_in": data.get("ttlSeconds")}
    token = document.get("access_token")
    if (
        status != HTTPStatus.OK
        or not isinstance(token, str)
        or not _FIT_FOR_HEADER.fullmatch(token)
    ):
        raise GatewayError(_failure(status, headers, document))
    answer = {"access_token": token, "token_type": "Bearer"}
    life = _life(document.get("expires_in"))
    return answer if life is None else answer | {"expires_in": life}


def gateway_token(answer: Mapping[str, Any], *, now: float) -> GatewayToken:
    """Make a token of a standard answer.

    It lives as long as the answer says, else as long as the token itself says if it is a JWT, else
    for `DEFAULT_LIFE`.
    """
    value: str = answer["access_token"]
    life = answer.get("expires_in") or _jwt_life(value, now=now) or DEFAULT_LIFE
    return GatewayToken(value=value, expires_at=now + min(life, _MAX_LIFE))


def _failure(status: int, headers: Mapping[str, str], document: Mapping[str, Any]) -> Failure:
    errors = frozenset(error_codes(document))
    if _INVALID_KEY in errors or document.get("error") in _REFUSALS:
        return Failure.CREDENTIALS_REFUSED
    failure = status_failure(status, headers)
    if failure in (Failure.TOKEN_REJECTED, Failure.FORBIDDEN):
        return Failure.CREDENTIALS_REFUSED
    return failure or Failure.WRONG_SHAPE


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
    except (IndexError, KeyError, TypeError, ValueError):
        return None
    return life if 0 < life < math.inf else None
