"""A badges call, from the credential to the interpreted answer."""

from dataclasses import replace

from app.domain.failures import Failure, GatewayError
from app.domain.identity import Customer
from app.domain.query import BadgesQuery
from app.protocol.gateway import BadgesEndpoint, GatewayAnswer, GatewayRequest, interpret
from app.services.credentials import Credential, GatewayCredentials
from app.services.ports import Clock, GatewayTransport


class BadgesGateway:
    """Fetches badges from the gateway, replaying a call once whose token was rejected."""

    def __init__(
        self,
        *,
        endpoint: BadgesEndpoint,
        transport: GatewayTransport,
        credentials: GatewayCredentials,
        clock: Clock,
    ) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._credentials = credentials
        self._clock = clock

    async def fetch(self, customer: Customer, query: BadgesQuery) -> GatewayAnswer:
        """Fetch a customer's badges.

        Raises:
            GatewayError: they can't be had.

        """
        request = self._endpoint.request(customer, query)
        credential = await self._credentials.current()
        try:
            return await self._call(request, credential, query)
        except GatewayError as error:
            if not error.treatment.renews_token:
                raise
            if not self._credentials.reject(credential):
                raise _refused(error) from error
        return await self._replay(request, query)

    async def _replay(self, request: GatewayRequest, query: BadgesQuery) -> GatewayAnswer:
        """Call once more with another token; if that is rejected too, it is the credentials."""
        credential = await self._credentials.current()
        try:
            return await self._call(request, credential, query)
        except GatewayError as error:
            if not error.treatment.renews_token:
                raise
            self._credentials.reject(credential)
            raise _refused(error) from error

    async def _call(
        self, request: GatewayRequest, credential: Credential, query: BadgesQuery
    ) -> GatewayAnswer:
        headers = {**request.headers, credential.header: credential.value}
        answer = await self._transport.send(replace(request, headers=headers))
        return interpret(answer, query, now=self._clock())


def _refused(error: GatewayError) -> GatewayError:
    return GatewayError(Failure.CREDENTIALS_REFUSED, request_id=error.request_id)
