"""Connections that answer simple requests without a task.

For each request aiohttp wakes the connection's task, which runs the handler in a task of its own:
more turns of the event loop, and more work, than all that a cached answer needs. Here the
connection drives the handler itself (`app.web.exchanges`), from the moment the request comes in.

What is not simple is left to aiohttp: anything but a whole GET or HEAD of HTTP/1.1 without a body,
alone on its connection, from a caller who reads his answers. So is everything on a version of
aiohttp that was not looked at.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, cast

import aiohttp
from aiohttp import EMPTY_PAYLOAD, HttpVersion11, StreamReader, web
from aiohttp.http import HttpProcessingError, HttpRequestParser, RawRequestMessage

from app.web.exchanges import Exchange, UnderWay
from app.web.lean_response import Handler, LeanResponse

# A connection on which nothing comes for so many seconds is closed before twice that has passed.
IDLE_TIMEOUT = 3600.0
_KNOWN = aiohttp.__version__.startswith("3.14.")
_METHODS = frozenset({"GET", "HEAD"})
_END_OF_HEAD = b"\r\n\r\n"
_BUFFER = 2**16
# aiohttp's own timer knows nothing of what is answered here.
_NEVER = 1e9
# Nobody asks for these where there is no body, and the answer is at hand.
_NO_WRITER: Any = None
_NO_TASK: Any = None


class _NoFlow:
    """What a scout's bodies may pause: nothing, since nobody reads them."""

    _reading_paused = False

    def pause_reading(self) -> None:
        """Go on."""

    def resume_reading(self, **_: bool) -> None:
        """Go on."""


_NO_FLOW: Any = _NoFlow()


class ExpressConnection(web.RequestHandler, ABC):
    """A connection that answers what is simple, and lets aiohttp answer what is not.

    `routes` are the handlers by path; other paths go through aiohttp's application. `parsing` are
    the limits to what is parsed, by the names of aiohttp's parameters.
    """

    __slots__ = (
        *("_deaf", "_exchange", "_held", "_idle", "_ordinary", "_returns", "_routes", "_scout"),
        *("_server", "_under_way", "_used"),
    )

    def __init__(
        self,
        server: web.Server,
        *,
        routes: Mapping[str, Handler],
        under_way: UnderWay,
        parsing: Mapping[str, Any],
        **options: Any,  # noqa: ANN401 - aiohttp's
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, keepalive_timeout=_NEVER, **parsing, **options)
        self._server = server
        self._routes = routes
        self._under_way = under_way
        self._scout = HttpRequestParser(_NO_FLOW, loop, _BUFFER, **parsing)
        self._exchange: Exchange | None = None
        self._held: list[bytes] = []
        self._ordinary = not _KNOWN
        self._returns = False
        self._deaf = False
        self._used = False
        self._idle = loop.call_later(IDLE_TIMEOUT, self._close_if_idle)

    @abstractmethod
    def complete(self, request: web.BaseRequest, response: LeanResponse) -> None:
        """Add what all answers are to have: each passes here just before it is sent."""

    @abstractmethod
    def apologise(self, request: web.BaseRequest) -> LeanResponse:
        """Make the answer to a request that failed in a way that nobody foresaw."""

    def data_received(self, data: bytes) -> None:
        """Take what the caller sent, and answer it if it is a request, whole and simple."""
        if not data:
            # aiohttp itself: it goes on with what its parser has kept.
            super().data_received(data)
            return
        self._used = True
        if self._ordinary or self._deaf:
            self._returns = False
            super().data_received(data)
        else:
            self._held.append(data)
            if self._exchange is None:
                self._look(data)
            elif self.transport is not None:
                # The next request, before the answer to this one: its bytes wait here.
                self.transport.pause_reading()

    def close(self) -> None:
        """Begin nothing more; what is under way goes on."""
        self._deaf = True
        super().close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note that the caller is gone; what he asked for is gone on with."""
        self._idle.cancel()
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer in aiohttp's way."""
        self.complete(request, cast("LeanResponse", resp))
        finished = await super().finish_response(request, resp, start_time)
        self._ordinary = not (self._returns and resp.keep_alive)
        return finished

    def deliver(self, exchange: Exchange, response: LeanResponse) -> None:
        """Send the answer to a simple request."""
        transport = self._ended(exchange)
        if transport is None:
            return
        try:
            self.complete(exchange.request, response)
            message = response.message(head_only=exchange.request.method == "HEAD")
        except Exception as error:  # noqa: BLE001 - a fault of ours, of which nothing may be sent
            self.log_exception("an answer can't be written", exc_info=error)
            self.force_close()
            return
        transport.write(message)
        if response.keep_alive is False:
            transport.close()
        elif self._held:
            transport.resume_reading()
            self._hand_over()

    def fail(self, exchange: Exchange, error: Exception) -> None:
        """Answer a simple request whose handler failed."""
        self.log_exception("a handler failed", exc_info=error)
        self.deliver(exchange, self.apologise(exchange.request))

    def drop(self, exchange: Exchange) -> None:
        """Close the connection, since its request will not be answered."""
        self._ended(exchange)
        self.force_close()

    def _ended(self, exchange: Exchange) -> asyncio.Transport | None:
        self._exchange = None
        self._under_way.remove(exchange)
        return self.transport

    def _look(self, data: bytes) -> None:
        """See whether there is a request by now."""
        try:
            messages, _, _ = self._scout.feed_data(data)
        except HttpProcessingError:
            self._hand_over()
            return
        if not messages:
            return
        message, payload = messages[0]
        if len(messages) > 1 or message.upgrade or not self._is_whole(message, payload):
            self._hand_over()
        elif payload is EMPTY_PAYLOAD and self._is_simple(message):
            self._held.clear()
            self._begin(message)
        else:
            self._hand_over(returns=True)

    def _is_whole(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Whether what is held is this request, with all of its body, and nothing behind it."""
        held = b"".join(self._held)
        if payload is EMPTY_PAYLOAD:
            return held.endswith(_END_OF_HEAD)
        body = held.partition(_END_OF_HEAD)[2]
        return message.headers.get("Content-Length") == str(len(body))

    def _is_simple(self, message: RawRequestMessage) -> bool:
        return (
            message.method in _METHODS
            and message.version == HttpVersion11
            and not message.should_close
            and "Expect" not in message.headers
            and self.transport is not None
            and not self.transport.get_write_buffer_size()
        )

    def _begin(self, message: RawRequestMessage) -> None:
        server = self._server
        request = server.request_factory(message, EMPTY_PAYLOAD, self, _NO_WRITER, _NO_TASK)
        handler: Callable[[Any], Any] = self._routes.get(
            message.path.partition("?")[0], server.request_handler
        )
        exchange = Exchange(self, request, handler(request))
        self._exchange = exchange
        self._under_way.add(exchange)
        exchange.begin()

    def _hand_over(self, *, returns: bool = False) -> None:
        """Leave what came to aiohttp, and all that will come.

        If it `returns`, only until the answer: it is one whole request, and nothing comes before.
        """
        held = b"".join(self._held)
        self._held.clear()
        self._ordinary, self._returns = True, returns
        super().data_received(held)

    def _close_if_idle(self) -> None:
        """Close the connection if nothing has come in all of `IDLE_TIMEOUT`."""
        if self._used or self._exchange is not None:
            self._used = False
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(IDLE_TIMEOUT, self._close_if_idle)
        else:
            self.force_close()
