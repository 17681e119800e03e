"""Who is calling: credentials are verified once, then remembered for a short while."""

import asyncio
import hashlib
from dataclasses import dataclass

from app.domain.identity import Customer, IdentityUnavailableError, InvalidCredentialError
from app.protocol.credentials import (
    MAX_TOKEN_LENGTH,
    IssuerRules,
    UnknownKeyError,
    UnverifiedToken,
    VerifiedClaims,
    customer_of,
    take_apart,
    verify,
)
from app.protocol.key_sets import KeySet
from app.services import deadlines
from app.services.issuer_keys import IssuerKeys
from app.services.ports import Clock

REMEMBERED_FOR = 60.0
_SPREAD = 0.25
_MAX_REMEMBERED = 10_000
_TRY_AGAIN_AFTER = 5.0
# Verifications in a turn of the event loop: they take some 0.1 ms each.
_IN_A_TURN = 16


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer whose credentials are accepted: its rules and its keys."""

    rules: IssuerRules
    keys: IssuerKeys


@dataclass(frozen=True, slots=True)
class _Remembered:
    """The customer of a verified token: until when, and under which keys."""

    customer: Customer
    until: float
    issuer: Issuer
    keys: KeySet


class Authenticator:
    """Tells which customer a bearer token speaks for.

    A verification costs more than all else that a cached answer needs, so its outcome is kept under
    the SHA-256 of the token for at most `REMEMBERED_FOR` seconds (up to a quarter less: the token
    decides), never past its expiry, and only while the keys are the same. The oldest of
    `_MAX_REMEMBERED` gives way.
    """

    def __init__(self, *, issuers: tuple[Issuer, ...], clock: Clock) -> None:
        self._issuers = issuers
        self._clock = clock
        self._remembered: dict[bytes, _Remembered] = {}
        self._turns = asyncio.Semaphore(_IN_A_TURN)

    def remembered(self, token: str) -> Customer | None:
        """Return the customer of a bearer token that was verified a short while ago.

        Raises:
            InvalidCredentialError: it can't be one.

        """
        fingerprint = _fingerprint(token)
        known = self._remembered.get(fingerprint)
        if known is None:
            return None
        if self._clock() < known.until and known.issuer.keys.at_hand is known.keys:
            return known.customer
        del self._remembered[fingerprint]
        return None

    async def authenticate(self, token: str, *, until: float) -> Customer:
        """Verify a bearer token and find its customer; `until` is a deadline in the loop's time.

        Raises:
            InvalidCredentialError: it was judged and failed.
            InsufficientScopeError, NoCustomerIdentityError: it is good, but not for this.
            IdentityUnavailableError: it can't be judged now.

        """
        fingerprint = _fingerprint(token)
        try:
            async with deadlines.until(until):
                return await self._judge(take_apart(token), fingerprint)
        except TimeoutError:
            raise IdentityUnavailableError(_TRY_AGAIN_AFTER) from None

    async def _judge(self, token: UnverifiedToken, fingerprint: bytes) -> Customer:
        issuer = self._issuer_of(token)
        keys = await issuer.keys.current()
        await self._turn()
        try:
            verified = verify(token, issuer.rules, keys, now=self._clock())
        except UnknownKeyError:
            keys = await issuer.keys.renewed()
            verified = self._verify_again(token, issuer.rules, keys)
        customer = customer_of(verified, issuer.rules)
        self._remember(fingerprint, customer, verified, issuer, keys)
        return customer

    async def _turn(self) -> None:
        """Wait for one's turn: a crowd of new tokens must not hold the event loop up."""
        async with self._turns:
            await asyncio.sleep(0)

    def _issuer_of(self, token: UnverifiedToken) -> Issuer:
        for issuer in self._issuers:
            if token.is_for(issuer.rules):
                return issuer
        raise InvalidCredentialError("iss or aud")

    def _verify_again(
        self, token: UnverifiedToken, rules: IssuerRules, keys: KeySet
    ) -> VerifiedClaims:
        """Verify under keys that were fetched just now: a key that is missing there is no key."""
        try:
            return verify(token, rules, keys, now=self._clock())
        except UnknownKeyError:
            raise InvalidCredentialError("kid") from None

    def _remember(
        self,
        fingerprint: bytes,
        customer: Customer,
        verified: VerifiedClaims,
        issuer: Issuer,
        keys: KeySet,
    ) -> None:
        if len(self._remembered) >= _MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        # What was verified together, as after a start, is not to be verified together again.
        share = 1 - _SPREAD * fingerprint[0] / 255
        until = min(self._clock() + REMEMBERED_FOR * share, verified.expires_at)
        self._remembered[fingerprint] = _Remembered(customer, until, issuer, keys)


def _fingerprint(token: str) -> bytes:
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise InvalidCredentialError("size or characters")
    return hashlib.sha256(token.encode()).digest()
