"""The life of the gateway's token, seen from outside: replaced ahead, refused, never leaked."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter

import pytest
from aiohttp import web
from house import House, Reply, Service, eventually
from raw_gateway import badges_of

from app.sandbox.tokens import ClientCredentials, Form

HEADER = "X-CAP-API-OAUTH-TOKEN"
CALLERS = 100
LIFETIME = 120
OTHERS = ClientCredentials(client_id="till-1", client_secret="another")


async def crowd(service: Service, *, callers: int = CALLERS) -> list[Reply]:
    """Send requests at once that each need a gateway call of their own."""
    pages = range(1, callers + 1)
    return await asyncio.gather(*(service.get(f"/me/badges?page={page}") for page in pages))


def after(delay: float) -> Callable[[web.Request], Awaitable[None]]:
    """Make a behaviour that takes `delay` seconds before all goes on as usual."""

    async def wait(_: web.Request) -> None:
        await asyncio.sleep(delay)

    return wait


def tokens_sent(house: House) -> list[str]:
    """Return the tokens of all badges calls, in order."""
    return [call.headers[HEADER] for call in house.gateway.badge_calls]


async def test_replaced_ahead_and_behind(house: House) -> None:
    """A token that is about to expire is replaced while callers go on with the old one."""
    service = await house.start()
    await service.get()
    house.gateway.token_behaviour = after(0.3)
    house.clock.advance(250)

    started = perf_counter()
    assert (await service.get("/me/badges?page=2")).status == 200
    assert perf_counter() - started < 0.25
    await eventually(lambda: house.gateway.token_calls == 2)
    await asyncio.sleep(0.35)
    await service.get("/me/badges?page=3")

    first, second, third = tokens_sent(house)
    assert first == second != third
    assert all(token.encode() not in house.log.getvalue() for token in (first, third))


async def test_a_crowd_without_a_token(house: House) -> None:
    """A hundred callers who find no token cost one token call."""
    service = await house.start()
    house.gateway.token_behaviour = after(0.1)
    house.clock.advance(400)

    replies = await crowd(service)

    assert {reply.status for reply in replies} == {200}
    assert house.gateway.token_calls == 2
    assert len(set(tokens_sent(house))) == 1


@pytest.mark.parametrize("refusal_status", [None, 200, 401, 498])
@pytest.mark.parametrize("expired", [False, True], ids=["revoked", "expired"])
async def test_a_crowd_with_a_refused_token(
    house: House, refusal_status: int | None, *, expired: bool
) -> None:
    """A hundred calls refused with one token cost one new token, whatever form a refusal has.

    Replays draw on the budget of retries: who gets none there is told to come again.
    """
    service = await house.start()
    house.gateway.refusal_status = refusal_status
    house.gateway.latency = 0.05
    if expired:
        offset = house.gateway.token_lifetime
        house.gateway.clock = lambda: house.clock() + offset
    else:
        house.gateway.revoke_tokens()

    replies = await crowd(service)

    problems = [reply for reply in replies if reply.status != 200]
    assert {(reply.status, reply.code) for reply in problems} <= {(503, "gateway-unavailable")}
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in problems)
    assert len(problems) < CALLERS
    assert house.gateway.token_calls == 2
    assert len(set(tokens_sent(house))) == 2
    house.clock.advance(6)
    assert {reply.status for reply in await crowd(service)} == {200}
    assert house.gateway.token_calls == 2


async def test_a_late_refusal_of_an_old_token(house: House) -> None:
    """Who is refused with a token that was replaced meanwhile goes on with the new one."""
    service = await house.start()
    refused = asyncio.Event()

    async def hold_the_first(request: web.Request) -> None:
        if request.query["page"] == "0" and not refused.is_set():
            await refused.wait()

    house.gateway.behaviour = hold_the_first
    late = asyncio.create_task(service.get("/me/badges?page=1"))
    await eventually(lambda: len(house.gateway.badge_calls) == 1)
    house.gateway.revoke_tokens()
    assert (await service.get("/me/badges?page=2")).status == 200
    refused.set()

    assert (await late).status == 200
    assert house.gateway.token_calls == 2


async def test_a_new_token_that_is_refused_too(house: House) -> None:
    """One renewal, one replay: then it is our credentials that are refused, and callers wait."""
    service = await house.start()

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"errors": [{"code": 401}], "success": "true"})

    house.gateway.behaviour = refuse

    reply = await service.get()

    assert (reply.status, reply.code) == (503, "gateway-unavailable")
    assert int(reply.headers["Retry-After"]) >= 1
    assert house.gateway.token_calls == 2
    assert len(house.gateway.badge_calls) == 2


def capillary(token: str, **life: object) -> dict[str, object]:
    """Make a token answer of the gateway's own form."""
    return {"data": {"accessToken": token, **life}, "errors": None}


def standard(token: str, **life: object) -> dict[str, object]:
    """Make a token answer of RFC 6749 section 5.1."""
    return {"access_token": token, "token_type": "Bearer", **life}


