"""The gateway's credentials on the wire."""

import asyncio

import pytest
from house import House

from app.adapters.gateway_transport import HttpTransport
from app.adapters.http import client_session
from app.adapters.token_endpoint import (
    CAPILLARY,
    STANDARD,
    OAuthTokenEndpoint,
    basic_credential,
)
from app.domain.failures import Failure, GatewayError


def test_basic_authentication_is_the_documented_one() -> None:
    """base64 of `till:md5(password)`.

    The documentation's example says that its password is `Pass123`; its digest is another's.
    """
    assert basic_credential("store123", "password1234") == (
        "Basic c3RvcmUxMjM6YmRjODdiOWM4OTRkYTUxNjgwNTllMDBlYmZmYjkwNzc="
    )


@pytest.mark.parametrize(
    ("method", "path"), [(CAPILLARY, "/v3/oauth/token/generate"), (STANDARD, "/oauth/token")]
)
async def test_both_forms_of_the_token_call(house: House, method: str, path: str) -> None:
    """Either form brings a token with its lifetime; concurrent clients never mix their headers."""
    house.gateway.token_lifetime = 120
    async with client_session(connect_timeout=1, max_connections=10) as session:

        def endpoint(secret: str) -> OAuthTokenEndpoint:
            return OAuthTokenEndpoint(
                transport=HttpTransport(session, max_body_bytes=10_000),
                url=str(house.gateway_server.make_url(path)),
                method=method,
                client_id=house.gateway.client.client_id,
                client_secret=secret,
                scope=None,
                clock=house.clock,
            )

        good = endpoint(house.gateway.client.client_secret)
        first, refused, second = await asyncio.gather(
            good.fetch(), endpoint("wrong").fetch(), good.fetch(), return_exceptions=True
        )

    assert isinstance(refused, GatewayError)
    assert refused.failure is Failure.CREDENTIALS_REFUSED
    for token in (first, second):
        assert not isinstance(token, BaseException)
        assert token.expires_at == pytest.approx(house.clock() + 120, abs=2)
