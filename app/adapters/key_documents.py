"""Discovery and key set documents of an issuer, kept in memory by their own Cache-Control.

aiohttp-client-cache keeps them; which of them is believed, and for how long at most, is decided by
`app.services.issuer_keys`. They stay in this process: who can write a shared key set can forge
logins.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import ClientResponse, ClientTimeout, DummyCookieJar
from aiohttp_client_cache.backends.base import CacheBackend
from aiohttp_client_cache.response import CachedResponse
from aiohttp_client_cache.session import CachedSession

from app.adapters.http import USER_AGENT, CleanConnector, read_bounded
from app.services.ports import KeyDocument, KeysUnavailableError

_MAX_DOCUMENT_BYTES = 1024 * 1024
_TIMEOUT = ClientTimeout(total=5.0, sock_connect=2.0)


class _Document(ClientResponse):
    """A response that reads no more than a document may have; the cache reads it by `read`."""

    async def read(self) -> bytes:
        if self._body is None:
            self._body = await read_bounded(self, _MAX_DOCUMENT_BYTES)
        return self._body


def document_session() -> CachedSession:
    """Make the session for issuers' documents."""
    session: CachedSession = CachedSession(
        cache=CacheBackend(cache_control=True),
        connector=CleanConnector(),
        cookie_jar=DummyCookieJar(),
        timeout=_TIMEOUT,
        response_class=_Document,
        headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
    )
    return session


class IssuerDocuments:
    """Fetches an issuer's key set: from `jwks_url`, or else from where discovery says it is.

    Discovery is OpenID Connect Discovery 1.0 section 4: the document must name the very issuer.
    Unless `allow_http`, its key set address must be https.
    """

    def __init__(
        self, session: CachedSession, *, issuer: str, jwks_url: str | None, allow_http: bool
    ) -> None:
        self._session = session
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._allow_http = allow_http

    async def fetch(self, *, revalidate: bool) -> KeyDocument:
        """Return the key set document."""
        url = self._jwks_url or await self._discover(revalidate=revalidate)
        return await self._get(url, revalidate=revalidate)

    async def _discover(self, *, revalidate: bool) -> str:
        url = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
        document = await self._get(url, revalidate=revalidate)
        try:
            found: Any = msgspec.json.decode(document.body)
        except (ValueError, RecursionError) as error:
            raise KeysUnavailableError from error
        jwks_url = found.get("jwks_uri") if isinstance(found, dict) else None
        if not isinstance(jwks_url, str) or found.get("issuer") != self._issuer:
            raise KeysUnavailableError
        if not jwks_url.startswith("https://") and not self._allow_http:
            raise KeysUnavailableError
        return jwks_url

    async def _get(self, url: str, *, revalidate: bool) -> KeyDocument:
        try:
            return await self._ask(url, {"Cache-Control": "no-cache"} if revalidate else {})
        except KeysUnavailableError as error:
            if not isinstance(error.__cause__, OverflowError):
                raise
            # The cache can't reckon with an absurd max-age; the document may be good all the same.
            return await self._ask(url, {"Cache-Control": "no-store"})

    async def _ask(self, url: str, headers: Mapping[str, str]) -> KeyDocument:
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                body = await response.read()
        # The border to a cache that parses foreign headers.
        except Exception as error:
            raise KeysUnavailableError from error
        if response.status != 200:  # noqa: PLR2004
            raise KeysUnavailableError
        return KeyDocument(body, remembered=isinstance(response, CachedResponse))
