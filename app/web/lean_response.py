"""A response that is sent as it is: its head made in one go, and written together with its body.

Half of what aiohttp does for a small answer is to make its head: a multidict, a dozen look-ups, a
check and a copy of each field. Here all of it is one string. What is public of aiohttp is used: an
answer is whatever has `prepare` and `write_eof`, and a request's `writer` takes bytes. What is not
everyday (HTTP/1.0) goes through aiohttp's own response, and so does everything on a version of it
that was not looked at. `tests/web/test_lean_response.py` compares both, byte by byte.
"""

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time

import aiohttp
from aiohttp import HttpVersion11, web

_KNOWN = aiohttp.__version__.startswith("3.14.")
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}
_NOT_MODIFIED = 304


class LeanResponse:
    """An answer whose body is at hand. `headers` may be changed until it is prepared.

    It is used in place of `aiohttp.web.Response`, of which it has what the server asks for.
    """

    __slots__ = ("_bytes", "_keep_alive", "_ordinary", "_writer", "body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self._keep_alive: bool | None = None
        self._ordinary: web.Response | None = None

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection lives on; None until that is decided."""
        return self._keep_alive

    def force_close(self) -> None:
        """Close the connection after this answer."""
        self._keep_alive = False

    async def prepare(self, request: web.BaseRequest) -> object:
        """Make the head."""
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        if not _KNOWN or request.version != HttpVersion11:
            return await self._prepare_ordinary(request)
        head = self._head()
        self._writer = request.writer
        self._bytes = head if request.method == "HEAD" else head + self.body
        return None

    async def write_eof(self, _: bytes = b"") -> None:
        """Send everything; waits while the caller reads too slowly."""
        if self._ordinary is not None:
            await self._ordinary.write_eof()
        else:
            await self._writer.write_eof(self._bytes)

    def _head(self) -> bytes:
        """Write the head (RFC 9112 section 2.1).

        Raises:
            ValueError: a value holds a line break.

        """
        lines = [_STATUS_LINES[self.status]]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.status != _NOT_MODIFIED:
            lines.append(f"Content-Length: {len(self.body)}")
        lines.append(f"Date: {_http_date(int(time()))}")
        if not self._keep_alive:
            lines.append("Connection: close")
        head = "\r\n".join(lines)
        breaks = len(lines) - 1
        if head.count("\n") != breaks or head.count("\r") != breaks:
            raise ValueError("a line break in a header field")
        return f"{head}\r\n\r\n".encode()

    async def _prepare_ordinary(self, request: web.BaseRequest) -> object:
        self._ordinary = web.Response(status=self.status, headers=self.headers, body=self.body)
        if not self._keep_alive:
            self._ordinary.force_close()
        return await self._ordinary.prepare(request)


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    """Write a date (RFC 9110 section 5.6.7); it is the same for a second."""
    return formatdate(second, usegmt=True)
