"""The composition root: makes every object of the service and owns every resource of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.typing import FilteringBoundLogger

from app.adapters.gateway_transport import HttpTransport
from app.adapters.observer import LogObserver
from app.bootstrap.cache import make_cache, make_store
from app.bootstrap.tools import Tools
from app.bootstrap.upstream import (
    gateway_session,
    make_credentials,
    make_gateway,
    make_guards,
    make_issuers,
)
from app.services.authentication import Authenticator
from app.services.invalidation import Invalidator
from app.services.load import InFlight
from app.services.ports import Clock
from app.services.readiness import Readiness
from app.services.request_rate import RequestRate
from app.services.summary import SummaryReader
from app.settings import Settings
from app.web.admission import Admission
from app.web.application import application
from app.web.badges import badges_handler
from app.web.health import live_handler, ready_handler
from app.web.invalidation import invalidation_handler, webhook_handler
from app.web.server import listening
from app.web.summary import summary_handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the service listens, as host and port."""

    public: tuple[str, int]
    admin: tuple[str, int]


@asynccontextmanager
async def running(
    settings: Settings,
    logger: FilteringBoundLogger,
    *,
    clock: Clock = time.time,
    timer: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Addresses]:
    """Run the service; on leaving, everything is closed in the opposite order of its making.

    Raises:
        ListenError: an address to listen on can't be had.

    """
    async with AsyncExitStack() as stack:
        tools = Tools(stack=stack, clock=clock, timer=timer, observer=LogObserver(logger))
        session = await stack.enter_async_context(gateway_session(settings.gateway))
        transport = HttpTransport(session, max_body_bytes=settings.gateway.max_body_bytes)
        stored = await make_store(settings, tools)
        guards = make_guards(settings, stored, tools)
        credentials = make_credentials(settings.gateway, transport, guards, tools)
        issuers = await make_issuers(settings.identity, tools)
        gateway = make_gateway(settings.gateway, transport, credentials, guards, tools)
        cache = make_cache(settings, stored, gateway, tools)
        readiness = Readiness(pushback=guards.pushback)
        attempts = [credentials.current, *(issuer.keys.current for issuer in issuers)]
        warming = asyncio.create_task(readiness.warm_up(attempts))
        stack.push_async_callback(_end, warming)

        health = {"/livez": live_handler(), "/readyz": ready_handler(readiness)}
        admission = Admission(
            authenticator=Authenticator(issuers=issuers, clock=clock),
            keys=cache.keys,
            in_flight=InFlight(settings.server.max_in_flight),
            request_rate=_request_rate(settings, clock),
            deadline=settings.gateway.timeout,
        )
        badges = badges_handler(admission=admission, reader=cache.reader)
        summary = summary_handler(
            admission=admission, reader=SummaryReader(reader=cache.reader, clock=clock)
        )
        public = application(
            logger,
            reads={"/me/badges": badges, "/me/badges/summary": summary, **health},
            writes=_webhook(settings, cache.invalidator),
        )
        admin_token = settings.server.admin_token
        invalidate = invalidation_handler(
            cache.invalidator, token=admin_token.get_secret_value() if admin_token else None
        )
        admin = application(logger, reads=health, writes={"/cache/invalidate": invalidate})
        yield await _listen(settings, logger, stack, public, admin)


def _request_rate(settings: Settings, clock: Clock) -> RequestRate | None:
    """Make the limit of a customer's requests; 0 is off."""
    quota = settings.limits.requests_per_minute
    return RequestRate(quota=quota, clock=clock) if quota else None


def _webhook(settings: Settings, invalidator: Invalidator) -> dict[str, Handler]:
    """Make the route of the webhook; without a secret there is none."""
    if not settings.webhook.secret:
        return {}
    handler = webhook_handler(
        invalidator,
        header=settings.webhook.header,
        secrets=[secret.get_secret_value() for secret in settings.webhook.secret],
    )
    return {"/webhooks/loyalty": handler}


async def _listen(
    settings: Settings,
    logger: FilteringBoundLogger,
    stack: AsyncExitStack,
    public: web.Application,
    admin: web.Application,
) -> Addresses:
    """Open both ports; the public one last, so that it closes first."""
    server = settings.server
    admin_address = await stack.enter_async_context(
        listening(
            admin,
            host=server.admin_host,
            port=server.admin_port,
            shutdown_timeout=server.shutdown_timeout,
            logger=logger,
        )
    )
    public_address = await stack.enter_async_context(
        listening(
            public,
            host=server.host,
            port=server.port,
            reuse_port=server.reuse_port,
            shutdown_timeout=server.shutdown_timeout,
            logger=logger,
        )
    )
    return Addresses(public=public_address, admin=admin_address)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has ended."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
