"""The two applications: the public one and the one on the admin port."""

from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.typing import FilteringBoundLogger

from app.services.ports import Observer, Tracer
from app.web.envelope import envelope

Routes = Mapping[str, Handler]

_NONE: Routes = MappingProxyType({})

_MAX_BODY_BYTES = 64 * 1024


def application(
    logger: FilteringBoundLogger,
    *,
    observer: Observer,
    tracer: Tracer,
    reads: Routes,
    writes: Routes = _NONE,
) -> web.Application:
    """Make an application of handlers by path.

    `reads` answer GET, HEAD and OPTIONS; `writes` answer POST and OPTIONS. The one middleware is
    the envelope: id, log line, metrics, trace, hardening, problems. What else happens to a request,
    and in which order, stands in its handler.
    """
    outermost = envelope(logger, observer=observer, tracer=tracer)
    app = web.Application(middlewares=[outermost], client_max_size=_MAX_BODY_BYTES)
    for path, handler in reads.items():
        app.router.add_get(path, handler, expect_handler=_expect_nothing)
        _add_options(app, path, "GET, HEAD, OPTIONS")
    for path, handler in writes.items():
        app.router.add_post(path, handler)
        _add_options(app, path, "POST, OPTIONS")
    return app


def _add_options(app: web.Application, path: str, allow: str) -> None:
    async def options(_: web.Request) -> web.Response:
        return web.Response(status=204, headers={"Allow": allow})

    app.router.add_route("OPTIONS", path, options, expect_handler=_expect_nothing)


async def _expect_nothing(_: web.Request) -> None:
    """Let expectations pass: RFC 9110 section 10.1.1 allows to answer at once."""
