"""Listening: aiohttp's server, with its own errors in the contract's form."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from types import MappingProxyType
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from app.web.application import ROUTES, Routes
from app.web.ending import close_listener, finish_requests
from app.web.envelope import Envelope
from app.web.exchanges import UnderWay
from app.web.express import ExpressConnection
from app.web.lean_response import LeanResponse
from app.web.problems import Answer, answer_to

# Different limits, so that an error tells which of the two was passed.
_MAX_LINE = 8190
_PARSING = MappingProxyType(
    {
        "max_line_size": _MAX_LINE,
        "max_field_size": 16384,
        "max_headers": 100,
        "auto_decompress": False,
    }
)
_TOO_MANY_HEADERS = "Too many headers received"
_LAST_REQUEST = 0.1
_CUT = 0.05


class ListenError(Exception):
    """An address to listen on can't be had."""


_Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_Adorn = Callable[[web.BaseRequest, LeanResponse], None]


class _Connection(ExpressConnection):
    """A connection whose errors below the application are problems too, and that knows of drains.

    `answered` tells whether it has had an answer yet; `adorn` adds to each what all are to have.
    """

    __slots__ = ("_adorn", "_draining", "_envelope", "answered")

    def __init__(
        self,
        server: web.Server,
        routes: Routes,
        under_way: UnderWay,
        *,
        envelope: Envelope,
        draining: Callable[[], bool],
        adorn: _Adorn,
    ) -> None:
        super().__init__(
            server,
            routes=routes,
            under_way=under_way,
            parsing=_PARSING,
            access_log=None,  # documented: None is off
            lingering_time=1.0,
        )
        self._envelope = envelope
        self._draining = draining
        self._adorn = adorn
        self.answered = False

    def complete(self, request: web.BaseRequest, response: LeanResponse) -> None:
        """Let all answers say that the drain is on."""
        self._adorn(request, response)
        if self._draining():
            response.force_close()
        self.answered = True

    def apologise(self, request: web.BaseRequest) -> LeanResponse:
        """Make a problem of what the envelope let through."""
        return self._refused(request, "internal-error")

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes what the caller sent
    ) -> web.StreamResponse:
        """Answer an error of the HTTP layer, or of ours if an application let one through."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        return cast("web.StreamResponse", self._refused(request, _code(status, exc)))

    def _refused(self, request: web.BaseRequest, code: str) -> LeanResponse:
        # The peer, be it a proxy: of the headers of such a request nothing is believed.
        response = self._envelope.refuse(request, Answer(code, {}, {}), client=request.remote)
        response.force_close()
        return response


def _refusing(handle: _Handle, envelope: Envelope) -> _Handle:
    """Bring what aiohttp raises outside of all routes into our form."""

    async def handle_request(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handle(request)
        except web.HTTPException as error:
            answer = answer_to(error) or Answer("bad-request", {}, {})
            return cast("web.StreamResponse", envelope.refuse(request, answer))

    return handle_request


def _code(status: int, error: BaseException | None) -> str:
    """Tell the problem's code by aiohttp's exception, whose own status is 400 for all of these."""
    if isinstance(error, LineTooLong):
        return "uri-too-long" if error.args[1] == _MAX_LINE else "header-fields-too-large"
    if isinstance(error, HttpProcessingError) and _TOO_MANY_HEADERS in error.message:
        return "header-fields-too-large"
    return "bad-request" if status < 500 else "internal-error"  # noqa: PLR2004


def _leave(_: web.BaseRequest, __: LeanResponse) -> None:
    """Leave an answer as it is."""


@asynccontextmanager
async def listening(
    app: web.Application,
    *,
    host: str,
    port: int,
    reuse_port: bool = False,
    shutdown_timeout: float,
    draining: Callable[[], bool],
    adorn: _Adorn = _leave,
    envelope: Envelope,
) -> AsyncIterator[tuple[str, int]]:
    """Serve an application on an address; yields the address in fact, as host and port.

    While `draining` says so, answers close their connections; `adorn` adds headers to each. On
    leaving, the listener closes first, then idle connections; requests under way have
    `shutdown_timeout` seconds, and are cut.

    Raises:
        ListenError: the address can't be had.

    """
    runner = web.AppRunner(app, shutdown_timeout=_CUT)
    await runner.setup()
    try:
        server = _server(runner)
        server.request_handler = _refusing(server.request_handler, envelope)
        under_way = UnderWay()
        connection = partial(
            _Connection,
            server,
            app[ROUTES],
            under_way,
            envelope=envelope,
            draining=draining,
            adorn=adorn,
        )
        try:
            listener = await asyncio.get_running_loop().create_server(
                connection, host, port, reuse_port=reuse_port, backlog=1024
            )
        except OSError as error:
            raise ListenError(f"can't listen on {host} port {port}: {error.strerror}") from error
        try:
            address: tuple[str, int] = listener.sockets[0].getsockname()[:2]
            yield address
        finally:
            await close_listener(listener, connection)
            await _hear_the_newest(server)
            await finish_requests(server, under_way, shutdown_timeout)
    finally:
        await runner.cleanup()


def _server(runner: web.AppRunner) -> web.Server:
    if runner.server is None:
        raise RuntimeError("the runner was not set up")
    return runner.server


async def _hear_the_newest(server: web.Server) -> None:
    """Give who has just connected `_LAST_REQUEST` seconds: his request is on its way."""
    for connection in server.connections:
        if isinstance(connection, _Connection) and not connection.answered:
            await asyncio.sleep(_LAST_REQUEST)
            return
