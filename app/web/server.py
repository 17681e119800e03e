"""Listening: aiohttp's server, with its own errors in the contract's form."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from structlog.typing import FilteringBoundLogger

from app.web.envelope import Journey, finish, log_request, request_id
from app.web.problems import Answer, problem_response

# Different limits, so that an error tells which of the two was passed.
_MAX_LINE = 8190
_MAX_FIELD = 16384
_MAX_HEADERS = 100
_TOO_MANY_HEADERS = "Too many headers received"


class ListenError(Exception):
    """An address to listen on can't be had."""


_Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Connection(web.RequestHandler):
    """A connection whose errors below the application are problems too."""

    __slots__ = ("_problem_logger",)

    def __init__(self, server: web.Server, logger: FilteringBoundLogger) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # documented: None is off
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_FIELD,
            max_headers=_MAX_HEADERS,
            auto_decompress=False,
            lingering_time=1.0,
        )
        self._problem_logger = logger

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
        response = _problem(request, _code(status, exc), self._problem_logger)
        response.force_close()
        return response


def _enveloped(handle: _Handle, logger: FilteringBoundLogger) -> _Handle:
    """Bring what aiohttp raises outside of all middlewares (a strange Expect) into our form."""

    async def handle_request(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handle(request)
        except web.HTTPException:
            return _problem(request, "bad-request", logger)

    return handle_request


def _problem(request: web.BaseRequest, code: str, logger: FilteringBoundLogger) -> web.Response:
    """Make the answer, and the log line, of a request that no middleware saw."""
    journey = Journey(request_id(request), perf_counter())
    journey.facts["problem"] = code
    response = problem_response(Answer(code, {}, {}), journey.request_id)
    finish(response.headers, journey)
    log_request(logger, request, response.status, journey)
    return response


def _code(status: int, error: BaseException | None) -> str:
    """Tell the problem's code by aiohttp's exception, whose own status is 400 for all of these."""
    if isinstance(error, LineTooLong):
        return "uri-too-long" if error.args[1] == _MAX_LINE else "header-fields-too-large"
    if isinstance(error, HttpProcessingError) and _TOO_MANY_HEADERS in error.message:
        return "header-fields-too-large"
    return "bad-request" if status < 500 else "internal-error"  # noqa: PLR2004


@asynccontextmanager
async def listening(
    app: web.Application,
    *,
    host: str,
    port: int,
    reuse_port: bool = False,
    shutdown_timeout: float,
    logger: FilteringBoundLogger,
) -> AsyncIterator[tuple[str, int]]:
    """Serve an application on an address; yields the address in fact, as host and port.

    On leaving, the listener closes first, then requests under way have `shutdown_timeout` seconds.

    Raises:
        ListenError: the address can't be had.

    """
    runner = web.AppRunner(app, shutdown_timeout=shutdown_timeout)
    await runner.setup()
    try:
        server = runner.server
        if server is None:
            raise RuntimeError("the runner was not set up")
        server.request_handler = _enveloped(server.request_handler, logger)
        loop = asyncio.get_running_loop()
        try:
            listener = await loop.create_server(
                lambda: _Connection(server, logger),
                host,
                port,
                reuse_port=reuse_port,
                backlog=1024,
            )
        except OSError as error:
            raise ListenError(f"can't listen on {host} port {port}: {error.strerror}") from error
        try:
            address: tuple[str, int] = listener.sockets[0].getsockname()[:2]
            yield address
        finally:
            listener.close()
    finally:
        await runner.cleanup()
