"""The stand-in gateway's tokens: how they are got, and what a badges call does with them."""

import base64
import hashlib

import pytest
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import TestClient

from app.sandbox.gateway import StandInGateway

Client = TestClient[web.Request, web.Application]

BADGES = "/api_gateway/v1/badges/management/381921157"
GENERATE = "/v3/oauth/token/generate"
STANDARD = "/oauth/token"
GRANT = {"grant_type": "client_credentials"}


def basic(till: str, password: str) -> str:
    """The gateway's own kind of Basic credentials."""
    digest = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()
    return "Basic " + base64.b64encode(f"{till}:{digest}".encode()).decode()


async def test_the_gateways_own_form(client: Client, gateway: StandInGateway) -> None:
    """Key and secret give a JWT and its lifetime in seconds."""
    gateway.token_lifetime = 120
    answer = await client.post(GENERATE, json={"key": "till1", "secret": "Pass123"})
    body = await answer.json()
    assert body == {
        "data": {"accessToken": body["data"]["accessToken"], "ttlSeconds": 120},
        "errors": None,
    }
    assert body["data"]["accessToken"].count(".") == 2
    assert gateway.token_calls == 1


@pytest.mark.parametrize("status", [200, 401])
async def test_wrong_credentials_in_the_gateways_form(
    client: Client, gateway: StandInGateway, status: int
) -> None:
    """They are code 320001, with the HTTP status that the test chose."""
    gateway.wrong_credentials_status = status
    answer = await client.post(GENERATE, json={"key": "till1", "secret": "wrong"})
    assert answer.status == status
    body = await answer.json()
    assert body["data"] is None
    assert body["errors"][0]["code"] == 320001


@pytest.mark.parametrize("body", [b"", b"[]", b"{"])
async def test_a_token_request_that_is_not_an_object(client: Client, body: bytes) -> None:
    """It is a wrong credential, not a crash."""
    answer = await client.post(GENERATE, data=body)
    assert (await answer.json())["errors"][0]["code"] == 320001


async def test_the_standard_form_with_basic(client: Client) -> None:
    """RFC 6749 with client_secret_basic gives a Bearer token."""
    headers = {"Authorization": encode_basic_auth("till1", "Pass123")}
    answer = await client.post(STANDARD, data=GRANT, headers=headers)
    body = await answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)


async def test_the_standard_form_with_post(client: Client) -> None:
    """RFC 6749 with client_secret_post gives a Bearer token that a badges call takes."""
    form = {**GRANT, "client_id": "till1", "client_secret": "Pass123"}
    token = (await (await client.post(STANDARD, data=form)).json())["access_token"]
    answer = await client.get(BADGES, headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({**GRANT, "client_id": "till1", "client_secret": "wrong"}, 401, "invalid_client"),
        (GRANT, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
async def test_the_standard_form_refuses(
    client: Client, form: dict[str, str], status: int, error: str
) -> None:
    """Refusals are RFC 6749's."""
    answer = await client.post(STANDARD, data=form)
    assert (answer.status, (await answer.json())["error"]) == (status, error)


async def test_no_credential_is_refused(client: Client) -> None:
    """A badges call without a credential is 401, as status and as code."""
    answer = await client.get(BADGES)
    assert answer.status == 401
    assert (await answer.json())["errors"][0]["code"] == 401


async def test_a_token_belongs_into_its_own_header(client: Client, token: str) -> None:
    """The gateway's own token is not taken as a Bearer."""
    taken = await client.get(BADGES, headers={"X-CAP-API-OAUTH-TOKEN": token})
    refused = await client.get(BADGES, headers={"Authorization": f"Bearer {token}"})
    assert (taken.status, refused.status) == (200, 401)


@pytest.mark.parametrize(("status", "expected"), [(None, 498), (200, 200)])
async def test_an_expired_token(
    client: Client, gateway: StandInGateway, token: str, status: int, expected: int
) -> None:
    """It is 498 as code, and as status unless the test chose another."""
    gateway.refusal_status = status
    gateway.clock = lambda: 1_795_000_000.25 + 300
    answer = await client.get(BADGES, headers={"X-CAP-API-OAUTH-TOKEN": token})
    assert answer.status == expected
    assert (await answer.json())["errors"][0]["code"] == 498


async def test_revoked_tokens_are_invalid(
    client: Client, gateway: StandInGateway, token: str
) -> None:
    """After `revoke_tokens` an unexpired token is 401."""
    gateway.revoke_tokens()
    answer = await client.get(BADGES, headers={"X-CAP-API-OAUTH-TOKEN": token})
    assert answer.status == 401


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (basic("till1", "Pass123"), 200),
        (basic("till1", "other"), 401),
        (encode_basic_auth("till1", "Pass123"), 401),
        ("Basic %%%", 401),
        ("Basic /w==", 401),
    ],
)
async def test_basic_is_till_and_digest(client: Client, authorization: str, status: int) -> None:
    """Basic holds the MD5 of the password, never the password itself."""
    answer = await client.get(BADGES, headers={"Authorization": authorization})
    assert answer.status == status


async def test_the_token_seam(client: Client, gateway: StandInGateway) -> None:
    """A behaviour answers instead of the token endpoints, and the call is counted."""

    async def broken(_request: web.Request) -> web.Response:
        return web.Response(status=503)

    gateway.token_behaviour = broken
    for path in (GENERATE, STANDARD):
        assert (await client.post(path)).status == 503
    assert gateway.token_calls == 2
