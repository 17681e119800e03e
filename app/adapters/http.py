"""Outgoing HTTP: one way to make sessions, to read bodies and to translate errors."""

import select

from aiohttp import (
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from app.domain.failures import Failure, GatewayError

USER_AGENT = "badges-bff"


class BodyTooLargeError(Exception):
    """A body is larger than it may be; what was read of it is thrown away."""


class BrokenConnectionError(ClientError):
    """A connection broke before there was an answer."""


async def _no_silent_retry(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from repeating a call: what it takes for broken connections it never sees.

    It would send an idempotent request a second time without telling, and a failing gateway would
    get twice its traffic. Our own retries are counted.
    """
    try:
        return await handler(request)
    except (ClientOSError, ServerDisconnectedError) as error:
        raise BrokenConnectionError from error


class CleanConnector(TCPConnector):
    """A pool that never hands out a connection on which something came that nobody asked for.

    aiohttp would take that for the answer to the next request: from a gateway that has lost count
    of its answers, it is another customer's.
    """

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is not None and _is_quiet(connection.protocol):
                return connection
            connection.close()
        return None


def _is_quiet(protocol: ResponseHandler) -> bool:
    """Whether nothing has arrived, neither read already nor still in the socket."""
    transport = protocol.transport
    if transport is None or protocol.should_close:
        return False
    unread = select.poll()
    unread.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return not unread.poll(0)


def client_session(*, connect_timeout: float, max_connections: int) -> ClientSession:
    """Make a session for calls to machines: no cookies, no proxies from the environment.

    `connect_timeout` is in seconds. How long a whole call may take is its maker's affair.
    """
    return ClientSession(
        connector=CleanConnector(limit=max_connections, limit_per_host=max_connections),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=None, sock_connect=connect_timeout),
        headers={"User-Agent": USER_AGENT},
        middlewares=(_no_silent_retry,),
    )


async def read_bounded(response: ClientResponse, limit: int) -> bytes:
    """Read a body, decompressed, of at most `limit` bytes.

    Raises:
        BodyTooLargeError: there is more.

    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > limit:
            response.close()
            raise BodyTooLargeError
        chunks.append(chunk)
    return b"".join(chunks)


def call_failure(error: Exception) -> GatewayError:
    """Translate an error of a call that brought no status line. No text of it goes along."""
    if isinstance(error, ConnectionTimeoutError):
        return GatewayError(Failure.UNREACHABLE)
    if isinstance(error, TimeoutError):
        return GatewayError(Failure.TIMEOUT)
    return GatewayError(Failure.UNREACHABLE)


def body_failure(error: Exception) -> GatewayError:
    """Translate an error of reading a body: truncated, reset, too large, not decompressible."""
    late = isinstance(error, TimeoutError)
    return GatewayError(Failure.TIMEOUT if late else Failure.UNREADABLE)


CALL_ERRORS = (ClientError, OSError, TimeoutError)
BODY_ERRORS = (ClientError, OSError, TimeoutError, BodyTooLargeError)
