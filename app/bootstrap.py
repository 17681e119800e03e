"""The composition root: makes every object of the service and owns every resource of it."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientSession, web
from aiohttp.typedefs import Handler
from structlog.typing import FilteringBoundLogger

from app.adapters.gateway_transport import HttpTransport
from app.adapters.http import client_session
from app.adapters.key_documents import IssuerDocuments, document_session
from app.adapters.memory_store import MemoryStore
from app.adapters.observer import LogObserver
from app.adapters.redis_connections import connect
from app.adapters.redis_store import RedisStore
from app.adapters.token_endpoint import (
    CAPILLARY,
    STANDARD,
    OAuthTokenEndpoint,
    basic_credential,
)
from app.domain.freshness import FreshnessPolicy
from app.domain.identity import Identifier
from app.protocol.credentials import IssuerRules
from app.protocol.entries import EntryKeys
from app.protocol.gateway import BadgesEndpoint
from app.services.authentication import Authenticator, Issuer
from app.services.badges import BadgesReader, Patience
from app.services.budget import CallBudget
from app.services.credentials import (
    Credential,
    FixedCredential,
    GatewayCredentials,
    TokenCredentials,
)
from app.services.fills import Filler
from app.services.fleet_lock import FleetLock
from app.services.gateway import BadgesGateway
from app.services.invalidation import Invalidator
from app.services.issuer_keys import IssuerKeys
from app.services.ports import Clock, EntryStore, Observer
from app.services.readiness import Readiness
from app.services.shelf import Shelf
from app.settings import (
    CacheSettings,
    GatewaySettings,
    IdentitySettings,
    Settings,
)
from app.web.application import application
from app.web.badges import badges_handler
from app.web.health import live_handler, ready_handler
from app.web.invalidation import invalidation_handler, webhook_handler
from app.web.server import listening


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the service listens, as host and port."""

    public: tuple[str, int]
    admin: tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tools:
    """What nearly every part needs, and the stack that closes what was opened."""

    stack: AsyncExitStack
    clock: Clock
    observer: Observer


@asynccontextmanager
async def running(
    settings: Settings, logger: FilteringBoundLogger, *, clock: Clock = time.time
) -> AsyncIterator[Addresses]:
    """Run the service; on leaving, everything is closed in the opposite order of its making.

    Raises:
        ListenError: an address to listen on can't be had.

    """
    async with AsyncExitStack() as stack:
        tools = _Tools(stack=stack, clock=clock, observer=LogObserver(logger))
        session = await stack.enter_async_context(_gateway_session(settings.gateway))
        transport = HttpTransport(session, max_body_bytes=settings.gateway.max_body_bytes)
        credentials = _credentials(settings.gateway, transport, tools)
        issuers = await _issuers(settings.identity, tools)
        keys = _entry_keys(settings)
        store = await _store(settings.cache, tools)
        gateway = _gateway(settings.gateway, transport, credentials, tools)
        policy = _policy(settings.cache)
        shelf = Shelf(store=store, policy=policy, clock=clock, observer=tools.observer)
        filler = Filler(
            shelf=shelf,
            lock=FleetLock(store),
            gateway=gateway,
            budget=CallBudget(
                store=store,
                keys=keys,
                calls=settings.limits.gateway_calls_per_minute,
                clock=clock,
                observer=tools.observer,
            ),
            deadline=settings.gateway.timeout,
            clock=clock,
            observer=tools.observer,
        )
        stack.push_async_callback(filler.close)
        reader = BadgesReader(
            keys=keys,
            shelf=shelf,
            filler=filler,
            policy=policy,
            patience=Patience(
                deadline=settings.gateway.timeout, soft_timeout=settings.gateway.soft_timeout
            ),
            clock=clock,
        )
        readiness = Readiness(credentials=credentials)
        attempts = [credentials.current, *(issuer.keys.current for issuer in issuers)]
        warming = asyncio.create_task(readiness.warm_up(attempts))
        stack.push_async_callback(_end, warming)

        health = {"/livez": live_handler(), "/readyz": ready_handler(readiness)}
        badges = badges_handler(
            authenticator=Authenticator(issuers=issuers, clock=clock), reader=reader, keys=keys
        )
        invalidator = Invalidator(store=store, keys=keys, shelf=shelf, observer=tools.observer)
        public = application(
            logger, reads={"/me/badges": badges, **health}, writes=_webhook(settings, invalidator)
        )
        admin_token = settings.server.admin_token
        invalidate = invalidation_handler(
            invalidator, token=admin_token.get_secret_value() if admin_token else None
        )
        admin = application(logger, reads=health, writes={"/cache/invalidate": invalidate})
        yield await _listen(settings, logger, stack, public, admin)


