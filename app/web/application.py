"""The two applications: the public one and the one on the admin port."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from aiohttp import typedefs, web

from app.web.envelope import Envelope
from app.web.lean_response import Handler, LeanResponse

Routes = Mapping[str, Handler]

ROUTES: web.AppKey[Routes] = web.AppKey("routes", Mapping)
"""The handlers of GET and HEAD by path, where that has no parameters."""

_NONE: Routes = MappingProxyType({})

_MAX_BODY_BYTES = 64 * 1024


def application(envelope: Envelope, *, reads: Routes, writes: Routes = _NONE) -> web.Application:
    """Make an application of handlers by path, each in the envelope.

    `reads` answer GET, HEAD and OPTIONS; `writes` answer POST and OPTIONS. There is no middleware:
    what happens to a request, and in which order, stands in its handler.
    """
    app = web.Application(client_max_size=_MAX_BODY_BYTES)
    routes: dict[str, Handler] = {}
    app[ROUTES] = routes
    for path, handler in reads.items():
        handle = envelope.around(handler, route=path)
        if "{" not in path:
            routes[path] = handle
        app.router.add_get(path, _registrable(handle), expect_handler=_expect_nothing)
        _add_options(app, envelope, path, "GET, HEAD, OPTIONS")
    for path, handler in writes.items():
        app.router.add_post(path, _registrable(envelope.around(handler, route=path)))
        _add_options(app, envelope, path, "POST, OPTIONS")
    return app


def _add_options(app: web.Application, envelope: Envelope, path: str, allow: str) -> None:
    async def options(_: web.Request) -> LeanResponse:
        return LeanResponse(204, {"Allow": allow})

    handle = envelope.around(options, route=path)
    app.router.add_route("OPTIONS", path, _registrable(handle), expect_handler=_expect_nothing)


def _registrable(handler: Handler) -> typedefs.Handler:
    """Return a handler in the type that aiohttp asks for."""
    return cast("typedefs.Handler", handler)


async def _expect_nothing(_: web.Request) -> None:
    """Let expectations pass: RFC 9110 section 10.1.1 allows to answer at once."""
