"""Calls to the gateway, over aiohttp."""

from collections.abc import Mapping

from aiohttp import ClientResponse, ClientResponseError, ClientSession
from yarl import URL

from app.adapters.http import (
    BODY_ERRORS,
    CALL_ERRORS,
    body_failure,
    call_failure,
    read_bounded,
)
from app.domain.failures import Failure, GatewayError
from app.protocol.gateway import GatewayRequest, RawAnswer


class HttpTransport:
    """Sends requests over a session that it does not own; bodies are bounded in bytes."""

    def __init__(self, session: ClientSession, *, max_body_bytes: int) -> None:
        self._session = session
        self._max_body_bytes = max_body_bytes

    async def send(self, request: GatewayRequest) -> RawAnswer:
        """Send a badges call. Redirects are answers: a credential never follows one."""
        return await self.exchange("GET", request.url, headers=request.headers)

    async def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: str | None = None
    ) -> RawAnswer:
        """Send a request and read the whole answer.

        The url goes out as it is: yarl would fold `..` and `%2E%2E` away.
        """
        try:
            response = await self._session.request(
                method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
            )
        except ClientResponseError as error:
            raise GatewayError(Failure.UNEXPECTED) from error
        except CALL_ERRORS as error:
            raise call_failure(error) from error
        async with response:
            return await self._read(response)

    async def _read(self, response: ClientResponse) -> RawAnswer:
        try:
            content = await read_bounded(response, self._max_body_bytes)
        except BODY_ERRORS as error:
            raise body_failure(error) from error
        return RawAnswer(status=response.status, headers=response.headers, body=content)
