"""Issuers under fire: down, hanging, nonsensical, rotating; and when we say that we are ready."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from house import House, Reply, Service, eventually

from app.sandbox.identity import SigningKey, StandInIssuer, new_signing_key
from app.services import readiness
from app.services.issuer_keys import CHECK_EVERY, COOL_DOWN, OUTLIVES_OUTAGE, REVALIDATE_AFTER
from app.settings import load_settings

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
DAY = OUTLIVES_OUTAGE
STORM = 200


async def hang(_: web.Request) -> None:
    """Answer nothing for a long time."""
    await asyncio.sleep(30)


async def reset(request: web.Request) -> None:
    """Break the connection off."""
    assert request.transport is not None
    request.transport.abort()
    await asyncio.sleep(0.1)


async def flood(request: web.Request) -> web.StreamResponse:
    """Send a document without end."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(10_000):
        await response.write(b" " * 65536)
    return response


def answering(status: int, text: str, **headers: str) -> Behaviour:
    """Make an issuer that gives the same answer to everything."""

    async def behave(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return behave


OUTAGES: dict[str, Behaviour] = {
    "reset": reset,
    "500": answering(500, "{}"),
    "404": answering(404, "{}"),
    "page": answering(200, "<!doctype html>", **{"Cache-Control": "max-age=86400"}),
    "redirect": answering(302, "", Location="/jwks.json"),
    "huge": flood,
    "number": answering(200, "7"),
    "nested": answering(200, "[" * 100_000),
    "no keys": answering(200, '{"keys": []}'),
    "no usable key": answering(200, '{"keys": [{"kty": "RSA", "n": "AQ", "e": "AQAB"}, null]}'),
    "odd caching": answering(200, '{"keys": []}', **{"Cache-Control": "max-age=9" + "9" * 30}),
}


def at_the_key_set(behaviour: Behaviour) -> Behaviour:
    """Leave discovery alone, and misbehave at the key set only."""

    async def behave(request: web.Request) -> web.StreamResponse | None:
        return await behaviour(request) if request.path == "/jwks.json" else None

    return behave


def assert_not_now(reply: Reply) -> None:
    """Check that a credential was not judged: nobody is to be logged out."""
    assert (reply.status, reply.code) == (503, "identity-unavailable")
    assert 1 <= int(reply.headers["Retry-After"]) <= COOL_DOWN


def stranger_tokens(house: House, count: int = STORM) -> list[str]:
    """Make tokens under a key that the issuer does not publish."""
    stranger, claims = new_signing_key("EdDSA"), house.issuer.claims("ada")
    return [house.issuer.sign(claims | {"jti": str(n)}, key=stranger) for n in range(count)]


async def storm(service: Service, tokens: list[str]) -> list[Reply]:
    """Send a request with each of the tokens at once."""
    return await asyncio.gather(*(service.get(token=token) for token in tokens))


@pytest.mark.parametrize("misbehaviour", OUTAGES.values(), ids=OUTAGES)
@pytest.mark.parametrize("where", [lambda outage: outage, at_the_key_set], ids=["all", "key set"])
async def test_an_issuer_that_is_down_at_the_start(
    house: House, where: Callable[[Behaviour], Behaviour], misbehaviour: Behaviour
) -> None:
    """The service starts and is ready; tokens get 503, and 200 soon after the issuer is back."""
    house.issuer.behaviour = where(misbehaviour)
    started = perf_counter()
    service = await house.start()
    assert perf_counter() - started < 2

    assert_not_now(await service.get())
    house.issuer.behaviour = None
    house.clock.advance(1)

    assert (await service.get()).status == 200


async def test_an_issuer_whose_port_is_closed(house: House) -> None:
    """Nobody listens at the key set's address: ready all the same, and 503 for tokens."""
    service = await house.start(BFF_IDENTITY__JWKS_URL=f"http://127.0.0.1:{unused_port()}/keys")

    assert_not_now(await service.get())


async def test_a_hanging_issuer_at_the_start(house: House) -> None:
    """Ready after the first attempt's patience; no caller waits longer than `gateway.timeout`."""
    house.issuer.behaviour = hang
    started = perf_counter()
    service = await house.start(BFF_GATEWAY__TIMEOUT="3")
    assert perf_counter() - started < 3

    started = perf_counter()
    replies = await asyncio.gather(*(service.get(token=name) for name in ("ada", "bob", "chen")))

    assert perf_counter() - started < 3
    for reply in replies:
        assert_not_now(reply)
    assert house.issuer.discovery_calls == 1


@pytest.mark.parametrize("misbehaviour", [*OUTAGES.values(), hang], ids=[*OUTAGES, "hang"])
async def test_an_issuer_that_goes_down_later(house: House, misbehaviour: Behaviour) -> None:
    """Known keys go on working for remembered and for new tokens, and nobody waits."""
    service = await house.start()
    remembered = house.issuer.token()
    assert (await service.get(token=remembered)).status == 200
    house.issuer.behaviour = misbehaviour

    for passed in (30, CHECK_EVERY, REVALIDATE_AFTER / 2):
        house.clock.advance(passed)
        started = perf_counter()
        assert (await service.get(token=remembered)).status == 200
        assert (await service.get(token="bob")).status == 200
        assert perf_counter() - started < 1
    for _ in range(20):
        house.clock.advance(REVALIDATE_AFTER)
        assert (await service.get(token="bob")).status == 200


async def test_a_day_without_issuer(house: House) -> None:
    """Keys outlive an outage by 24 hours; then tokens can't be judged until the issuer is back."""
    service = await house.start()
    house.issuer.behaviour = OUTAGES["500"]
    house.clock.advance(DAY - 60)
    token = house.issuer.token()
    assert (await service.get(token=token)).status == 200

    house.clock.advance(61)
    assert_not_now(await service.get(token=token))
    assert_not_now(await service.get())

    house.issuer.behaviour = None
    house.clock.advance(1)
    assert (await service.get(token=token)).status == 200


async def test_keys_that_rotate(house: House) -> None:
    """While two keys are published both are good, the new one from its first use on."""
    service = await house.start()
    old = house.issuer.token("ada")
    house.issuer.rotate(keep_old=True)

    assert (await service.get(token="bob")).status == 200
    assert (await service.get(token=old)).status == 200
    assert house.issuer.jwks_calls == 2


async def test_a_key_that_was_removed(house: House) -> None:
    """A token under a removed key, remembered or not, is refused once the set was fetched anew."""
    service = await house.start()
    removed = house.issuer.keys[0]
    claims = house.issuer.claims("ada") | {"exp": house.clock() + 2 * DAY}
    tokens = [house.issuer.sign(claims | {"jti": n}, key=removed) for n in ("1", "2")]
    assert (await service.get(token=tokens[0])).status == 200

    house.issuer.keys = [new_signing_key("EdDSA")]
    house.clock.advance(REVALIDATE_AFTER + 1)
    assert (await service.get(token=tokens[0])).status == 200
    await eventually(lambda: house.issuer.jwks_calls == 2)
    await asyncio.sleep(0.02)

    for token in tokens:
        assert (await service.get(token=token)).code == "unauthenticated"
        house.clock.advance(COOL_DOWN)
    assert (await service.get()).status == 200


def broken_keys() -> dict[str, object]:
    """Make keys that can't be used, each in its own way."""
    rsa = new_signing_key("RS256").public()
    elliptic = new_signing_key("ES256").public()
    edwards = new_signing_key("EdDSA").public()
    return {
        "null": None,
        "text": "key",
        "list": [elliptic],
        "empty": {},
        "unknown type": elliptic | {"kty": "nope"},
        "type that is no text": elliptic | {"kty": ["EC"]},
        "no modulus": {name: value for name, value in rsa.items() if name != "n"},
        "modulus not base64": rsa | {"n": "!!"},
        "short modulus": rsa | {"n": rsa["n"][:100]},
        "even exponent": rsa | {"e": "AA"},
        "number for text": rsa | {"e": 65537},
        "point off the curve": elliptic | {"x": "AAAA"},
        "unknown curve": elliptic | {"crv": "P-999"},
        "short point": edwards | {"x": "AA"},
        "key agreement": edwards | {"crv": "X25519"},
        "number for an id": elliptic | {"kid": 5},
        "symmetric": {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ"},
        "for encryption": elliptic | {"use": "enc"},
        "to sign with": elliptic | {"key_ops": ["sign"]},
        "no chain": elliptic | {"x5c": "chain"},
    }


@pytest.mark.parametrize("broken", broken_keys().values(), ids=broken_keys())
@pytest.mark.parametrize("same_id", [False, True], ids=["own id", "same id"])
async def test_a_broken_key_beside_a_good_one(
    house: House, broken: object, *, same_id: bool
) -> None:
    """A key that can't be used spoils no other, not even under the same key id."""
    good = house.issuer.keys[0].public()
    if same_id and isinstance(broken, dict):
        broken = broken | {"kid": good["kid"]}

    async def publish(_: web.Request) -> web.Response:
        return web.json_response({"keys": [broken, good, broken]})

    house.issuer.behaviour = at_the_key_set(publish)
    service = await house.start()

    assert (await service.get()).status == 200
    assert house.issuer.jwks_calls == 1


async def test_a_storm_of_unknown_keys(house: House) -> None:
    """Unknown key ids cost one fetch a cool-down, and are refused only as judged by it."""
    service = await house.start()
    tokens = stranger_tokens(house)

    replies = await storm(service, tokens)
    assert {reply.status for reply in replies} <= {401, 503}
    assert house.issuer.jwks_calls == 2
    for reply in await storm(service, tokens):
        assert_not_now(reply)
    assert (await service.get()).status == 200
    assert house.issuer.jwks_calls == 2

    house.clock.advance(COOL_DOWN)
    await storm(service, tokens)
    assert house.issuer.jwks_calls == 3


@pytest.mark.parametrize("misbehaviour", [hang, *OUTAGES.values()], ids=["hang", *OUTAGES])
async def test_a_storm_while_the_issuer_is_down(house: House, misbehaviour: Behaviour) -> None:
    """While the refresh fails nobody is judged, the issuer is left in peace, good tokens work."""
    service = await house.start()
    house.issuer.behaviour = misbehaviour
    calls = house.issuer.discovery_calls

    started = perf_counter()
    for reply in await storm(service, stranger_tokens(house)):
        assert_not_now(reply)

    assert perf_counter() - started < 5
    # One attempt; within it a kept connection that breaks costs a second request, and so does an
    # answer that the documents' cache can't reckon with.
    assert calls < house.issuer.discovery_calls <= calls + 2
    assert (await service.get()).status == 200


async def test_a_storm_when_the_issuer_comes_back(house: House) -> None:
    """A storm that meets the first keys costs one fetch for them and one for the unknown id."""
    house.issuer.behaviour = OUTAGES["500"]
    service = await house.start()
    house.issuer.behaviour = None
    house.clock.advance(1)
    tokens = stranger_tokens(house)

    await storm(service, tokens)
    for reply in await storm(service, tokens):
        assert_not_now(reply)

    assert house.issuer.jwks_calls == 2
    assert (await service.get()).status == 200


@asynccontextmanager
async def second_issuer(house: House) -> AsyncIterator[StandInIssuer]:
    """Run one more issuer."""
    keys = [new_signing_key("EdDSA")]
    issuer = StandInIssuer(issuer_url="", audience="shop", keys=keys, clock=house.clock)
    async with TestServer(issuer.application()) as server:
        issuer.issuer_url = str(server.make_url("")).rstrip("/")
        yield issuer


@pytest.mark.parametrize("misbehaviour", [hang, OUTAGES["500"]], ids=["hang", "500"])
async def test_one_of_two_issuers_is_down(
    house: House, tmp_path_factory: pytest.TempPathFactory, misbehaviour: Behaviour
) -> None:
    """The callers of the other one notice nothing."""
    async with second_issuer(house) as other:
        path = tmp_path_factory.mktemp("config") / "two.toml"
        path.write_text(
            f'[[identity]]\nissuer = "{house.issuer.issuer_url}"\naudience = "badges"\n'
            f'[[identity]]\nissuer = "{other.issuer_url}"\naudience = "shop"\n'
        )
        environment = house.environment(BFF_IDENTITY__ISSUER="", BFF_IDENTITY__AUDIENCE="")
        other.behaviour = misbehaviour
        service = await house.start(load_settings(path, environment))

        waiting = asyncio.create_task(service.get(token=other.token()))
        started = perf_counter()
        for page in range(1, 6):
            assert (await service.get(f"/me/badges?page={page}")).status == 200
        assert perf_counter() - started < 1
        assert_not_now(await waiting)


async def ready_status(service: Service) -> int:
    """Return the status of the readiness route."""
    return (await service.get("/readyz", token=None)).status


async def test_not_ready_before_the_first_attempt(house: House) -> None:
    """Until keys and token were tried the service lives, and is not ready."""
    tried = asyncio.Event()

    async def wait(_: web.Request) -> None:
        await tried.wait()

    house.gateway.token_behaviour = wait
    starting = asyncio.create_task(house.start())
    await eventually(lambda: house.gateway.token_calls == 1)
    await asyncio.sleep(0.2)
    assert not starting.done()

    tried.set()
    assert await ready_status(await starting) == 200


async def test_ready_without_gateway_issuer_and_redis(house: House) -> None:
    """That neither gateway nor issuer nor Redis can be reached does not keep anybody away."""
    closed = f"http://127.0.0.1:{unused_port()}"
    service = await house.start(
        BFF_CACHE__URL=closed.replace("http:", "redis:"),
        BFF_GATEWAY__BASE_URL=closed,
        BFF_GATEWAY__TOKEN_URL=f"{closed}/token",
        BFF_IDENTITY__JWKS_URL=f"{closed}/keys",
    )

    assert await ready_status(service) == 200
    assert (await service.get("/livez", token=None)).status == 200


@pytest.mark.parametrize("status", [403, 429, 500, 503])
async def test_ready_while_the_gateway_fails(house: House, status: int) -> None:
    """No failure of badges calls makes the service unready: stale entries can be served."""
    service = await house.start()
    house.gateway.behaviour = answering(status, "{}")

    for page in range(1, 11):
        await service.get(f"/me/badges?page={page}")

    assert await ready_status(service) == 200


async def test_ready_while_tokens_can_not_be_had(house: House) -> None:
    """A token endpoint that is down is no refusal."""
    service = await house.start()
    house.clock.advance(400)
    house.gateway.token_behaviour = answering(500, "{}")

    assert (await service.get()).status in (502, 503)
    assert await ready_status(service) == 200


async def test_ready_after_ten_seconds_at_most(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token endpoint that never answers holds the first readiness up for a limited time."""
    assert readiness.WARM_UP_LIMIT <= 10
    # Ten seconds would be long for a test.
    monkeypatch.setattr(readiness, "WARM_UP_LIMIT", 0.3)
    house.gateway.token_behaviour = hang
    started = perf_counter()

    service = await house.start(BFF_GATEWAY__TIMEOUT="30")

    assert 0.3 < perf_counter() - started < 2
    assert await ready_status(service) == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Cache-Control", "max-age=99999999999999"),
        ("Cache-Control", "max-age=-1, must-revalidate"),
        ("Cache-Control", "max-age=soon"),
        ("Cache-Control", "no-store"),
        ("Expires", "0"),
        ("Expires", "Fri, 31 Dec 9999 23:59:59 -1200"),
        ("ETag", '"1"'),
    ],
)
async def test_an_issuer_with_odd_caching_headers(
    house: House, signing_key: SigningKey, name: str, value: str
) -> None:
    """Good keys are good keys, at the start, when they are checked and when they are renewed."""

    async def odd(_: web.Request) -> web.Response:
        keys = [key.public() for key in house.issuer.keys]
        return web.json_response({"keys": keys}, headers={name: value})

    house.issuer.keys = [signing_key]
    house.issuer.behaviour = at_the_key_set(odd)
    service = await house.start()

    assert (await service.get()).status == 200
    house.clock.advance(CHECK_EVERY + 1)
    assert (await service.get()).status == 200
    await asyncio.sleep(0.02)
    house.issuer.rotate()
    assert (await service.get()).status == 200
    assert house.events("keys_failed") == []
