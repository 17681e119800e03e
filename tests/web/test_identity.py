"""Who a caller is: credentials and identities, from outside."""

import base64
import hashlib
import hmac
import time

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from house import House, Service, TestClock

from app.sandbox.identity import SigningKey, StandInIssuer, new_signing_key
from app.settings import load_settings

INVALID = 'Bearer realm="badges", error="invalid_token"'


async def assert_refused(service: Service, token: str) -> None:
    """Check that a credential is judged and fails, and that the reason is not told."""
    reply = await service.get(token=None, headers={"Authorization": f"Bearer {token}"})
    assert (reply.status, reply.code) == (401, "unauthenticated")
    assert reply.headers["WWW-Authenticate"] == INVALID


def signed_with_the_public_key(token: str, key: SigningKey) -> str:
    """Sign a token's claims by HMAC under the public key, which anybody has."""
    header = f'{{"alg":"HS256","kid":"{key.key_id}","typ":"JWT"}}'.encode()
    signed = f"{base64.urlsafe_b64encode(header).decode().rstrip('=')}.{token.split('.')[1]}"
    public = key.key.as_bytes(private=False)
    digest = hmac.digest(public, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


@pytest.mark.parametrize("given", [None, "", "Basic YTpi", "Digest x", "Bearerabc"])
async def test_without_a_bearer_token(house: House, given: str | None) -> None:
    """No bearer token at all: 401, and the challenge names no error (RFC 6750 section 3.1)."""
    service = await house.start()

    headers = {} if given is None else {"Authorization": given}
    reply = await service.get(token=None, headers=headers)

    assert (reply.status, reply.code) == (401, "unauthenticated")
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="badges"'


async def test_credentials_that_fail(house: House, signing_key: SigningKey) -> None:
    """Each kind of bad credential is a 401 with `invalid_token`, never a 500."""
    service = await house.start()
    issuer, now = house.issuer, time.time()
    claims = issuer.claims("ada")
    good = issuer.token()
    unsigned = ".".join(
        ["eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", good.split(".")[1], ""]  # {"alg":"none",...}
    )
    for token in (
        "x",
        "a.b.c",
        "....",
        "\u00e9.\u00e9.\u00e9",
        "Z" * 9000,
        good[:-4] + "AAAA",
        unsigned,
        issuer.token(exp=now - 31),
        issuer.token(exp=None),
        issuer.token(nbf=now + 40),
        issuer.token(iss="https://elsewhere.test"),
        issuer.token(aud="another"),
        signed_with_the_public_key(good, signing_key),
        issuer.sign(claims, headers={"typ": "id+jwt"}),
        issuer.sign(claims, key=new_signing_key("RS256"), headers={"kid": signing_key.key_id}),
    ):
        await assert_refused(service, token)
    assert house.gateway.badge_calls == []


async def test_two_credentials_are_none(house: House) -> None:
    """Two Authorization headers could be judged differently along the way: 401."""
    service = await house.start()
    host, port = service.public
    headers = [("Authorization", f"Bearer {house.issuer.token(name)}") for name in ("ada", "bob")]

    async with service.session.get(f"http://{host}:{port}/me/badges", headers=headers) as response:
        assert response.status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_has_no_case(house: House, scheme: str) -> None:
    """Authentication schemes are matched in any case (RFC 9110 section 11.1)."""
    service = await house.start()

    headers = {"Authorization": f"{scheme} {house.issuer.token()}"}
    assert (await service.get(token=None, headers=headers)).status == 200


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "EdDSA"])
async def test_all_default_algorithms(house: House, algorithm: str) -> None:
    """Tokens under each of the default algorithms are accepted."""
    house.issuer.keys = [new_signing_key(algorithm)]
    service = await house.start()

    assert (await service.get()).status == 200


