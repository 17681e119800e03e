"""The stand-in identity provider: discovery, keys, tokens."""

import warnings
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError
from joserfc.jwk import KeySet
from joserfc.jws import extract_compact
from pytest_aiohttp.plugin import AiohttpClient

from app.sandbox.identity import SigningKey, StandInIssuer, new_signing_key

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(issuer: StandInIssuer, aiohttp_client: AiohttpClient) -> Client:
    """A client of the identity provider."""
    return await aiohttp_client(issuer.application())


async def verified(
    client: Client, token: str, algorithm: str = "RS256"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Verify a token against the published keys; return header and claims."""
    keys = KeySet.import_key_set(await (await client.get("/jwks.json")).json())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joserfc's word on the name EdDSA
        decoded = jwt.decode(token, keys, algorithms=[algorithm])
    return decoded.header, decoded.claims


async def test_discovery_leads_to_the_keys(client: Client, issuer: StandInIssuer) -> None:
    """The document names the issuer and its key set, may be cached, and is counted."""
    answer = await client.get("/.well-known/openid-configuration")
    document = await answer.json()
    assert document["issuer"] == issuer.issuer_url
    assert document["jwks_uri"] == f"{issuer.issuer_url}/jwks.json"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert issuer.discovery_calls == 1


async def test_the_key_set_holds_public_keys_only(client: Client, issuer: StandInIssuer) -> None:
    """No private part is published, and what the key is for is said."""
    answer = await client.get("/jwks.json")
    (key,) = (await answer.json())["keys"]
    assert key.keys() == {"kty", "n", "e", "kid", "use", "alg"}
    assert (key["use"], key["alg"]) == ("sig", "RS256")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert issuer.jwks_calls == 1


async def test_a_token_verifies_and_holds_every_identifier(
    client: Client, issuer: StandInIssuer
) -> None:
    """A sample customer's token carries all that the service may go by, for one hour."""
    answer = await client.get("/tokens/ada")
    assert answer.content_type == "text/plain"
    header, claims = await verified(client, await answer.text())
    assert header == {"alg": "RS256", "kid": issuer.keys[0].key_id, "typ": "at+jwt"}
    assert claims["exp"] - claims["iat"] == 3600
    assert claims | {"iat": 0, "exp": 0} == {
        "iss": issuer.issuer_url,
        "aud": "badges",
        "sub": "user-381921157",
        "iat": 0,
        "exp": 0,
        "customer_id": "381921157",
        "email": "ada+loyalty@example.com",
        "email_verified": True,
        "phone_number": "+447700900123",
        "phone_number_verified": True,
        "external_id": "web-0001",
        "card_number": "6013770012345678",
    }


async def test_a_customer_that_is_not_there(client: Client) -> None:
    """It is a 404 that names those who are."""
    answer = await client.get("/tokens/eve")
    assert answer.status == 404
    assert "ada, bob, chen, ghost" in await answer.text()


async def test_the_list_of_customers(client: Client) -> None:
    """Everybody who can log in is listed, non-ASCII and all."""
    people = await (await client.get("/customers")).json()
    assert [person["name"] for person in people] == ["ada", "bob", "chen", "ghost"]
    assert people[2]["external_id"] == "étoile 7"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_every_algorithm(aiohttp_client: AiohttpClient, algorithm: str) -> None:
    """Tokens verify under each algorithm that the service allows."""
    provider = StandInIssuer(issuer_url="http://id.test", audience="a", algorithm=algorithm)
    client = await aiohttp_client(provider.application())
    header, claims = await verified(client, provider.token("bob"), algorithm)
    assert (header["alg"], claims["customer_id"]) == (algorithm, "381921158")


def test_no_key_for_other_algorithms() -> None:
    """A symmetric key is never made here."""
    with pytest.raises(ValueError, match="HS256"):
        new_signing_key("HS256")


async def test_overrides_replace_or_drop_claims(client: Client, issuer: StandInIssuer) -> None:
    """A test makes whatever credential it needs."""
    _, claims = await verified(client, issuer.token("ada", exp=1, email=None, extra=["x"]))
    assert (claims["exp"], claims["extra"]) == (1, ["x"])
    assert "email" not in claims


async def test_headers_can_be_replaced_or_dropped(client: Client, issuer: StandInIssuer) -> None:
    """Another type, no kid, an unknown header."""
    token = issuer.sign({"sub": "x"}, headers={"typ": "JWT", "kid": None})
    header, _ = await verified(client, token)
    assert header == {"alg": "RS256", "typ": "JWT"}
    odd = issuer.sign({"sub": "x"}, headers={"extra": 1})
    assert extract_compact(odd.encode()).headers()["extra"] == 1


async def test_a_foreign_key_does_not_verify(client: Client, issuer: StandInIssuer) -> None:
    """Signed by somebody else under our kid."""
    stranger = new_signing_key("RS256")
    token = issuer.sign({"sub": "x"}, key=stranger, headers={"kid": issuer.keys[0].key_id})
    with pytest.raises(BadSignatureError):
        await verified(client, token)


@pytest.mark.parametrize("keep_old", [True, False])
async def test_rotation(client: Client, issuer: StandInIssuer, *, keep_old: bool) -> None:
    """New tokens verify; old ones as long as their key stays published."""
    old = issuer.token()
    issuer.rotate(keep_old=keep_old)
    await verified(client, issuer.token())
    if keep_old:
        await verified(client, old)
    else:
        with pytest.raises(InvalidKeyIdError):
            await verified(client, old)


async def test_the_seam(client: Client, issuer: StandInIssuer) -> None:
    """A behaviour answers instead of discovery and key set, and the calls are counted."""
    answers = [web.Response(status=500), web.Response(status=500), None]

    async def moody(_request: web.Request) -> web.Response | None:
        return answers.pop(0)

    issuer.behaviour = moody
    paths = ("/jwks.json", "/.well-known/openid-configuration", "/jwks.json")
    assert [(await client.get(path)).status for path in paths] == [500, 500, 200]
    assert (issuer.jwks_calls, issuer.discovery_calls) == (2, 1)


def test_keys_are_named(signing_key: SigningKey) -> None:
    """Each key has an id of its own."""
    assert len(signing_key.key_id) == 32
