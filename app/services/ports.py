"""What the services need of the outside world; the adapters provide it."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from app.domain.failures import GatewayError
from app.protocol.gateway import GatewayRequest, RawAnswer
from app.protocol.tokens import GatewayToken
from app.services.breaker import Circuit
from app.services.records import RequestRecord

Clock = Callable[[], float]
"""Tells the time, in seconds since 1970."""


class StoreUnavailableError(Exception):
    """The store can't be asked now. That is an outage, not a miss."""


class KeysUnavailableError(Exception):
    """The issuer's key set can't be had now."""


class Reading(Struct, frozen=True):
    """What a store holds of an entry: its content, and the epoch of its customer."""

    content: bytes | None
    epoch: bytes | None


@dataclass(frozen=True, slots=True)
class HeldEpoch:
    """An epoch that was in force before a fetch began, and for how long it is to live, in seconds.

    It has to outlive every entry.
    """

    name: str
    value: bytes
    ttl: float


class EntryStore(Protocol):
    """Keeps sealed entries and customers' epochs by name. It may lose any of them at any time.

    Contents begin with `STAMP_BYTES` digits that order the versions of an entry. All methods raise
    `StoreUnavailableError` if the store does not answer in time, or not at all.
    """

    def read(self, name: str, epoch_name: str) -> Awaitable[Reading]:
        """Read an entry together with its epoch, both as they are now."""
        ...

    async def begin_epoch(self, epoch_name: str, proposed: bytes, *, ttl: float) -> bytes:
        """Return the epoch in force: the one proposed if there was none."""
        ...

    async def change_epoch(self, epoch_name: str, *, erase: bool, ttl: float) -> None:
        """Put a new epoch in place: only its `fresh` half is new unless it is to erase."""
        ...

    async def write(self, name: str, content: bytes, *, ttl: float, epoch: HeldEpoch) -> bool:
        """Keep a content for `ttl` seconds unless it was erased since its epoch was read.

        One that was invalidated meanwhile is kept: it may be served stale. A newer version of the
        entry stays. The epoch's own time begins anew. Tells whether the content was kept.
        """
        ...

    async def hold(self, name: str, owner: bytes, *, ttl: float) -> bool:
        """Take a lock for `ttl` seconds, or hold it longer; whether it is the owner's now."""
        ...

    async def release(self, name: str, owner: bytes) -> None:
        """Give a lock up, if it is still the owner's."""
        ...

    async def count(self, name: str, *, window: float) -> int:
        """Count one more under a name; counting starts anew `window` seconds after the first."""
        ...

    async def pause(self, name: str, *, seconds: float) -> None:
        """Begin a pause under a name; one that is under way may become longer, never shorter."""
        ...

    async def pause_left(self, name: str) -> float:
        """Tell how much of a pause is left, in seconds; 0 if there is none."""
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
    """Is told what operators want to know. Never waits, never fails. Times are in seconds."""

    def request_ended(self, record: RequestRecord) -> None:
        """A request was answered. The caller lets go of the record, which lacks the time."""

    def request_failed(self, request_id: str, error: Exception) -> None:
        """A request met a fault of ours: an alarm."""

    def store_asked(self, operation: str, seconds: float, *, answered: bool) -> None:
        """An operation of the store came to its end, with an answer or without."""

    def store_failed(self, operation: str) -> None:
        """The store was out of reach, and something has to be done without it."""

    def entries_read(self, count: int, seconds: float, *, answered: bool) -> None:
        """A round trip to read so many entries came to its end, with an answer or without."""

    def entry_rejected(self, name: str) -> None:
        """An entry did not open for the customer and query it was read for: an alarm.

        Its name holds the customer's pseudonym, and says nothing else of him.
        """

    def entry_from_the_future(self) -> None:
        """An entry claims to have been fetched later than now."""

    def gateway_called(self, result: str, seconds: float) -> None:
        """A single badges call came to its end: `ok`, or the name of its failure."""

    def gateway_failed(self, error: GatewayError) -> None:
        """Badges could not be had, for whatever reason, after all retries."""

    def token_fetched(self) -> None:
        """There is a new token."""

    def token_failed(self, error: GatewayError) -> None:
        """A token could not be had, after all retries."""

    def gateway_refused(self, error: GatewayError) -> None:
        """The gateway refuses our credentials, or what we may do with them: an alarm."""

    def gateway_paused(self, seconds: float) -> None:
        """The gateway asked for a pause."""

    def gateway_retried(self, error: GatewayError) -> None:
        """A call is tried once more after this failure."""

    def circuit_changed(self, name: str, state: Circuit) -> None:
        """A circuit (of the gateway, of the store) has a new state."""

    def gateway_answered(self, *, request_id: str | None, left_out: int, warnings: int) -> None:
        """A badges call succeeded, with so many unreadable badges and warnings."""

    def keys_failed(self, issuer: str) -> None:
        """An issuer's key set could not be fetched or read."""


class Span(Protocol):
    """A piece of work in a trace."""

    @property
    def trace_id(self) -> str | None:
        """The id of the trace, in 32 hexadecimal digits; None where nothing is traced."""
        ...

    def note(self, name: str, value: str | int) -> None:
        """Note an attribute. Nothing personal and nothing secret belongs into a trace."""
        ...


class Tracer(Protocol):
    """Tells traces of what is done. Never waits, never fails."""

    @property
    def active(self) -> bool:
        """Whether there are traces at all."""
        ...

    def request(
        self, method: str, route: str, headers: Mapping[str, str], /
    ) -> AbstractContextManager[Span]:
        """Trace a request, as a part of the trace that its headers name (W3C Trace Context)."""
        ...

    def span(self, name: str, /) -> AbstractContextManager[Span]:
        """Trace a piece of work, as a part of what is being done."""
        ...

    def call(self, name: str, /) -> AbstractContextManager[Span]:
        """Trace a call to another service, as a part of what is being done."""
        ...

    def headers(self) -> Mapping[str, str]:
        """Return the headers that tell another service of the trace."""
        ...
