"""The gateway's credentials: one token for the whole process, in memory alone."""

from dataclasses import dataclass, field
from typing import Protocol

from app.domain.failures import Failure, GatewayError
from app.protocol.tokens import GatewayToken
from app.services.flights import Flights
from app.services.ports import Clock, Observer, TokenEndpoint

_LEEWAY = 60.0
_LEEWAY_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Credential:
    """A header that opens the gateway."""

    header: str
    value: str = field(repr=False)


class GatewayCredentials(Protocol):
    """Where badges calls get their credential from."""

    @property
    def refused(self) -> bool:
        """Whether the gateway said that our credentials are wrong."""
        ...

    async def current(self) -> Credential:
        """Return a credential that should be good.

        Raises:
            GatewayError: there is none to be had.

        """
        ...

    def reject(self, credential: Credential) -> bool:
        """Forget a credential that the gateway refused; say whether there can be a better one."""
        ...


class FixedCredential:
    """A credential that never changes: basic authentication."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential
        self.refused = False

    async def current(self) -> Credential:
        """Return the one credential."""
        return self._credential

    def reject(self, credential: Credential) -> bool:
        """Remember that it was refused: there is no other."""
        self.refused = credential == self._credential
        return False


@dataclass(frozen=True, slots=True)
class _Held:
    """A token, the credential made of it, and from when on it wants to be replaced."""

    credential: Credential
    renew_at: float


class TokenCredentials:
    """Credentials from a token endpoint, fetched when they are needed, by one flight."""

    def __init__(
        self, *, endpoint: TokenEndpoint, header: str, prefix: str, clock: Clock, observer: Observer
    ) -> None:
        self._endpoint = endpoint
        self._header = header
        self._prefix = prefix
        self._clock = clock
        self._observer = observer
        self._held: _Held | None = None
        self._flights: Flights[None, _Held] = Flights()
        self.refused = False

    async def current(self) -> Credential:
        """Return the token in hand, or fetch one."""
        held = self._held
        if held is None or self._clock() >= held.renew_at:
            held = await self._flights.join(None, self._fetch)
        return held.credential

    def reject(self, credential: Credential) -> bool:
        """Forget the token if it is still the one that was refused."""
        if self._held is not None and self._held.credential == credential:
            self._held = None
        return True

    async def close(self) -> None:
        """End a fetch that is under way."""
        await self._flights.close()

    async def _fetch(self) -> _Held:
        started = self._clock()
        try:
            token = await self._endpoint.fetch()
        except GatewayError as error:
            self.refused = error.failure is Failure.CREDENTIALS_REFUSED
            self._observer.token_failed(error)
            raise
        self.refused = False
        self._held = self._hold(token, started)
        return self._held

    def _hold(self, token: GatewayToken, now: float) -> _Held:
        """Replace a token a minute before it expires, or after four fifths of a shorter life."""
        life = token.expires_at - now
        renew_at = token.expires_at - min(_LEEWAY, life * _LEEWAY_SHARE)
        return _Held(Credential(self._header, self._prefix + token.value), renew_at)
