"""`GET /metrics`, on the admin port."""

from collections.abc import Callable

from aiohttp import web

from app.web.lean_response import Handler, LeanResponse
from app.web.shared_secret import check_shared_secret

Expose = Callable[[str], tuple[bytes, str]]
"""Writes the metrics in the form that an Accept header prefers, and returns them with its type."""


def metrics_handler(expose: Expose, *, token: str | None) -> Handler:
    """Make the handler; `token` is the admin port's, if it has one."""

    async def metrics(request: web.Request) -> LeanResponse:
        if token is not None:
            check_shared_secret(request.headers.getall("Authorization", ()), (f"Bearer {token}",))
        body, content_type = expose(",".join(request.headers.getall("Accept", ())))
        headers = {"Content-Type": content_type, "Cache-Control": "no-store", "Vary": "Accept"}
        return LeanResponse(200, headers, body)

    return metrics
