"""Ways in which a gateway misbehaves, and which row of the failure table each of them is."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from app.domain.failures import Failure

Misbehaviour = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def answering(
    status: int, body: object = None, *, headers: dict[str, str] | None = None
) -> Misbehaviour:
    """Make a gateway that gives the same answer to everything."""
    text = body if isinstance(body, str) else json.dumps(body)

    async def behave(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return behave


def errors(*codes: object) -> dict[str, object]:
    """Make a body with error codes and no data."""
    listed = [{"code": code, "message": "secret text", "reference": None} for code in codes]
    return {"data": None, "errors": listed, "warnings": []}


async def hang(_: web.Request) -> None:
    """Answer nothing for a long time."""
    await asyncio.sleep(30)


async def reset(request: web.Request) -> None:
    """Break the connection off."""
    assert request.transport is not None
    request.transport.abort()
    await asyncio.sleep(1)


async def truncate(request: web.Request) -> web.StreamResponse:
    """Promise more than is sent."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"data": {"customerBadges": [')
    assert request.transport is not None
    request.transport.close()
    return response


async def flood(request: web.Request) -> web.StreamResponse:
    """Send a body without end."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(100_000):
        await response.write(b" " * 65536)
    return response


async def bomb(_: web.Request) -> web.Response:
    """Send little that becomes much."""
    body = gzip.compress(b" " * 50_000_000)
    return web.Response(body=body, headers={"Content-Encoding": "gzip"})


PAGE = "<!doctype html><title>502</title>secret text"


ROWS: list[tuple[str, Failure, Misbehaviour, int, str]] = [
    ("reset", Failure.UNREACHABLE, reset, 503, "gateway-unavailable"),
    *(
        (str(status), Failure.UNREACHABLE, answering(status, PAGE), 503, "gateway-unavailable")
        for status in (502, 503, 504, 520, 521)
    ),
    ("no answer", Failure.TIMEOUT, hang, 504, "gateway-timeout"),
    ("429", Failure.LIMITED, answering(429), 503, "gateway-unavailable"),
    (
        "503 with Retry-After",
        Failure.LIMITED,
        answering(503, PAGE, headers={"Retry-After": "7"}),
        503,
        "gateway-unavailable",
    ),
    ("code 4001", Failure.LIMITED, answering(200, errors(4001)), 503, "gateway-unavailable"),
    ("401", Failure.CREDENTIALS_REFUSED, answering(401), 503, "gateway-unavailable"),
    ("498", Failure.CREDENTIALS_REFUSED, answering(498), 503, "gateway-unavailable"),
    (
        "code 498 in a 200",
        Failure.CREDENTIALS_REFUSED,
        answering(200, errors("498")),
        503,
        "gateway-unavailable",
    ),
    ("403", Failure.FORBIDDEN, answering(403, PAGE), 503, "gateway-unavailable"),
    ("code 4000", Failure.FORBIDDEN, answering(200, errors(4000)), 503, "gateway-unavailable"),
    ("1026", Failure.CUSTOMER_UNKNOWN, answering(200, errors(1026)), 404, "customer-not-found"),
    (
        "8015 with 500",
        Failure.CUSTOMER_UNKNOWN,
        answering(500, errors(8015)),
        404,
        "customer-not-found",
    ),
    ("bare 404", Failure.UNEXPECTED, answering(404, PAGE), 502, "gateway-bad-answer"),
    ("400", Failure.UNEXPECTED, answering(400, errors(1)), 502, "gateway-bad-answer"),
    ("1028", Failure.UNEXPECTED, answering(200, errors(1028)), 502, "gateway-bad-answer"),
    (
        "redirect",
        Failure.UNEXPECTED,
        answering(302, headers={"Location": "http://127.0.0.1:9/"}),
        502,
        "gateway-bad-answer",
    ),
    ("204", Failure.UNEXPECTED, answering(204, ""), 502, "gateway-bad-answer"),
    ("500", Failure.SERVER_ERROR, answering(500, PAGE), 502, "gateway-bad-answer"),
    ("599", Failure.SERVER_ERROR, answering(599), 502, "gateway-bad-answer"),
    ("page", Failure.UNREADABLE, answering(200, PAGE), 502, "gateway-bad-answer"),
    ("empty", Failure.UNREADABLE, answering(200, ""), 502, "gateway-bad-answer"),
    ("truncated", Failure.UNREADABLE, truncate, 502, "gateway-bad-answer"),
    ("endless", Failure.UNREADABLE, flood, 502, "gateway-bad-answer"),
    ("bomb", Failure.UNREADABLE, bomb, 502, "gateway-bad-answer"),
    (
        "no gzip",
        Failure.UNREADABLE,
        answering(200, "x" * 100, headers={"Content-Encoding": "gzip"}),
        502,
        "gateway-bad-answer",
    ),
    ("list", Failure.WRONG_SHAPE, answering(200, []), 502, "gateway-bad-answer"),
    ("no list", Failure.WRONG_SHAPE, answering(200, {"data": {}}), 502, "gateway-bad-answer"),
    ("no data", Failure.WRONG_SHAPE, answering(200, errors()), 502, "gateway-bad-answer"),
]