@pytest.mark.parametrize(
    ("identifier", "claim", "value", "segment"),
    [
        ("customerId", "customer_id", "381921157", "381921157"),
        ("customerId", "customer_id", 381921157, "381921157"),
        ("email", "email", "ada+loyalty@example.com", "ada%2Bloyalty%40example.com"),
        ("mobile", "phone_number", "+447700900123", "447700900123"),
        ("externalId", "external_id", "étoile 7", "%C3%A9toile%207"),
        ("cardNumber", "card_number", "6013770012345678", "6013770012345678"),
    ],
)
async def test_every_identifier_on_the_wire(
    house: House, identifier: str, claim: str, value: object, segment: str
) -> None:
    """Each identifier travels as one encoded path segment, with its header but for the id."""
    service = await house.start(BFF_IDENTITY__IDENTIFIER=identifier)

    reply = await service.get(token=house.issuer.token(**{claim: value}))

    assert reply.status == 200
    call = house.gateway.badge_calls[0]
    assert call.target.split("?")[0] == f"/api_gateway/v1/badges/management/{segment}"
    assert call.headers.get("X-CAP-CUSTOMER-IDENTIFIER") == (
        None if identifier == "customerId" else identifier
    )


@pytest.mark.parametrize(
    "value",
    ["", ".", "..", "../x", "a/b", "a\\b", "%2e%2e", "x?y#z", "a%b", "a\x00b", "a\nb", "é" * 129],
)
async def test_values_that_could_leave_their_segment(house: House, value: str) -> None:
    """Such a value is a 403 `no-customer-identity`, and nothing is sent."""
    service = await house.start(BFF_IDENTITY__IDENTIFIER="externalId")

    reply = await service.get(token=house.issuer.token(external_id=value))

    assert (reply.status, reply.code) == (403, "no-customer-identity")
    assert house.gateway.badge_calls == []


@pytest.mark.parametrize(
    ("identifier", "changes"),
    [
        ("customerId", {"customer_id": None}),
        ("customerId", {"customer_id": True}),
        ("customerId", {"customer_id": 1.5}),
        ("email", {"email_verified": False}),
        ("email", {"email_verified": "true"}),
        ("email", {"email_verified": None}),
        ("mobile", {"phone_number_verified": None}),
        ("mobile", {"phone_number": "+44 7700"}),
        ("mobile", {"phone_number": "+"}),
        ("cardNumber", {"card_number": ["1"]}),
    ],
)
async def test_identities_that_are_not_good_enough(
    house: House, identifier: str, changes: dict[str, object]
) -> None:
    """A claim that is absent, unverified or of another type names nobody: 403."""
    service = await house.start(BFF_IDENTITY__IDENTIFIER=identifier)

    reply = await service.get(token=house.issuer.token(**changes))

    assert (reply.status, reply.code) == (403, "no-customer-identity")


async def test_a_required_scope(house: House) -> None:
    """Without the scope: 403 that names it; with it, among others: 200."""
    service = await house.start(BFF_IDENTITY__SCOPE="badges:read")

    without = await service.get(token=house.issuer.token(scope="profile"))
    with_it = await service.get(token=house.issuer.token(scope="profile badges:read"))

    assert (without.status, without.code) == (403, "insufficient-scope")
    challenge = 'Bearer realm="badges", error="insufficient_scope", scope="badges:read"'
    assert without.headers["WWW-Authenticate"] == challenge
    assert with_it.status == 200


