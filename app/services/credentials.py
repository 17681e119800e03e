"""The gateway's credentials: one token for the whole process, in memory alone."""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from app.domain.failures import GatewayError
from app.protocol.tokens import GatewayToken
from app.services.flights import Flights
from app.services.ports import Clock, Observer, TokenEndpoint
from app.services.pushback import Pushback
from app.services.retries import Retries

COOL_DOWN = 1.0
_LEEWAY = 60.0
_LEEWAY_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Credential:
    """A header that opens the gateway."""

    header: str
    value: str = field(repr=False)


class GatewayCredentials(Protocol):
    """Where badges calls get their credential from."""

    async def current(self) -> Credential:
        """Return a credential that should be good.

        Raises:
            GatewayError: there is none to be had.

        """
        ...

    def reason_not_to_ask(self) -> GatewayError | None:
        """Return why `current` would fail, as far as that is known without asking."""
        ...

    def reject(self, credential: Credential) -> bool:
        """Forget a credential that the gateway refused; say whether there can be a better one."""
        ...

    def age(self) -> float | None:
        """Tell the age of the token in hand, in seconds; None if there is none."""
        ...


class FixedCredential:
    """A credential that never changes: basic authentication."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    async def current(self) -> Credential:
        """Return the one credential."""
        return self._credential

    def reason_not_to_ask(self) -> None:
        """Say that there is none."""

    def reject(self, _: Credential) -> bool:
        """Say that there is no other."""
        return False

    def age(self) -> None:
        """Say that there is no token."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A token as a credential; from `renew_at` on it wants to be replaced, then it has to be."""

    credential: Credential
    fetched_at: float
    renew_at: float
    expires_at: float


class TokenCredentials:
    """Credentials from a token endpoint, which is called within `timeout` seconds.

    One flight fetches a token for all. Ahead of its expiry it is replaced behind: callers go on
    with the old one. After a failure the endpoint is left alone for `COOL_DOWN` seconds.
    """

    def __init__(
        self,
        *,
        endpoint: TokenEndpoint,
        header: str,
        prefix: str,
        pushback: Pushback,
        retries: Retries,
        timeout: float,
        clock: Clock,
        timer: Clock,
        observer: Observer,
    ) -> None:
        self._endpoint = endpoint
        self._header = header
        self._prefix = prefix
        self._pushback = pushback
        self._retries = retries
        self._timeout = timeout
        self._clock = clock
        self._timer = timer
        self._observer = observer
        self._held: _Held | None = None
        self._failure: GatewayError | None = None
        self._cool_until = 0.0
        self._flights: Flights[None, _Held] = Flights()

    async def current(self) -> Credential:
        """Return the token in hand, or fetch one."""
        now, held = self._clock(), self._held
        if held is not None and now < held.expires_at:
            if now >= held.renew_at and self._timer() >= self._cool_until:
                self._flights.launch(None, self._fetch)
            return held.credential
        reason = self.reason_not_to_ask()
        if reason is not None:
            raise reason
        return (await self._flights.join(None, self._fetch)).credential

    def reason_not_to_ask(self) -> GatewayError | None:
        """Return the failure that keeps a token from being fetched now, if one is needed."""
        held = self._held
        if held is not None and self._clock() < held.expires_at:
            return None
        if self._failure is not None and self._timer() < self._cool_until:
            return self._failure.anew()
        return self._pushback.reason()

    def reject(self, credential: Credential) -> bool:
        """Forget the token if it is still the one that was refused."""
        if self._held is not None and self._held.credential == credential:
            self._held = None
        return True

    def age(self) -> float | None:
        """Tell the age of the token in hand."""
        return None if self._held is None else max(0.0, self._clock() - self._held.fetched_at)

    async def close(self) -> None:
        """End a fetch that is under way."""
        await self._flights.close()

    async def _fetch(self) -> _Held:
        started = self._clock()
        until = asyncio.get_running_loop().time() + self._timeout
        try:
            token = await self._retries.run(self._ask, until=until)
        except GatewayError as error:
            self._failure, self._cool_until = error.anew(), self._timer() + COOL_DOWN
            self._observer.token_failed(error)
            raise
        self._failure = None
        self._observer.token_fetched()
        self._held = self._hold(token, started)
        return self._held

    async def _ask(self) -> GatewayToken:
        async with self._pushback:
            return await self._endpoint.fetch()

    def _hold(self, token: GatewayToken, now: float) -> _Held:
        """Replace a token a minute before it expires, or after four fifths of a shorter life."""
        life = token.expires_at - now
        renew_at = token.expires_at - min(_LEEWAY, life * _LEEWAY_SHARE)
        credential = Credential(self._header, self._prefix + token.value)
        return _Held(credential, now, renew_at, token.expires_at)
