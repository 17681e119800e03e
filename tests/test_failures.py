"""The failure table, replayed: each row against the running service, over real HTTP."""

import asyncio
import gzip
import json
import re
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from house import House

from app.domain.failures import TREATMENTS, Failure

Misbehaviour = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def answering(
    status: int, body: object = None, *, headers: dict[str, str] | None = None
) -> Misbehaviour:
    """Make a gateway that gives the same answer to everything."""
    text = body if isinstance(body, str) else json.dumps(body)

    async def behave(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return behave


def errors(*codes: object) -> dict[str, object]:
    """Make a body with error codes and no data."""
    listed = [{"code": code, "message": "secret text", "reference": None} for code in codes]
    return {"data": None, "errors": listed, "warnings": []}


async def hang(_: web.Request) -> None:
    """Answer nothing for a long time."""
    await asyncio.sleep(30)


async def reset(request: web.Request) -> None:
    """Break the connection off."""
    assert request.transport is not None
    request.transport.abort()
    await asyncio.sleep(1)


async def truncate(request: web.Request) -> web.StreamResponse:
    """Promise more than is sent."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"data": {"customerBadges": [')
    assert request.transport is not None
    request.transport.close()
    return response


async def flood(request: web.Request) -> web.StreamResponse:
    """Send a body without end."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(100_000):
        await response.write(b" " * 65536)
    return response


async def bomb(_: web.Request) -> web.Response:
    """Send little that becomes much."""
    body = gzip.compress(b" " * 50_000_000)
    return web.Response(body=body, headers={"Content-Encoding": "gzip"})


PAGE = "<!doctype html><title>502</title>secret text"


ROWS: list[tuple[str, Failure, Misbehaviour, int, str]] = [
    ("reset", Failure.UNREACHABLE, reset, 503, "gateway-unavailable"),
    *(
        (str(status), Failure.UNREACHABLE, answering(status, PAGE), 503, "gateway-unavailable")
        for status in (502, 503, 504, 520, 521)
    ),
    ("no answer", Failure.TIMEOUT, hang, 504, "gateway-timeout"),
    ("429", Failure.LIMITED, answering(429), 503, "gateway-unavailable"),
    (
        "503 with Retry-After",
        Failure.LIMITED,
        answering(503, PAGE, headers={"Retry-After": "7"}),
        503,
        "gateway-unavailable",
    ),
    ("code 4001", Failure.LIMITED, answering(200, errors(4001)), 503, "gateway-unavailable"),
    ("401", Failure.CREDENTIALS_REFUSED, answering(401), 503, "gateway-unavailable"),
    ("498", Failure.CREDENTIALS_REFUSED, answering(498), 503, "gateway-unavailable"),
    (
        "code 498 in a 200",
        Failure.CREDENTIALS_REFUSED,
        answering(200, errors("498")),
        503,
        "gateway-unavailable",
    ),
    ("403", Failure.FORBIDDEN, answering(403, PAGE), 503, "gateway-unavailable"),
    ("code 4000", Failure.FORBIDDEN, answering(200, errors(4000)), 503, "gateway-unavailable"),
    ("1026", Failure.CUSTOMER_UNKNOWN, answering(200, errors(1026)), 404, "customer-not-found"),
    (
        "8015 with 500",
        Failure.CUSTOMER_UNKNOWN,
        answering(500, errors(8015)),
        404,
        "customer-not-found",
    ),
    ("bare 404", Failure.UNEXPECTED, answering(404, PAGE), 502, "gateway-bad-answer"),
    ("400", Failure.UNEXPECTED, answering(400, errors(1)), 502, "gateway-bad-answer"),
    ("1028", Failure.UNEXPECTED, answering(200, errors(1028)), 502, "gateway-bad-answer"),
    (
        "redirect",
        Failure.UNEXPECTED,
        answering(302, headers={"Location": "http://127.0.0.1:9/"}),
        502,
        "gateway-bad-answer",
    ),
    ("204", Failure.UNEXPECTED, answering(204, ""), 502, "gateway-bad-answer"),
    ("500", Failure.SERVER_ERROR, answering(500, PAGE), 502, "gateway-bad-answer"),
    ("599", Failure.SERVER_ERROR, answering(599), 502, "gateway-bad-answer"),
    ("page", Failure.UNREADABLE, answering(200, PAGE), 502, "gateway-bad-answer"),
    ("empty", Failure.UNREADABLE, answering(200, ""), 502, "gateway-bad-answer"),
    ("truncated", Failure.UNREADABLE, truncate, 502, "gateway-bad-answer"),
    ("endless", Failure.UNREADABLE, flood, 502, "gateway-bad-answer"),
    ("bomb", Failure.UNREADABLE, bomb, 502, "gateway-bad-answer"),
    (
        "no gzip",
        Failure.UNREADABLE,
        answering(200, "x" * 100, headers={"Content-Encoding": "gzip"}),
        502,
        "gateway-bad-answer",
    ),
    ("list", Failure.WRONG_SHAPE, answering(200, []), 502, "gateway-bad-answer"),
    ("no list", Failure.WRONG_SHAPE, answering(200, {"data": {}}), 502, "gateway-bad-answer"),
    ("no data", Failure.WRONG_SHAPE, answering(200, errors()), 502, "gateway-bad-answer"),
]


def test_every_row_is_replayed() -> None:
    """The replay leaves no row of the table out."""
    # A rejected token is replayed once, and then it is the credentials that are refused.
    assert {row[1] for row in ROWS} | {Failure.TOKEN_REJECTED} == set(TREATMENTS)


@pytest.mark.parametrize(
    ("failure", "misbehaviour", "status", "code"),
    [row[1:] for row in ROWS],
    ids=[r[0] for r in ROWS],
)
async def test_a_failure_without_stale_entry(
    house: House, failure: Failure, misbehaviour: Misbehaviour, status: int, code: str
) -> None:
    """The caller gets the row's problem, with nothing of the gateway's text; the log names it."""
    service = await house.start(BFF_GATEWAY__TIMEOUT="0.5")
    house.gateway.behaviour = misbehaviour

    reply = await service.get()

    assert (reply.status, reply.code) == (status, code)
    assert ("Retry-After" in reply.headers) == (status == 503)
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
