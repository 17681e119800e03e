"""`GET /livez` and `GET /readyz`, for load balancers and orchestrators."""

from aiohttp import web

from app.services.readiness import Readiness
from app.web.lean_response import Handler, LeanResponse


def live_handler() -> Handler:
    """Make the handler that says that this process runs. It looks at no dependency."""

    async def live(_: web.Request) -> LeanResponse:
        return _status(200, "live")

    return live


def ready_handler(readiness: Readiness) -> Handler:
    """Make the handler that says whether this process wants traffic."""

    async def ready(_: web.Request) -> LeanResponse:
        if readiness.ready:
            return _status(200, "ready")
        return _status(503, "draining" if readiness.draining else "not ready")

    return ready


def _status(status: int, text: str) -> LeanResponse:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return LeanResponse(status, headers, f'{{"status": "{text}"}}'.encode())
