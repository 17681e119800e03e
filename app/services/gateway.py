"""A badges call, from the credential to the interpreted answer, with all that guards it."""

from dataclasses import dataclass
from time import perf_counter

from app.domain.failures import TREATMENTS, Failure, GatewayError, Retry
from app.domain.identity import Customer
from app.domain.query import BadgesQuery
from app.protocol.gateway import BadgesEndpoint, GatewayAnswer, GatewayRequest, interpret
from app.services.breaker import Breaker
from app.services.bulkhead import Bulkhead
from app.services.credentials import Credential, GatewayCredentials
from app.services.ports import Clock, GatewayTransport, Observer
from app.services.pushback import Pushback
from app.services.retries import Retries


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What stands between a wish to call the gateway and the call.

    Token calls have a pushback of their own: who may not fetch a token for a while may still use
    the one in hand, and the endpoint may be another company's.
    """

    pushback: Pushback
    token_pushback: Pushback
    breaker: Breaker
    bulkhead: Bulkhead
    retries: Retries


@dataclass(slots=True)
class _Wish:
    """What is asked of the gateway, and whether a token was rejected on the way."""

    request: GatewayRequest
    query: BadgesQuery
    rejected: bool = False


class _NoCredentialError(Exception):
    """There is no credential; what could be retried about that was."""

    def __init__(self, reason: GatewayError) -> None:
        super().__init__(reason.failure.value)
        self.reason = reason


class BadgesGateway:
    """Fetches badges from the gateway as the failure table says."""

    def __init__(
        self,
        *,
        endpoint: BadgesEndpoint,
        transport: GatewayTransport,
        credentials: GatewayCredentials,
        guards: Guards,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._credentials = credentials
        self._guards = guards
        self._clock = clock
        self._observer = observer

    def reason_not_to_ask(self) -> GatewayError | None:
        """Return why a call would not be made now, as far as that is known without asking."""
        left = self._guards.breaker.pause_left
        if left:
            return GatewayError(Failure.CIRCUIT_OPEN, retry_after=left)
        return self._guards.pushback.reason() or self._credentials.reason_not_to_ask()

    async def fetch(self, customer: Customer, query: BadgesQuery, *, until: float) -> GatewayAnswer:
        """Fetch a customer's badges; `until` is when to give up, in the loop's time.

        Raises:
            GatewayError: they can't be had.

        """
        wish = _Wish(self._endpoint.request(customer, query), query)
        try:
            return await self._guards.retries.run(lambda: self._attempt(wish), until=until)
        except _NoCredentialError as error:
            # A new one: that of the token flight belongs to all who waited for it.
            raise error.reason.anew() from None

    async def _attempt(self, wish: _Wish) -> GatewayAnswer:
        """Make one call. A credential is at hand before a turn is waited for."""
        try:
            credential = await self._credentials.current()
        except GatewayError as error:
            raise _NoCredentialError(error) from None
        async with self._guards.bulkhead, self._guards.pushback:
            return await self._observed(wish, credential)

    async def _observed(self, wish: _Wish, credential: Credential) -> GatewayAnswer:
        """Make a call if the circuit allows it, and tell how it went and how long it took."""
        breaker = self._guards.breaker
        if not breaker.lets_pass():
            raise GatewayError(Failure.CIRCUIT_OPEN, retry_after=breaker.pause_left)
        era, started = breaker.era, perf_counter()
        # One that is cancelled ran out of time.
        failure: Failure | None = Failure.TIMEOUT
        try:
            answer = await self._call(wish, credential)
            failure = None
        except GatewayError as error:
            failure = error.failure
            raise
        finally:
            self._tell(failure, era, perf_counter() - started)
        return answer

    def _tell(self, failure: Failure | None, era: int, seconds: float) -> None:
        if failure is not None and TREATMENTS[failure].circuit:
            self._guards.breaker.failed(era)
        else:
            self._guards.breaker.succeeded(era)
        self._observer.gateway_called("ok" if failure is None else failure.value, seconds)

    async def _call(self, wish: _Wish, credential: Credential) -> GatewayAnswer:
        request = GatewayRequest(
            url=wish.request.url,
            headers={**wish.request.headers, credential.header: credential.value},
        )
        answer = await self._transport.send(request)
        try:
            return interpret(answer, wish.query, now=self._clock())
        except GatewayError as error:
            if error.treatment.retry is Retry.REPLAY and not self._may_replay(wish, credential):
                raise GatewayError(
                    Failure.CREDENTIALS_REFUSED, request_id=error.request_id
                ) from error
            raise

    def _may_replay(self, wish: _Wish, credential: Credential) -> bool:
        """Whether another token may help: not if there is none, or if one was rejected before."""
        first, wish.rejected = not wish.rejected, True
        return self._credentials.reject(credential) and first
