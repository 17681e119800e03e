"""Telling the cache that something changed: by the gateway's webhook, or by an operator."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import msgspec
from aiohttp import web

from app.domain.identity import Customer, Identifier
from app.protocol.events import MalformedEventError, read_event
from app.services.invalidation import Invalidator
from app.web.envelope import JOURNEY
from app.web.lean_response import Handler, LeanResponse
from app.web.problems import ProblemError
from app.web.shared_secret import check_shared_secret


class _Invalidation(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /cache/invalidate`."""

    identifier: Literal["customerId", "email", "mobile", "externalId", "cardNumber"]
    value: str
    erase: bool = False


_BODY_TIMEOUT = 10.0
_decode = msgspec.json.Decoder(_Invalidation).decode


def webhook_handler(invalidator: Invalidator, *, header: str, secrets: Sequence[str]) -> Handler:
    """Make the handler of `POST /webhooks/loyalty`, for requests that show one of the secrets."""

    async def receive(request: web.Request) -> LeanResponse:
        check_shared_secret(request.headers.getall(header, ()), secrets)
        try:
            event = read_event(await _body(request))
        except MalformedEventError:
            raise ProblemError("bad-request") from None
        record = request[JOURNEY].record
        record.webhook = "ignored" if not event.concerns_us else "taken"
        record.customers = len(event.customers)
        await invalidator.invalidate(event.customers, erase=False)
        return LeanResponse(204, {})

    return receive


def invalidation_handler(invalidator: Invalidator, *, token: str | None) -> Handler:
    """Make the handler of `POST /cache/invalidate`; `token` is the admin port's, if it has one."""

    async def invalidate(request: web.Request) -> LeanResponse:
        if token is not None:
            check_shared_secret(request.headers.getall("Authorization", ()), (f"Bearer {token}",))
        try:
            wanted = _decode(await _body(request))
        except (ValueError, RecursionError):
            raise ProblemError("bad-request") from None
        customer = Customer(Identifier(wanted.identifier), wanted.value)
        await invalidator.invalidate([customer], erase=wanted.erase)
        return LeanResponse(204, {})

    return invalidate


async def _body(request: web.Request) -> bytes:
    """Read a body, which may break off or never end."""
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            return await request.read()
    except (ConnectionError, TimeoutError):
        raise ProblemError("bad-request") from None
