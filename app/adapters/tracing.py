"""Tracing at the borders to others: the gateway, its token endpoint, and each flight."""

from dataclasses import replace

from app.domain.failures import GatewayError
from app.domain.identity import Customer
from app.domain.query import BadgesQuery
from app.protocol.gateway import GatewayAnswer, GatewayRequest, RawAnswer
from app.protocol.tokens import GatewayToken
from app.services.fills import Gateway
from app.services.ports import GatewayTransport, TokenEndpoint, Tracer


class TracedTransport:
    """Traces each single call to the gateway, and tells the gateway of the trace."""

    def __init__(self, transport: GatewayTransport, tracer: Tracer) -> None:
        self._transport = transport
        self._tracer = tracer

    async def send(self, request: GatewayRequest) -> RawAnswer:
        """Send a request and read the whole answer."""
        with self._tracer.call("gateway call") as span:
            headers = {**request.headers, **self._tracer.headers()}
            answer = await self._transport.send(replace(request, headers=headers))
            span.note("http.response.status_code", answer.status)
            return answer


class TracedTokenEndpoint:
    """Traces each call for a token."""

    def __init__(self, endpoint: TokenEndpoint, tracer: Tracer) -> None:
        self._endpoint = endpoint
        self._tracer = tracer

    async def fetch(self) -> GatewayToken:
        """Fetch a new token."""
        with self._tracer.call("token call"):
            return await self._endpoint.fetch()


class TracedFlights:
    """Traces what a flight wants of the gateway: the credential, its turn, and all attempts."""

    def __init__(self, gateway: Gateway, tracer: Tracer) -> None:
        self._gateway = gateway
        self._tracer = tracer

    def reason_not_to_ask(self) -> GatewayError | None:
        """Return why a call would not be made now."""
        return self._gateway.reason_not_to_ask()

    async def fetch(self, customer: Customer, query: BadgesQuery, *, until: float) -> GatewayAnswer:
        """Fetch a customer's badges; nothing of either goes into the trace."""
        with self._tracer.span("flight"):
            return await self._gateway.fetch(customer, query, until=until)
