"""Judging credentials: how long a caller waits for an issuer."""

import asyncio
import json
from itertools import pairwise
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


class Published:
    """An issuer's keys, at hand at once."""

    def __init__(self, *keys: SigningKey) -> None:
        self._body = json.dumps({"keys": [key.public() for key in keys]}).encode()

    async def fetch(self, *, revalidate: bool) -> KeyDocument:  # noqa: ARG002 - a port
        """Return them."""
        return KeyDocument(self._body, remembered=False)


RULES = IssuerRules(
    issuer="https://i",
    audience="badges",
    algorithms=("RS256",),
    identifier=Identifier.CUSTOMER_ID,
    claim="customer_id",
)


def issuer_of(key: SigningKey) -> StandInIssuer:
    """Make the issuer that the rules name."""
    return StandInIssuer(issuer_url="https://i", audience="badges", keys=[key])


async def test_a_crowd_of_new_tokens_leaves_room_for_others(signing_key: SigningKey) -> None:
    """Few verifications are done in a turn of the event loop, however many want one at once."""
    issuer, silence = issuer_of(signing_key), Silence()
    keys = IssuerKeys(
        issuer="https://i",
        documents=Published(signing_key),
        timer=issuer.clock,
        observer=silence,
    )
    authenticator = Authenticator(issuers=(Issuer(RULES, keys),), clock=issuer.clock)
    until = asyncio.get_running_loop().time() + 60
    customer = await authenticator.authenticate(issuer.token(), until=until)
    tokens = [issuer.token(sub=f"user-{number}") for number in range(100)]
    crowd = [asyncio.create_task(authenticator.authenticate(each, until=until)) for each in tokens]
    done = [0]

    while done[-1] < len(tokens):
        await asyncio.sleep(0)
        done.append(sum(task.done() for task in crowd))

    assert 0 < max(after - before for before, after in pairwise(done)) <= 16
    assert [task.result() for task in crowd] == [customer] * len(tokens)
    await keys.close()


async def test_no_caller_waits_longer_than_the_deadline(signing_key: SigningKey) -> None:
    """A credential that can't be judged within the deadline is not judged now."""
    issuer, silence = issuer_of(signing_key), Silence()
    keys = IssuerKeys(issuer="https://i", documents=silence, timer=issuer.clock, observer=silence)
    authenticator = Authenticator(issuers=(Issuer(RULES, keys),), clock=issuer.clock)
    started = perf_counter()
    until = asyncio.get_running_loop().time() + 0.05

    with pytest.raises(IdentityUnavailableError):
        await authenticator.authenticate(issuer.token(), until=until)

    assert perf_counter() - started < 1
    await keys.close()
