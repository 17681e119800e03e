"""A response that is sent as it is: its head made in one go, and written together with its body.

Half of what aiohttp does for a small answer is to make its head: a multidict, a dozen look-ups, a
check and a copy of each field. Here all of it is one string. What is public of aiohttp is used: an
answer is whatever has `prepare` and `write_eof`, and a request's `writer` takes bytes. What is not
everyday (HTTP/1.0) goes through aiohttp's own response, and so does everything on a version of it
that was not looked at. `tests/web/test_lean_response.py` compares both, byte by byte.
"""

from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time

import aiohttp
from aiohttp import HttpVersion11, web

_KNOWN = aiohttp.__version__.startswith("3.14.")
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
# They have no content, and say nothing of its length (RFC 9110 section 8.6).
_WITHOUT_LENGTH = frozenset({204, 304})


class LeanResponse:
    """An answer whose body is at hand. `headers` may be changed until it is sent.

    It is used in place of `aiohttp.web.Response`, of which it has what the server asks for.
    `fields` holds further fields in the form of a head, each with its line break. They are sent as
    they are, so nothing that came from outside belongs there unchecked.
    """

    __slots__ = ("_keep_alive", "_request", "body", "fields", "headers", "status")

    def __init__(
        self, status: int, headers: dict[str, str], body: bytes = b"", *, fields: str = ""
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.fields = fields
        self._keep_alive: bool | None = None

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection lives on; None until that is decided."""
        return self._keep_alive

    def force_close(self) -> None:
        """Close the connection after this answer."""
        self._keep_alive = False

    async def prepare(self, request: web.BaseRequest) -> object:
        """Decide what becomes of the connection."""
        self._request = request
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        return None

    async def write_eof(self, _: bytes = b"") -> None:
        """Send everything; waits while the caller reads too slowly."""
        request = self._request
        if _KNOWN and request.version == HttpVersion11:
            await request.writer.write_eof(self.message(head_only=request.method == "HEAD"))
        else:
            await self._write_ordinarily(request)

    def message(self, *, head_only: bool) -> bytes:
        """Write the whole answer (RFC 9112 section 2.1).

        Raises:
            ValueError: a value of `headers` holds a line break.

        """
        headers = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        number = len(self.headers)
        if headers.count("\n") != number or headers.count("\r") != number:
            raise ValueError("a line break in a header field")
        length = "" if self.status in _WITHOUT_LENGTH else f"Content-Length: {len(self.body)}\r\n"
        end = "Connection: close\r\n\r\n" if self._keep_alive is False else "\r\n"
        date = _http_date(int(time()))
        head = f"{_STATUS_LINES[self.status]}{headers}{self.fields}{length}Date: {date}\r\n{end}"
        return head.encode() if head_only else head.encode() + self.body

    async def _write_ordinarily(self, request: web.BaseRequest) -> None:
        headers = [*self.headers.items(), *_fields(self.fields)]
        response = web.Response(status=self.status, headers=headers, body=self.body)
        if not self._keep_alive:
            response.force_close()
        await response.prepare(request)
        await response.write_eof()


Handler = Callable[[web.Request], Awaitable[LeanResponse]]
"""Answers the requests to a route."""


def _fields(lines: str) -> list[tuple[str, str]]:
    return [
        (name, value) for name, _, value in (line.partition(": ") for line in lines.splitlines())
    ]


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    """Write a date (RFC 9110 section 5.6.7); it is the same for a second."""
    return formatdate(second, usegmt=True)
