"""The gateway's credentials: fetched once, replaced in time, forgotten when refused."""

import asyncio
from collections.abc import Callable

import pytest

from app.adapters.memory_store import MemoryStore
from app.domain.failures import Failure, GatewayError
from app.protocol.tokens import GatewayToken
from app.services.credentials import (
    COOL_DOWN,
    Credential,
    FixedCredential,
    TokenCredentials,
)
from app.services.pushback import REFUSED_FOR, Pushback
from app.services.retries import Retries, RetryBudget


class Endpoint:
    """Hands out numbered tokens that live for a given time, or fails."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.life = 300.0
        self.calls = 0
        self.failure: Failure | None = None
        self.failures: list[Failure] = []

    def clock(self) -> float:
        """Tell the time."""
        return self.now

    def __getattr__(self, notice: str) -> Callable[..., None]:
        """Be an observer who does not listen."""
        return lambda *_: None

    async def fetch(self) -> GatewayToken:
        """Hand out a token."""
        self.calls += 1
        await asyncio.sleep(0)
        failure = self.failures.pop() if self.failures else self.failure
        if failure is not None:
            raise GatewayError(failure)
        return GatewayToken(value=f"t{self.calls}", expires_at=self.now + self.life)


@pytest.fixture
def endpoint() -> Endpoint:
    """A token endpoint."""
    return Endpoint()


@pytest.fixture
def pushback(endpoint: Endpoint) -> Pushback:
    """What the endpoint says about being asked."""
    store = MemoryStore(clock=endpoint.clock)
    return Pushback(store=store, name="pause", timer=endpoint.clock, observer=endpoint)


@pytest.fixture
def credentials(endpoint: Endpoint, pushback: Pushback) -> TokenCredentials:
    """Credentials of that endpoint."""
    budget = RetryBudget(timer=endpoint.clock)
    return TokenCredentials(
        endpoint=endpoint,
        header="H",
        prefix="p ",
        pushback=pushback,
        retries=Retries(most=2, budget=budget, observer=endpoint),
        timeout=5.0,
        clock=endpoint.clock,
        timer=endpoint.clock,
        observer=endpoint,
    )


async def test_one_call_for_all(endpoint: Endpoint, credentials: TokenCredentials) -> None:
    """Callers at the same time and callers later use one token, as the header wants it."""
    first = await asyncio.gather(*(credentials.current() for _ in range(20)))
    later = await credentials.current()

    assert {*first, later} == {Credential("H", "p t1")}
    assert endpoint.calls == 1


@pytest.mark.parametrize(("life", "renewed_after"), [(300.0, 240.0), (100.0, 80.0), (10.0, 8.0)])
async def test_replaced_in_time(
    endpoint: Endpoint, credentials: TokenCredentials, life: float, renewed_after: float
) -> None:
    """A token is replaced a minute before it expires, a short one after four fifths of its life."""
    endpoint.life = life
    await credentials.current()

    endpoint.now += renewed_after - 0.1
    await credentials.current()
    assert endpoint.calls == 1
    endpoint.now += 0.1
    assert (await credentials.current()).value == "p t1"
    await asyncio.sleep(0.01)
    assert (await credentials.current()).value == "p t2"
    assert endpoint.calls == 2


async def test_a_good_token_outlives_a_failing_endpoint(
    endpoint: Endpoint, credentials: TokenCredentials
) -> None:
    """Until it expires the old token serves; the endpoint is asked again after a cool-down."""
    await credentials.current()
    endpoint.failure = Failure.UNEXPECTED
    endpoint.now += 250

    for _ in range(5):
        assert (await credentials.current()).value == "p t1"
        await asyncio.sleep(0.001)
    assert endpoint.calls == 2

    endpoint.now += 50
    with pytest.raises(GatewayError):
        await credentials.current()


async def test_only_the_current_token_is_forgotten(
    endpoint: Endpoint, credentials: TokenCredentials
) -> None:
    """A refusal of a token that was replaced already does not throw the new one away."""
    old = await credentials.current()
    assert credentials.reject(old)
    new = await credentials.current()

    assert credentials.reject(old)

    assert await credentials.current() == new
    assert endpoint.calls == 2


async def test_wrong_credentials_are_not_sent_again_and_again(
    endpoint: Endpoint, credentials: TokenCredentials, pushback: Pushback
) -> None:
    """`refused` tells of wrong credentials alone; the endpoint is not hammered, nor given up."""
    endpoint.failure = Failure.UNEXPECTED
    with pytest.raises(GatewayError):
        await credentials.current()
    assert not pushback.refused

    endpoint.now += COOL_DOWN
    endpoint.failure = Failure.CREDENTIALS_REFUSED
    for _ in range(5):
        with pytest.raises(GatewayError):
            await credentials.current()
        endpoint.now += COOL_DOWN
    assert pushback.refused
    assert endpoint.calls == 2

    endpoint.now += REFUSED_FOR
    assert not pushback.refused
    endpoint.failure = None
    await credentials.current()


async def test_a_failed_token_call_is_retried(
    endpoint: Endpoint, credentials: TokenCredentials
) -> None:
    """A connection that broke once costs the callers a moment, and no error."""
    endpoint.failures = [Failure.UNREACHABLE]

    assert (await credentials.current()).value == "p t2"


async def test_a_cancelled_caller_does_not_end_the_fetch(
    endpoint: Endpoint, credentials: TokenCredentials
) -> None:
    """Whoever asked first may leave; the others get the token of that one call."""
    first = asyncio.create_task(credentials.current())
    second = asyncio.create_task(credentials.current())
    await asyncio.sleep(0)
    first.cancel()

    assert (await second).value == "p t1"
    assert endpoint.calls == 1


async def test_a_fixed_credential_can_only_be_refused() -> None:
    """Basic authentication has no other credential to try."""
    fixed = FixedCredential(Credential("Authorization", "Basic x"))

    assert not fixed.reject(await fixed.current())


def test_a_credential_hides_in_its_repr() -> None:
    """Neither a log nor a traceback shows a credential by accident."""
    assert "secret" not in repr(Credential("H", "secret"))
    assert "secret" not in repr(GatewayToken(value="secret", expires_at=1.0))


async def test_a_remembered_failure_holds_on_to_nobody(
    endpoint: Endpoint, credentials: TokenCredentials
) -> None:
    """Each caller gets an error of his own: a shared one would keep the frames of all."""
    endpoint.failure = Failure.UNEXPECTED
    raised = []
    for _ in range(3):
        with pytest.raises(GatewayError) as caught:
            await credentials.current()
        raised.append(caught.value)

    assert endpoint.calls == 1
    assert len({id(error) for error in raised}) == 3
    assert {error.failure for error in raised} == {Failure.UNEXPECTED}
