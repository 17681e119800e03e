"""Callers' credentials: JWTs (RFC 7519, RFC 9068) verified against an issuer's key set.

Every check is written out here; nothing is left to a library's default. joserfc does the
cryptography alone.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry, deserialize_compact

from app.domain.identity import (
    Customer,
    Identifier,
    InsufficientScopeError,
    InvalidCredentialError,
    NoCustomerIdentityError,
)
from app.protocol.key_sets import KeySet

LEEWAY = 30.0
MAX_TOKEN_LENGTH = 8192
_MAX_VALUE_BYTES = 256
_FAR_FUTURE = 2.0**53
_TYPES = frozenset({"at+jwt", "application/at+jwt", "jwt"})
_FORBIDDEN_CHARACTERS = frozenset("/\\?#%")
_VERIFIED_BY: Mapping[Identifier, str] = {
    Identifier.EMAIL: "email_verified",
    Identifier.MOBILE: "phone_number_verified",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerRules:
    """What is asked of the credentials of one issuer, and which claim names the customer.

    `scope` holds the scopes that are required, separated by spaces.
    """

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    identifier: Identifier
    claim: str
    scope: str = ""


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """Claims whose signature, issuer, audience and times were checked. Only `verify` makes them."""

    claims: Mapping[str, Any]
    expires_at: float


class UnknownKeyError(Exception):
    """The key set holds no key with the credential's key id: it may be newer than the set."""


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token taken apart. Nothing in it is to be believed: it serves to find the keys."""

    text: str
    algorithm: str
    key_id: str | None
    claims: Mapping[str, Any]

    def is_for(self, rules: IssuerRules) -> bool:
        """Whether the token says that it is of this issuer and for this audience."""
        audience = self.claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        return self.claims.get("iss") == rules.issuer and rules.audience in audiences


class _Registry(JWSRegistry):
    """Allows exactly the configured algorithms, EdDSA too (whose name RFC 9864 deprecates).

    Its limits on parts of a token give way to ours on the whole: a header may carry certificates,
    and the signature of a large key has its length.
    """

    max_header_length = MAX_TOKEN_LENGTH
    max_signature_length = MAX_TOKEN_LENGTH

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


def take_apart(text: str) -> UnverifiedToken:
    """Split a token and read its header and claims, believing neither.

    Raises:
        InvalidCredentialError: it is no JWT of an acceptable form.

    """
    parts = text.split(".")
    if len(text) > MAX_TOKEN_LENGTH or len(parts) != 3:  # noqa: PLR2004
        raise InvalidCredentialError("not a compact JWS")
    header, claims = _segment(parts[0]), _segment(parts[1])
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or not isinstance(key_id, str | None):
        raise InvalidCredentialError("header")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise InvalidCredentialError("typ")
    # RFC 7515 section 4.1.11: an extension that is not understood (we understand none) is refused.
    if "crit" in header or "b64" in header:
        raise InvalidCredentialError("crit")
    return UnverifiedToken(text, algorithm, key_id, claims)


def _segment(text: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise InvalidCredentialError("not base64url JSON") from None
    if not isinstance(value, dict):
        raise InvalidCredentialError("not a JSON object")
    return value


def verify(
    token: UnverifiedToken, rules: IssuerRules, keys: KeySet, *, now: float
) -> VerifiedClaims:
    """Verify a token: algorithm, signature, issuer, audience, expiry, not-before.

    Raises:
        InvalidCredentialError: a check failed.
        UnknownKeyError: no key fits, but one that is newer than the set may.

    """
    if token.algorithm not in rules.algorithms:
        raise InvalidCredentialError("alg")
    if not token.is_for(rules):
        raise InvalidCredentialError("iss or aud")
    expires_at = _check_times(token.claims, now=now)
    candidates = keys.candidates(token.algorithm, token.key_id)
    if any(_signed_by(token, key, rules) for key in candidates):
        return VerifiedClaims(token.claims, expires_at)
    # Without a key id, or under one that the set does not hold, its key may be newer than the set.
    if token.key_id is None or all(key.get("kid") != token.key_id for key in keys.keys):
        raise UnknownKeyError
    raise InvalidCredentialError("signature")


def _check_times(claims: Mapping[str, Any], *, now: float) -> float:
    """Check `exp` (required) and `nbf` with leeway (RFC 7519 section 4.1); return the expiry."""
    expires_at, not_before = _numeric_date(claims.get("exp")), _numeric_date(claims.get("nbf", 0))
    if expires_at + LEEWAY <= now:
        raise InvalidCredentialError("expired")
    if not_before - LEEWAY > now:
        raise InvalidCredentialError("not yet valid")
    return expires_at


def _numeric_date(value: Any) -> float:
    """Read a NumericDate (RFC 7519 section 2): seconds since 1970, as any JSON number."""
    if type(value) not in (int, float):
        raise InvalidCredentialError("exp or nbf")
    return float(max(-_FAR_FUTURE, min(value, _FAR_FUTURE)))


def _signed_by(token: UnverifiedToken, key: Key, rules: IssuerRules) -> bool:
    registry = _Registry(algorithms=rules.algorithms, strict_check_header=False)
    # joserfc lets the TypeError, ValueError or AttributeError of a malformed header through.
    try:
        deserialize_compact(token.text, key, registry=registry)
    except (JoseError, TypeError, ValueError, AttributeError):
        return False
    return True


def customer_of(verified: VerifiedClaims, rules: IssuerRules) -> Customer:
    """Find out which customer verified claims speak for.

    Raises:
        InsufficientScopeError: a required scope is missing.
        NoCustomerIdentityError: no claim names a customer in a way that is safe to send on.

    """
    if not set(rules.scope.split()) <= _scopes(verified.claims):
        raise InsufficientScopeError(rules.scope)
    value = _identity(verified.claims, rules)
    if value is None or not _is_safe_segment(value):
        raise NoCustomerIdentityError
    return Customer(rules.identifier, value)


def _scopes(claims: Mapping[str, Any]) -> set[str]:
    """Collect the granted scopes: `scope` (RFC 8693 section 4.2), or `scp`, text or list."""
    granted: set[str] = set()
    for scopes in (claims.get("scope"), claims.get("scp")):
        texts = scopes if isinstance(scopes, list) else [scopes]
        granted.update(*(text.split() for text in texts if isinstance(text, str)))
    return granted


def _identity(claims: Mapping[str, Any], rules: IssuerRules) -> str | None:
    """Read the claim that names the customer; None if it is absent, unverified or unreadable."""
    value = claims.get(rules.claim)
    if rules.identifier is Identifier.CUSTOMER_ID and type(value) is int:
        return str(value)
    verified_by = _VERIFIED_BY.get(rules.identifier)
    if not isinstance(value, str) or (verified_by and claims.get(verified_by) is not True):
        return None
    if rules.identifier is Identifier.MOBILE:
        # The gateway wants digits with the country code and no plus.
        digits = value.removeprefix("+")
        return digits if re.fullmatch(r"[0-9]+", digits) else None
    return value


def _is_safe_segment(value: str) -> bool:
    """Whether a value stays inside its path segment even if somebody on the way decodes it.

    Our token opens every customer, so `..` or an encoded slash must never reach the gateway.
    """
    return (
        0 < len(value.encode()) <= _MAX_VALUE_BYTES
        and value not in (".", "..")
        and not any(c in _FORBIDDEN_CHARACTERS or unicodedata.category(c) == "Cc" for c in value)
    )
