"""The composition root: makes every object of the service and owns every resource of it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from app.adapters.gateway_transport import HttpTransport
from app.adapters.logs import Log
from app.adapters.metrics import Metrics
from app.adapters.observer import LogAndMetrics
from app.bootstrap.cache import make_cache, make_store
from app.bootstrap.telemetry import end, watch
from app.bootstrap.tools import Tools
from app.bootstrap.traces import tracing
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
from app.services.ports import Clock, Tracer
from app.services.readiness import Readiness
from app.services.request_rate import RequestRate
from app.services.summary import SummaryReader
from app.settings import Settings
from app.web.admission import Admission
from app.web.application import application
from app.web.badges import badges_handler
from app.web.cors import cross_origin
from app.web.docs import documentation
from app.web.envelope import Envelope
from app.web.health import live_handler, ready_handler
from app.web.invalidation import invalidation_handler, webhook_handler
from app.web.lean_response import Handler
from app.web.metrics import metrics_handler
from app.web.openapi import document_bytes
from app.web.proxies import TrustedProxies
from app.web.server import listening
from app.web.summary import summary_handler

# Seconds for what is under way on the admin port, beyond all that the public one had.
_ADMIN_SHUTDOWN = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningService:
    """Where the service listens, as host and port; `drain` tells it that its end is near."""

    public: tuple[str, int]
    admin: tuple[str, int]
    drain: Callable[[], None]


@asynccontextmanager
async def running(
    settings: Settings,
    log: Log,
    *,
    clock: Clock = time.time,
    timer: Callable[[], float] = time.monotonic,
    tracer: Tracer | None = None,
) -> AsyncIterator[RunningService]:
    """Run the service; on leaving, everything is closed in the opposite order of its making.

    Without a `tracer`, OpenTelemetry's variables in the environment say whether there are traces.

    Raises:
        ListenError: an address to listen on can't be had.

    """
    async with AsyncExitStack() as stack:
        if tracer is None:
            tracer = await stack.enter_async_context(tracing(os.environ, log.events))
        metrics = Metrics()
        observer = LogAndMetrics(log, metrics)
        stack.callback(observer.flush)
        tools = Tools(stack=stack, clock=clock, timer=timer, observer=observer, tracer=tracer)
        session = await stack.enter_async_context(gateway_session(settings.gateway))
        transport = HttpTransport(session, max_body_bytes=settings.gateway.max_body_bytes)
        stored = await make_store(settings, tools)
        guards = make_guards(settings, stored, tools)
        credentials = make_credentials(settings.gateway, transport, guards, tools)
        issuers = await make_issuers(settings.identity, tools)
        gateway = make_gateway(settings.gateway, transport, credentials, guards, tools)
        cache = make_cache(settings, stored, gateway, tools)
        readiness = Readiness(pushbacks=(guards.pushback, guards.token_pushback))
        attempts = [credentials.current, *(issuer.keys.current for issuer in issuers)]
        warming = asyncio.create_task(readiness.warm_up(attempts))
        stack.push_async_callback(end, warming)
        in_flight = InFlight(settings.server.max_in_flight)
        watch(
            metrics,
            stack,
            in_flight=in_flight,
            cache=cache,
            guards=guards,
            credentials=credentials,
            readiness=readiness,
        )

        health = {"/livez": live_handler(), "/readyz": ready_handler(readiness)}
        admission = Admission(
            authenticator=Authenticator(issuers=issuers, clock=clock),
            keys=cache.keys,
            in_flight=in_flight,
            request_rate=_request_rate(settings, clock),
            deadline=settings.gateway.timeout,
            timer=asyncio.get_running_loop().time,
        )
        badges = badges_handler(admission=admission, reader=cache.reader)
        summary = summary_handler(
            admission=admission, reader=SummaryReader(reader=cache.reader, clock=clock)
        )
        envelope = Envelope(
            observer=observer,
            tracer=tracer,
            proxies=TrustedProxies(settings.server.trusted_proxies),
        )
        public = application(
            envelope,
            reads={
                "/me/badges": badges,
                "/me/badges/summary": summary,
                **health,
                **documentation(document_bytes(webhook_header=settings.webhook.header)),
            },
            writes=_webhook(settings, cache.invalidator),
        )
        secret = settings.server.admin_token
        token = secret.get_secret_value() if secret else None
        admin = application(
            envelope,
            reads={"/metrics": metrics_handler(metrics.expose, token=token), **health},
            writes={"/cache/invalidate": invalidation_handler(cache.invalidator, token=token)},
        )
        yield await _listen(settings, envelope, stack, readiness, public=public, admin=admin)


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
    envelope: Envelope,
    stack: AsyncExitStack,
    readiness: Readiness,
    *,
    public: web.Application,
    admin: web.Application,
) -> RunningService:
    """Open both ports; the public one last, so that it closes first."""
    server = settings.server
    open_port = partial(listening, draining=lambda: readiness.draining, envelope=envelope)
    admin_address = await stack.enter_async_context(
        open_port(
            admin,
            host=server.admin_host,
            port=server.admin_port,
            shutdown_timeout=min(_ADMIN_SHUTDOWN, server.shutdown_timeout),
        )
    )
    public_address = await stack.enter_async_context(
        open_port(
            public,
            host=server.host,
            port=server.port,
            reuse_port=server.reuse_port,
            shutdown_timeout=server.shutdown_timeout,
            adorn=cross_origin(server.cors_origins),
        )
    )
    stack.callback(readiness.drain)  # also for whoever leaves without a drain
    return RunningService(public=public_address, admin=admin_address, drain=readiness.drain)