@pytest.mark.parametrize(
    ("form", "opaque", "life", "good_for", "over_after"),
    [
        (capillary, True, {"ttlSeconds": LIFETIME}, 90, 121),
        (capillary, True, {"ttlSeconds": str(LIFETIME)}, 90, 121),
        (capillary, False, {}, 90, 121),
        (capillary, True, {}, 30, 3600),
        (capillary, True, {"ttlSeconds": -1}, 30, 3600),
        (capillary, True, {"ttlSeconds": "soon"}, 30, 3600),
        (standard, True, {"expires_in": LIFETIME}, 90, 121),
        (standard, True, {"expires_in": str(LIFETIME)}, 90, 121),
        (standard, False, {}, 90, 121),
        (standard, True, {"expires_in": None}, 30, 3600),
    ],
)
async def test_how_long_a_token_lives(
    house: House,
    form: Callable[..., dict[str, object]],
    life: dict[str, object],
    good_for: float,
    over_after: float,
    *,
    opaque: bool,
) -> None:
    """Its life is what the answer says, else what the token itself says, else a short one."""

    async def issue(_: web.Request) -> web.Response:
        jwt = house.gateway.tokens.issue(Form.BEARER, now=house.clock(), lifetime=LIFETIME)
        return web.json_response(form("an-opaque-token" if opaque else jwt, **life))

    async def accept(_: web.Request) -> web.Response:
        return web.Response(body=badges_of("ada"))

    house.gateway.token_behaviour, house.gateway.behaviour = issue, accept
    ours = form is capillary
    path = "/v3/oauth/token/generate" if ours else "/oauth/token"
    service = await house.start(
        BFF_GATEWAY__AUTH="capillary" if ours else "client_credentials",
        BFF_GATEWAY__TOKEN_URL=str(house.gateway_server.make_url(path)),
    )

    house.clock.advance(good_for)
    assert (await service.get("/me/badges?page=1")).status == 200
    await asyncio.sleep(0.02)
    assert house.gateway.token_calls == 1
    house.clock.advance(over_after - good_for)
    assert (await service.get("/me/badges?page=2")).status == 200
    assert house.gateway.token_calls == 2


@pytest.mark.parametrize("skew", [-60, 60])
@pytest.mark.parametrize("lifetime", [60, 300])
@pytest.mark.parametrize("told", [True, False], ids=["ttl", "exp"])
async def test_a_gateway_with_another_clock(
    house: House, skew: float, lifetime: float, *, told: bool
) -> None:
    """A gateway whose clock is a minute ahead or behind costs a few replays, never an answer."""
    gateway = house.gateway
    gateway.clock = lambda: house.clock() + skew
    gateway.token_lifetime = lifetime

    async def issue(_: web.Request) -> web.Response:
        token = gateway.tokens.issue(Form.CAPILLARY, now=gateway.clock(), lifetime=lifetime)
        return web.json_response(capillary(token))

    gateway.token_behaviour = None if told else issue
    service = await house.start()

    statuses = []
    for page in range(1, 21):
        house.clock.advance(30)
        statuses.append((await service.get(f"/me/badges?page={page}")).status)

    assert statuses == [200] * 20
    assert gateway.token_calls <= 2 + 20 * 30 / lifetime * 2


async def test_credentials_that_became_wrong(house: House) -> None:
    """Under load a few token calls in 30 s, 503 for callers, not ready; all is well once mended."""
    service = await house.start()
    right, house.gateway.client = house.gateway.client, OTHERS
    house.clock.advance(400)

    for second in range(30):
        pages = range(second * 10 + 1, second * 10 + 11)
        replies = await asyncio.gather(*(service.get(f"/me/badges?page={page}") for page in pages))
        assert {(reply.status, reply.code) for reply in replies} == {(503, "gateway-unavailable")}
        assert all(int(reply.headers["Retry-After"]) >= 1 for reply in replies)
        assert (await service.get("/readyz", token=None)).status == 503
        house.clock.advance(0.9)
    assert house.gateway.token_calls <= 4
    assert (await service.get("/livez", token=None)).status == 200

    house.gateway.client = right
    house.clock.advance(31)
    assert (await service.get()).status == 200
    assert (await service.get("/readyz", token=None)).status == 200


async def test_a_fixed_credential_that_is_refused(house: House) -> None:
    """Basic authentication has nothing to renew: 503, not ready, until it is believed again."""
    service = await house.start(BFF_GATEWAY__AUTH="basic", BFF_GATEWAY__TOKEN_URL="")
    right, house.gateway.client = house.gateway.client, OTHERS

    assert (await service.get()).code == "gateway-unavailable"
    assert (await service.get("/readyz", token=None)).status == 503
    assert house.gateway.token_calls == 0

    house.gateway.client = right
    house.clock.advance(31)
    assert (await service.get("/readyz", token=None)).status == 200
    assert (await service.get()).status == 200