async def test_several_issuers_side_by_side(
    house: House, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each issuer has its own keys and its own identifier; neither can speak for the other."""
    other = StandInIssuer(issuer_url="", audience="shop", keys=[new_signing_key("ES256")])
    async with TestServer(other.application()) as server:
        other.issuer_url = str(server.make_url("")).rstrip("/")
        path = tmp_path_factory.mktemp("config") / "two.toml"
        path.write_text(
            f'[[identity]]\nissuer = "{house.issuer.issuer_url}"\naudience = "badges"\n'
            f'[[identity]]\nissuer = "{other.issuer_url}"\naudience = "shop"\n'
            f'jwks_url = "{other.issuer_url}/jwks.json"\nidentifier = "email"\n'
        )
        environment = house.environment(BFF_IDENTITY__ISSUER="", BFF_IDENTITY__AUDIENCE="")
        service = await house.start(load_settings(path, environment))

        assert (await service.get()).status == 200
        assert (await service.get(token=other.token("ada"))).status == 200
        forged = other.sign(house.issuer.claims("ada"))
        await assert_refused(service, forged)

    first, second = house.gateway.badge_calls
    assert "X-CAP-CUSTOMER-IDENTIFIER" not in first.headers
    assert second.headers["X-CAP-CUSTOMER-IDENTIFIER"] == "email"
    assert other.discovery_calls == 0


async def test_a_rotated_key_is_found(house: House) -> None:
    """A token under a key newer than the key set is accepted: the set is fetched anew."""
    service = await house.start()
    assert (await service.get()).status == 200

    house.issuer.rotate()

    assert (await service.get()).status == 200
    assert house.issuer.jwks_calls == 2


async def test_a_token_without_key_id_finds_a_new_key(house: House) -> None:
    """No key fits: the set may be older than the token's key, so it is fetched anew."""
    service = await house.start()
    house.issuer.rotate()
    token = house.issuer.sign(house.issuer.claims("ada"), headers={"kid": None})

    assert (await service.get(token=token)).status == 200


async def test_odd_caching_headers_of_an_issuer(house: House) -> None:
    """An issuer whose max-age is beyond all bounds makes credentials unjudged, not us broken."""

    async def odd(_: web.Request) -> web.Response:
        return web.json_response({"keys": []}, headers={"Cache-Control": "max-age=99999999999999"})

    house.issuer.behaviour = odd
    service = await house.start()

    assert (await service.get()).code == "identity-unavailable"


async def test_unknown_keys_are_judged_once_and_then_not_now(house: House) -> None:
    """An unknown key id costs one fetch: 401 as judged by it, then 503 for the cool-down."""
    service = await house.start()
    stranger = new_signing_key("RS256")
    tokens = [house.issuer.sign(house.issuer.claims(name), key=stranger) for name in ("ada", "bob")]

    await assert_refused(service, tokens[0])
    reply = await service.get(token=tokens[1])

    assert (reply.status, reply.code) == (503, "identity-unavailable")
    assert 1 <= int(reply.headers["Retry-After"]) <= 10
    assert house.issuer.jwks_calls == 2


async def test_a_clock_that_is_set_back_keeps_no_key_away(house: House) -> None:
    """A cool-down is reckoned by a timer: it is over when it is over."""
    timer = TestClock()
    service = await house.start(timer=timer)
    stranger = house.issuer.sign(house.issuer.claims("bob"), key=new_signing_key("RS256"))
    await assert_refused(service, stranger)
    house.issuer.rotate()

    house.clock.advance(-60)
    timer.advance(10)

    assert (await service.get()).status == 200


async def test_an_issuer_that_is_down_logs_nobody_out(house: House) -> None:
    """Without any keys the answer is 503 `identity-unavailable`, not 401; later it is 200."""

    async def down(_: web.Request) -> web.Response:
        return web.Response(status=500)

    house.issuer.behaviour = down
    service = await house.start()

    reply = await service.get()
    assert (reply.status, reply.code) == (503, "identity-unavailable")
    assert int(reply.headers["Retry-After"]) >= 1

    house.issuer.behaviour = None
    house.clock.advance(2)
    assert (await service.get()).status == 200


async def test_a_remembered_token_expires(house: House) -> None:
    """A token that was verified is refused once it has expired."""
    service = await house.start()
    token = house.issuer.token(exp=house.clock() + 5)
    assert (await service.get(token=token)).status == 200

    house.clock.advance(40)

    await assert_refused(service, token)
