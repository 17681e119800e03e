"""The gateway's token endpoint, through authlib's OAuth 2 client over aiohttp.

authlib has no aiohttp client: this one overrides the single method that does HTTP. Capillary's own
form of the token call is a client authentication method, which writes the body, and a compliance
hook, which brings the answer into the standard form.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client

from app.adapters.gateway_transport import HttpTransport
from app.protocol.gateway import basic_password
from app.protocol.tokens import (
    GatewayToken,
    capillary_request,
    gateway_token,
    standard_answer,
)
from app.services.ports import Clock

CAPILLARY = "capillary_key_secret"
STANDARD = "client_secret_basic"


@dataclass(frozen=True, slots=True)
class _TokenResponse:
    """A good token answer as authlib wants to see it: errors were raised before, by our rules."""

    answer: Mapping[str, Any]
    status_code: int = 200

    def json(self) -> dict[str, Any]:
        return dict(self.answer)


def _capillary_auth(
    client: ClientAuth, _method: str, uri: str, headers: dict[str, str], _body: str
) -> tuple[str, dict[str, str], str]:
    """Authenticate by `{"key", "secret"}` in a JSON body."""
    body = capillary_request(client.client_id, client.client_secret)
    return uri, headers | {"Content-Type": "application/json"}, body


class _AiohttpOAuth2Client(OAuth2Client):  # type: ignore[misc]
    """authlib's client with its HTTP done by aiohttp; its session is our transport."""

    def __init__(self, transport: HttpTransport, *, clock: Clock, **options: str | None) -> None:
        super().__init__(transport, **options)
        self._clock = clock

    async def _fetch_token(
        self,
        url: str,
        body: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        auth: ClientAuth,
        method: str = "POST",
    ) -> Mapping[str, Any]:
        # A copy: authlib's basic authentication writes into the headers, which it shares.
        url, headers, body = auth.prepare(method, url, dict(headers or {}), body)
        answer = await self.session.exchange(method, url, headers=headers, body=body)
        standard = standard_answer(answer.status, answer.headers, answer.body, now=self._clock())
        token: Mapping[str, Any] = self.parse_response_token(_TokenResponse(standard))
        return token


def basic_credential(till: str, password: str) -> str:
    """Make the Authorization header of the gateway's basic authentication, `till:md5(password)`."""
    auth = ClientAuth(till, basic_password(password), STANDARD)
    _, headers, _ = auth.prepare("GET", "", {}, "")
    return str(headers["Authorization"])


class OAuthTokenEndpoint:
    """Fetches tokens by the client credentials grant (RFC 6749 section 4.4) or Capillary's form."""

    def __init__(
        self,
        *,
        transport: HttpTransport,
        url: str,
        method: str,
        client_id: str,
        client_secret: str,
        scope: str | None,
        clock: Clock,
    ) -> None:
        self._url = url
        self._clock = clock
        self._client = _AiohttpOAuth2Client(
            transport,
            clock=clock,
            # RFC 6749 section 2.3.1 has both form-encoded before they become a basic credential.
            client_id=quote_plus(client_id) if method == STANDARD else client_id,
            client_secret=quote_plus(client_secret) if method == STANDARD else client_secret,
            token_endpoint_auth_method=method,
            scope=scope,
        )
        self._client.register_client_auth_method((CAPILLARY, _capillary_auth))

    async def fetch(self) -> GatewayToken:
        """Fetch a new token."""
        asked_at = self._clock()
        answer = await self._client.fetch_token(self._url, grant_type="client_credentials")
        return gateway_token(answer, now=asked_at)
