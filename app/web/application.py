"""The two applications: the public one and the one on the admin port."""

from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.typing import FilteringBoundLogger

from app.web.envelope import envelope


def application(
    logger: FilteringBoundLogger, routes: Iterable[tuple[str, Handler]]
) -> web.Application:
    """Make an application of handlers by path; each answers GET, HEAD and OPTIONS.

    The one middleware is the envelope: id, log line, hardening, problems. What else happens to a
    request, and in which order, stands in its handler.
    """
    app = web.Application(middlewares=[envelope(logger)])
    for path, handler in routes:
        app.router.add_get(path, handler, expect_handler=_expect_nothing)
        app.router.add_route("OPTIONS", path, _options, expect_handler=_expect_nothing)
    return app


async def _options(_: web.Request) -> web.Response:
    return web.Response(status=204, headers={"Allow": "GET, HEAD, OPTIONS"})


async def _expect_nothing(_: web.Request) -> None:
    """Let expectations pass: RFC 9110 section 10.1.1 allows to answer at once."""
