"""`GET /livez` and `GET /readyz`, for load balancers and orchestrators."""

from aiohttp import web
from aiohttp.typedefs import Handler

from app.services.readiness import Readiness


def live_handler() -> Handler:
    """Make the handler that says that this process runs. It looks at no dependency."""

    async def live(_: web.Request) -> web.Response:
        return _status(200, "live")

    return live


def ready_handler(readiness: Readiness) -> Handler:
    """Make the handler that says whether this process wants traffic."""

    async def ready(_: web.Request) -> web.Response:
        if readiness.ready:
            return _status(200, "ready")
        return _status(503, "draining" if readiness.draining else "not ready")

    return ready


def _status(status: int, text: str) -> web.Response:
    return web.json_response({"status": text}, status=status, headers={"Cache-Control": "no-store"})
