"""The stand-ins, served on real sockets."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pytest_aiohttp.plugin import AiohttpClient

from app.sandbox.catalogue import sample_badges
from app.sandbox.customers import sample_customers
from app.sandbox.gateway import StandInGateway
from app.sandbox.identity import SigningKey, StandInIssuer, new_signing_key
from app.sandbox.tokens import ClientCredentials

NOW = 1_795_000_000.25
"""The moment at which the tests' gateway lives, in Unix seconds."""


Client = TestClient[web.Request, web.Application]


@pytest.fixture
def gateway() -> StandInGateway:
    """A gateway at a fixed moment."""
    return StandInGateway(
        client=ClientCredentials(client_id="till1", client_secret="Pass123"),
        badges=sample_badges(NOW, "http://pictures.test"),
        customers=sample_customers(NOW),
        clock=lambda: NOW,
    )


@pytest.fixture
async def client(gateway: StandInGateway, aiohttp_client: AiohttpClient) -> Client:
    """A client of the gateway."""
    return await aiohttp_client(gateway.application())


@pytest.fixture
async def token(client: Client) -> str:
    """A token that the gateway takes, in its own form."""
    answer = await client.post(
        "/v3/oauth/token/generate", json={"key": "till1", "secret": "Pass123"}
    )
    return str((await answer.json())["data"]["accessToken"])


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    """One RSA key for all tests: making one takes a while."""
    return new_signing_key("RS256")


@pytest.fixture
async def issuer(signing_key: SigningKey) -> AsyncIterator[StandInIssuer]:
    """An identity provider on a real port, which it learnt after it was made."""
    provider = StandInIssuer(issuer_url="", audience="badges", keys=[signing_key])
    async with TestServer(provider.application()) as server:
        provider.issuer_url = str(server.make_url("")).rstrip("/")
        yield provider
