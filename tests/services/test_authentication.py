"""Judging credentials: how long a caller waits for an issuer."""

import asyncio
from time import perf_counter

import pytest

from app.domain.identity import Identifier, IdentityUnavailableError
from app.protocol.credentials import IssuerRules
from app.sandbox.identity import SigningKey, StandInIssuer
from app.services.authentication import Authenticator, Issuer
from app.services.issuer_keys import IssuerKeys
from app.services.ports import KeyDocument


class Silence:
    """An issuer that never answers, and an observer that is told nothing."""

    async def fetch(self, *, revalidate: bool) -> KeyDocument:  # noqa: ARG002 - a port
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError

    def keys_failed(self, issuer: str) -> None:
        """Be told of a failure."""
        raise AssertionError(issuer)


async def test_no_caller_waits_longer_than_the_deadline(signing_key: SigningKey) -> None:
    """A credential that can't be judged within the deadline is not judged now."""
    issuer = StandInIssuer(issuer_url="https://i", audience="badges", keys=[signing_key])
    rules = IssuerRules(
        issuer="https://i",
        audience="badges",
        algorithms=("RS256",),
        identifier=Identifier.CUSTOMER_ID,
        claim="customer_id",
    )
    silence = Silence()
    keys = IssuerKeys(issuer="https://i", documents=silence, timer=issuer.clock, observer=silence)
    authenticator = Authenticator(issuers=(Issuer(rules, keys),), clock=issuer.clock)
    started = perf_counter()
    until = asyncio.get_running_loop().time() + 0.05

    with pytest.raises(IdentityUnavailableError):
        await authenticator.authenticate(issuer.token(), until=until)

    assert perf_counter() - started < 1
    await keys.close()
