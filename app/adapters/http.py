"""Outgoing HTTP: one way to make sessions, to read bodies and to translate errors."""

from collections.abc import Mapping

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
)

from app.domain.failures import Failure, GatewayError

USER_AGENT = "badges-bff"


class BodyTooLargeError(Exception):
    """A body is larger than it may be; what was read of it is thrown away."""


def client_session(
    *, connect_timeout: float, timeout: float, max_connections: int
) -> ClientSession:
    """Make a session for calls to machines: no cookies, no proxies from the environment.

    `connect_timeout` and `timeout` (a whole call) are in seconds.
    """
    return ClientSession(
        connector=TCPConnector(limit=max_connections, limit_per_host=max_connections),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=timeout, sock_connect=connect_timeout),
        headers={"User-Agent": USER_AGENT},
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


def lower_headers(response: ClientResponse) -> Mapping[str, str]:
    """Return the headers of a response by name in lower case; of equal names the first."""
    return {name.lower(): response.headers[name] for name in response.headers}


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