@asynccontextmanager
async def _gateway_session(settings: GatewaySettings) -> AsyncIterator[ClientSession]:
    """Open the session for all calls to the gateway and its token endpoint."""
    async with client_session(
        connect_timeout=settings.connect_timeout,
        timeout=settings.timeout,
        max_connections=settings.max_connections,
    ) as session:
        yield session


def _credentials(
    settings: GatewaySettings, transport: HttpTransport, tools: _Tools
) -> GatewayCredentials:
    """Make the source of the gateway's credentials by `gateway.auth`."""
    secret = settings.client_secret.get_secret_value()
    if settings.auth == "basic" or settings.token_url is None:
        value = basic_credential(settings.client_id, secret)
        return FixedCredential(Credential("Authorization", value), clock=tools.clock)
    capillary = settings.auth == "capillary"
    credentials = TokenCredentials(
        endpoint=OAuthTokenEndpoint(
            transport=transport,
            url=settings.token_url,
            method=CAPILLARY if capillary else STANDARD,
            client_id=settings.client_id,
            client_secret=secret,
            scope=settings.scope,
            clock=tools.clock,
        ),
        header="X-CAP-API-OAUTH-TOKEN" if capillary else "Authorization",
        prefix="" if capillary else "Bearer ",
        clock=tools.clock,
        observer=tools.observer,
    )
    tools.stack.push_async_callback(credentials.close)
    return credentials


async def _issuers(identities: tuple[IdentitySettings, ...], tools: _Tools) -> tuple[Issuer, ...]:
    """Make the issuers; all of their documents share one session, which keeps them."""
    session = await tools.stack.enter_async_context(document_session())
    issuers = []
    for identity in identities:
        documents = IssuerDocuments(
            session,
            issuer=identity.issuer,
            jwks_url=identity.jwks_url,
            allow_http=identity.issuer.startswith("http://"),
        )
        keys = IssuerKeys(
            issuer=identity.issuer,
            documents=documents,
            clock=tools.clock,
            observer=tools.observer,
        )
        tools.stack.push_async_callback(keys.close)
        issuers.append(Issuer(_rules(identity), keys))
    return tuple(issuers)


def _rules(identity: IdentitySettings) -> IssuerRules:
    return IssuerRules(
        issuer=identity.issuer,
        audience=identity.audience,
        algorithms=identity.algorithms,
        identifier=Identifier(identity.identifier),
        claim=identity.claim,
        scope=identity.scope,
    )


def _entry_keys(settings: Settings) -> EntryKeys:
    """Make the keys of entries. A cache in this process's memory needs no lasting secrets."""
    cache, attribution = settings.cache, settings.gateway.attribution
    name_secret = cache.name_secret.get_secret_value().encode() if cache.name_secret else None
    sealing = tuple(secret.get_secret_value().encode() for secret in cache.secret)
    return EntryKeys(
        namespace=cache.namespace,
        name_secret=name_secret or secrets.token_bytes(32),
        secrets=sealing or (secrets.token_bytes(32),),
        scope=(settings.gateway.base_url, attribution.type or "", attribution.code or ""),
    )


async def _store(settings: CacheSettings, tools: _Tools) -> EntryStore:
    url = settings.url.get_secret_value()
    if url == "memory://":
        return MemoryStore(clock=tools.clock)
    redis = await tools.stack.enter_async_context(connect(url, timeout=settings.timeout))
    store = RedisStore(redis, timeout=settings.timeout)
    tools.stack.push_async_callback(store.close)
    return store


def _gateway(
    settings: GatewaySettings,
    transport: HttpTransport,
    credentials: GatewayCredentials,
    tools: _Tools,
) -> BadgesGateway:
    attribution = settings.attribution
    names = {"TYPE": attribution.type, "CODE": attribution.code}
    endpoint = BadgesEndpoint(
        base_url=settings.base_url,
        attribution={
            f"X-CAP-API-ATTRIBUTION-ENTITY-{name}": value for name, value in names.items() if value
        },
    )
    return BadgesGateway(
        endpoint=endpoint, transport=transport, credentials=credentials, clock=tools.clock
    )


def _policy(settings: CacheSettings) -> FreshnessPolicy:
    return FreshnessPolicy(
        fresh_for=settings.fresh_for,
        revalidate_for=settings.revalidate_for,
        stale_for=settings.stale_for,
        missing_for=settings.missing_for,
    )


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
