"""What the service needs of others: the gateway, its credentials, the issuers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import ClientSession

from app.adapters.gateway_transport import HttpTransport
from app.adapters.http import client_session
from app.adapters.key_documents import IssuerDocuments, document_session
from app.adapters.token_endpoint import (
    CAPILLARY,
    STANDARD,
    OAuthTokenEndpoint,
    basic_credential,
)
from app.adapters.tracing import TracedTokenEndpoint, TracedTransport
from app.bootstrap.cache import Stored
from app.bootstrap.tools import Tools
from app.domain.identity import Identifier
from app.protocol.credentials import IssuerRules
from app.protocol.gateway import BadgesEndpoint
from app.services.authentication import Issuer
from app.services.breaker import Breaker, BreakerPolicy
from app.services.bulkhead import Bulkhead
from app.services.credentials import (
    Credential,
    FixedCredential,
    GatewayCredentials,
    TokenCredentials,
)
from app.services.gateway import BadgesGateway, Guards
from app.services.issuer_keys import IssuerKeys
from app.services.pushback import Pushback
from app.services.retries import Retries, RetryBudget
from app.settings import GatewaySettings, IdentitySettings, Settings

_BREAKER = BreakerPolicy(failures=10, first_pause=1.0, longest_pause=10.0)


@asynccontextmanager
async def gateway_session(settings: GatewaySettings) -> AsyncIterator[ClientSession]:
    """Open the session for all calls to the gateway and its token endpoint."""
    async with client_session(
        connect_timeout=settings.connect_timeout,
        # One more than there are calls at a time: a token must not wait for those that wait for it.
        max_connections=settings.max_connections + 1,
    ) as session:
        yield session


def make_guards(settings: Settings, stored: Stored, tools: Tools) -> Guards:
    """Make what stands between a wish to call the gateway and the call."""

    def pushback(calls: str) -> Pushback:
        made = Pushback(
            store=stored.store,
            name=stored.keys.pause_name(calls),
            timer=tools.timer,
            observer=tools.observer,
        )
        tools.stack.push_async_callback(made.close)
        return made

    return Guards(
        pushback=pushback("badges"),
        token_pushback=pushback("token"),
        breaker=Breaker(
            _BREAKER,
            timer=tools.timer,
            changed=partial(tools.observer.circuit_changed, "gateway"),
        ),
        bulkhead=Bulkhead(
            calls=settings.gateway.max_connections, queue=settings.server.max_misses_in_flight
        ),
        retries=Retries(
            most=settings.gateway.retries,
            budget=RetryBudget(timer=tools.timer),
            observer=tools.observer,
        ),
    )


def make_credentials(
    settings: GatewaySettings, transport: HttpTransport, guards: Guards, tools: Tools
) -> GatewayCredentials:
    """Make the source of the gateway's credentials by `gateway.auth`."""
    secret = settings.client_secret.get_secret_value()
    if settings.auth == "basic" or settings.token_url is None:
        value = basic_credential(settings.client_id, secret)
        return FixedCredential(Credential("Authorization", value))
    capillary = settings.auth == "capillary"
    endpoint = OAuthTokenEndpoint(
        transport=transport,
        url=settings.token_url,
        method=CAPILLARY if capillary else STANDARD,
        client_id=settings.client_id,
        client_secret=secret,
        scope=settings.scope,
        clock=tools.clock,
    )
    credentials = TokenCredentials(
        endpoint=TracedTokenEndpoint(endpoint, tools.tracer) if tools.tracer.active else endpoint,
        header="X-CAP-API-OAUTH-TOKEN" if capillary else "Authorization",
        prefix="" if capillary else "Bearer ",
        pushback=guards.token_pushback,
        retries=guards.retries,
        timeout=settings.timeout,
        clock=tools.clock,
        timer=tools.timer,
        observer=tools.observer,
    )
    tools.stack.push_async_callback(credentials.close)
    return credentials


def make_gateway(
    settings: GatewaySettings,
    transport: HttpTransport,
    credentials: GatewayCredentials,
    guards: Guards,
    tools: Tools,
) -> BadgesGateway:
    """Make what fetches badges from the gateway."""
    attribution = settings.attribution
    names = {"TYPE": attribution.type, "CODE": attribution.code}
    endpoint = BadgesEndpoint(
        base_url=settings.base_url,
        attribution={
            f"X-CAP-API-ATTRIBUTION-ENTITY-{name}": value for name, value in names.items() if value
        },
    )
    return BadgesGateway(
        endpoint=endpoint,
        transport=TracedTransport(transport, tools.tracer) if tools.tracer.active else transport,
        credentials=credentials,
        guards=guards,
        clock=tools.clock,
        observer=tools.observer,
    )


async def make_issuers(
    identities: tuple[IdentitySettings, ...], tools: Tools
) -> tuple[Issuer, ...]:
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
            timer=tools.timer,
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
