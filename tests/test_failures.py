"""The failure table, replayed: each row against the running service, over real HTTP."""

import asyncio
import re

import pytest
from house import House, eventually
from misbehaviours import PAGE, ROWS, Misbehaviour, answering, errors, hang

from app.domain.failures import TREATMENTS, Failure


def test_every_row_is_replayed() -> None:
    """The replay leaves no row of the table out."""
    # A rejected token is replayed once, and then it is the credentials that are refused; calls that
    # are not made have no answer to replay.
    elsewhere = {Failure.TOKEN_REJECTED, Failure.CIRCUIT_OPEN, Failure.OVERLOADED}
    assert {row[1] for row in ROWS} | elsewhere == set(TREATMENTS)


@pytest.mark.parametrize(
    ("failure", "misbehaviour", "status", "code"),
    [row[1:] for row in ROWS],
    ids=[r[0] for r in ROWS],
)
async def test_a_failure_without_stale_entry(
    house: House, failure: Failure, misbehaviour: Misbehaviour, status: int, code: str
) -> None:
    """The caller gets the row's problem, with nothing of the gateway's text; the log names it."""
    service = await house.start(BFF_GATEWAY__TIMEOUT="0.5" if misbehaviour is hang else "5")
    house.gateway.behaviour = misbehaviour

    reply = await service.get()

    assert (reply.status, reply.code) == (status, code)
    assert ("Retry-After" in reply.headers) == (status == 503)
    # The fetch ends by itself: a moment later, if both of them ran out of time.
    await eventually(lambda: bool(house.events("gateway_failed")))
    assert house.events("gateway_failed")[-1]["failure"] == failure.value
    assert b"secret text" not in reply.body + house.log.getvalue()


@pytest.mark.parametrize(
    "misbehaviour",
    [row[2] for row in ROWS if row[3] != 404],
    ids=[r[0] for r in ROWS if r[3] != 404],
)
async def test_a_failure_with_a_stale_entry(house: House, misbehaviour: Misbehaviour) -> None:
    """While an entry may be served stale, no failure of the gateway is an error."""
    service = await house.start(BFF_GATEWAY__TIMEOUT="0.5", BFF_GATEWAY__SOFT_TIMEOUT="0.2")
    fresh = await service.get()
    house.clock.advance(360)
    house.gateway.behaviour = misbehaviour

    reply = await service.get()

    assert (reply.status, reply.body) == (200, fresh.body)
    assert re.fullmatch(r"fwd=stale; ttl=-30[0-6]; detail=stale-if-error", reply.cache)
    assert reply.headers["Age"] == "360"


async def test_a_customer_who_is_no_more_is_not_served_stale(house: House) -> None:
    """That the customer is unknown replaces the stale entry, and is remembered for a while."""
    service = await house.start()
    await service.get()
    house.clock.advance(361)
    house.gateway.behaviour = answering(200, errors(1026))

    assert (await service.get()).code == "customer-not-found"
    assert (await service.get()).code == "customer-not-found"
    assert len(house.gateway.badge_calls) == 2

    house.gateway.behaviour = None
    house.clock.advance(31)
    assert (await service.get()).status == 200


async def test_an_entry_is_not_served_for_ever(house: House) -> None:
    """Older than `fresh_for + stale_for`, an entry is worth nothing."""
    service = await house.start(BFF_CACHE__STALE_FOR="100", BFF_CACHE__REVALIDATE_FOR="50")
    await service.get()
    house.clock.advance(161)
    house.gateway.behaviour = answering(500)

    assert (await service.get()).code == "gateway-bad-answer"


async def test_retry_after_is_passed_on(house: House) -> None:
    """The pause that the gateway asks for reaches the caller, in whole seconds."""
    service = await house.start()
    house.gateway.behaviour = answering(429, headers={"Retry-After": "42"})

    assert (await service.get()).headers["Retry-After"] == "42"


async def test_a_rejected_token_is_renewed_once(house: House) -> None:
    """A token that expires early costs one token call and one replay, unseen by the caller."""
    service = await house.start()
    await service.get()
    house.gateway.revoke_tokens()

    reply = await service.get("/me/badges?view=earned")

    assert reply.status == 200
    assert house.gateway.token_calls == 2
    assert len(house.gateway.badge_calls) == 3


@pytest.mark.parametrize(
    "overrides",
    [
        {"BFF_GATEWAY__CLIENT_SECRET": "wrong-secret"},
        {"BFF_GATEWAY__AUTH": "client_credentials", "BFF_GATEWAY__CLIENT_SECRET": "wrong-secret"},
    ],
    ids=["capillary", "client_credentials"],
)
async def test_wrong_credentials(house: House, overrides: dict[str, str]) -> None:
    """Wrong credentials are 503 for callers, and the service is not ready."""
    if overrides.get("BFF_GATEWAY__AUTH"):
        overrides["BFF_GATEWAY__TOKEN_URL"] = str(house.gateway_server.make_url("/oauth/token"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(house.start(**overrides), 0.5)

    assert house.events("token_failed")[0]["failure"] == "credentials-refused"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("path", ["/v3/oauth/token/generate", "/oauth/token"])
async def test_a_failing_token_endpoint(house: House, path: str, status: int) -> None:
    """Without a token a stale entry is served, else a 5xx of the table; never a fault of ours."""
    service = await house.start(
        BFF_GATEWAY__AUTH="capillary" if path.startswith("/v3") else "client_credentials",
        BFF_GATEWAY__TOKEN_URL=str(house.gateway_server.make_url(path)),
    )
    await service.get()
    house.clock.advance(400)
    house.gateway.token_behaviour = answering(status, PAGE)

    assert (await service.get()).cache.endswith("detail=stale-if-error")
    assert (await service.get("/me/badges?size=1")).status in (502, 503)
    assert house.events("token_failed")


@pytest.mark.parametrize("auth", ["capillary", "client_credentials", "basic"])
async def test_all_forms_of_authentication(house: House, auth: str) -> None:
    """Each form opens the gateway, by the header that it wants."""
    path = {"client_credentials": "/oauth/token", "capillary": "/v3/oauth/token/generate"}
    url = str(house.gateway_server.make_url(path[auth])) if auth in path else ""
    service = await house.start(BFF_GATEWAY__AUTH=auth, BFF_GATEWAY__TOKEN_URL=url)

    assert (await service.get()).status == 200
    sent = house.gateway.badge_calls[0].headers
    expected = {"capillary": None, "client_credentials": "Bearer", "basic": "Basic"}[auth]
    assert ("X-CAP-API-OAUTH-TOKEN" in sent) == (auth == "capillary")
    assert sent.get("Authorization", "").split(" ")[0] == (expected or "")
    assert house.gateway.token_calls == (0 if auth == "basic" else 1)
