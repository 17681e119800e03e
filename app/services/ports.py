"""What the services need of the outside world; the adapters provide it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.domain.failures import GatewayError
from app.protocol.gateway import GatewayRequest, RawAnswer
from app.protocol.tokens import GatewayToken

Clock = Callable[[], float]
"""Tells the time, in seconds since 1970."""


class StoreUnavailableError(Exception):
    """The store can't be asked now. That is an outage, not a miss."""


class KeysUnavailableError(Exception):
    """The issuer's key set can't be had now."""


class EntryStore(Protocol):
    """Keeps sealed entries by name. It may lose any of them at any time."""

    async def get(self, name: str) -> bytes | None:
        """Return the content of that name, None if there is none.

        Raises:
            StoreUnavailableError: the store did not answer in time, or not at all.

        """
        ...

    async def put(self, name: str, content: bytes, *, ttl: float) -> None:
        """Keep a content for `ttl` seconds, in place of any other of that name.

        Raises:
            StoreUnavailableError: the store did not answer in time, or not at all.

        """
        ...


class GatewayTransport(Protocol):
    """Sends requests to the gateway."""

    async def send(self, request: GatewayRequest) -> RawAnswer:
        """Send a request and read the whole answer, whatever its status.

        Raises:
            GatewayError: there was no answer, or its body could not be read.

        """
        ...


class TokenEndpoint(Protocol):
    """Hands out the gateway's tokens."""

    async def fetch(self) -> GatewayToken:
        """Fetch a new token.

        Raises:
            GatewayError: the credentials were refused, or there was no usable answer.

        """
        ...


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """A JWKS document, and whether it was remembered rather than fetched just now."""

    body: bytes
    remembered: bool


class KeyDocuments(Protocol):
    """Fetches an issuer's key set, keeping it for as long as HTTP caching allows."""

    async def fetch(self, *, revalidate: bool) -> KeyDocument:
        """Return the JWKS document; with `revalidate`, never a remembered one.

        Raises:
            KeysUnavailableError: the issuer can't be reached or answers something else.

        """
        ...


class Observer(Protocol):
    """Is told what operators want to know. Never waits, never fails."""

    def store_failed(self, operation: str) -> None:
        """The store was out of reach for a read or a write."""

    def entry_rejected(self) -> None:
        """An entry did not open for the customer and query it was read for: an alarm."""

    def entry_from_the_future(self) -> None:
        """An entry claims to have been fetched later than now."""

    def gateway_failed(self, error: GatewayError) -> None:
        """A badges call failed, for whatever reason."""

    def token_failed(self, error: GatewayError) -> None:
        """A token call failed."""

    def gateway_answered(self, *, request_id: str | None, left_out: int, warnings: int) -> None:
        """A badges call succeeded, with so many unreadable badges and warnings."""

    def keys_failed(self, issuer: str) -> None:
        """An issuer's key set could not be fetched or read."""
