"""The credentials of the stand-in gateway: tokens it has issued, and how a request carries one."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from urllib.parse import unquote_plus

from joserfc import jwt
from joserfc.jwk import OctKey


class Verdict(Enum):
    """What the gateway makes of a request's credential."""

    GOOD = auto()
    EXPIRED = auto()
    INVALID = auto()


class Form(Enum):
    """Where a token belongs: in the gateway's own header, or in `Authorization: Bearer`."""

    CAPILLARY = "capillary"
    BEARER = "bearer"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientCredentials:
    """What the gateway gives to one of its clients.

    The same pair serves all three forms: key and secret, client id and secret, till and password.
    """

    client_id: str
    client_secret: str

    def match(self, client_id: object, client_secret: object) -> bool:
        """Whether both are right."""
        return (client_id, client_secret) == (self.client_id, self.client_secret)

    def match_basic(self, authorization: str) -> bool:
        """Whether `Authorization: Basic` holds `till:md5(password)`, as the gateway wants it."""
        digest = hashlib.md5(self.client_secret.encode(), usedforsecurity=False).hexdigest()
        expected = f"{self.client_id}:{digest}"
        return hmac.compare_digest(decode_basic(authorization).encode(), expected.encode())


@dataclass(kw_only=True, slots=True)
class IssuedTokens:
    """Every token issued, with its form and its expiry in Unix seconds."""

    _expiries: dict[tuple[Form, str], float] = field(default_factory=dict)
    _key: OctKey = field(default_factory=lambda: OctKey.generate_key(256))

    def issue(self, form: Form, *, now: float, lifetime: float) -> str:
        """Return a new token, a JWT that clients have no business to read."""
        claims = {"iat": int(now), "exp": int(now + lifetime), "jti": secrets.token_hex(8)}
        token = jwt.encode({"alg": "HS256"}, claims, self._key)
        self._expiries[form, token] = now + lifetime
        return token

    def judge(self, form: Form, token: str, *, now: float) -> Verdict:
        """Return whether the token is one of ours, of this form, and still valid."""
        expiry = self._expiries.get((form, token))
        if expiry is None:
            return Verdict.INVALID
        return Verdict.GOOD if now < expiry else Verdict.EXPIRED

    def revoke_all(self) -> None:
        """Forget every token: each is invalid from now on."""
        self._expiries.clear()


def judge_headers(
    headers: Mapping[str, str], *, tokens: IssuedTokens, client: ClientCredentials, now: float
) -> Verdict:
    """Judge the credential in a request's headers, in any of the gateway's three forms."""
    own = headers.get("X-CAP-API-OAUTH-TOKEN")
    if own is not None:
        return tokens.judge(Form.CAPILLARY, own, now=now)
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return tokens.judge(Form.BEARER, value, now=now)
    if scheme.lower() == "basic" and client.match_basic(value):
        return Verdict.GOOD
    return Verdict.INVALID


def decode_basic(value: str) -> str:
    """Return the `user:password` of Basic credentials, or nothing where they are malformed."""
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def client_of(headers: Mapping[str, str], form: Mapping[str, object]) -> tuple[object, object]:
    """Return client id and secret of a token request, from its header or its form.

    RFC 6749, 2.3.1: in the header each is form-encoded before it goes into Basic.
    """
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id"), form.get("client_secret")
    client_id, _, client_secret = decode_basic(value).partition(":")
    return unquote_plus(client_id), unquote_plus(client_secret)
