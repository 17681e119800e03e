"""Which processes the sandbox consists of, what each is told, and what a person is told."""

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.sandbox.ports import (
    ADMIN,
    CACHE,
    GATEWAY,
    HOST,
    IDENTITY,
    PAGE,
    SERVICE,
    ChosenPorts,
    Port,
)
from app.sandbox.roles import (
    AnyRole,
    CacheRole,
    GatewayRole,
    GuardRole,
    IdentityRole,
    PageRole,
)

ROOT = Path(__file__).parents[2]
"""The repository: where `-m app` finds the service."""

CONFIGURATION = ROOT / "config" / "sandbox.toml"
"""The service's configuration in the sandbox."""

SERVICE_COMMAND = (sys.executable, "-m", "app", "serve", "--config", str(CONFIGURATION))
"""How the service is started."""

CLIENT_ID, CLIENT_SECRET, AUDIENCE = "sandbox-client", "sandbox-secret", "badges"
"""What `config/sandbox.toml` holds as well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A process to start; it is up when its port answers, or `ready_path` on it answers 200."""

    port: Port
    number: int
    role: AnyRole
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_path: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The processes in waves: those of one wave start together, the next when they are up."""

    waves: tuple[tuple[Process, ...], ...]
    ports: tuple[Port, ...]
    banner: str


def stand_ins_only(chosen: ChosenPorts) -> Plan:
    """Plan the gateway and the identity provider, for a service that is started by hand."""
    return Plan(
        waves=((_gateway(chosen), _identity(chosen)),),
        ports=(GATEWAY, IDENTITY),
        banner=_stand_ins_banner(chosen),
    )


def everything(chosen: ChosenPorts, service_command: tuple[str, ...] = SERVICE_COMMAND) -> Plan:
    """Plan the whole sandbox.

    The service starts last: its first attempts at keys and token are to find somebody at home.
    """
    page = PageRole(
        port=chosen.number(PAGE),
        service_url=chosen.url(SERVICE),
        issuer_url=chosen.url(IDENTITY),
    )
    service = Process(
        port=SERVICE,
        number=chosen.number(SERVICE),
        role=GuardRole(command=service_command),
        environment=service_environment(chosen) | _cache_environment(chosen),
        ready_path="/readyz",
    )
    cache = CacheRole(port=chosen.number(CACHE))
    others = (
        _gateway(chosen),
        _identity(chosen),
        Process(port=PAGE, number=page.port, role=page),
        Process(port=CACHE, number=cache.port, role=cache),
    )
    return Plan(
        waves=(others, (service,)),
        ports=(SERVICE, ADMIN, GATEWAY, IDENTITY, PAGE, CACHE),
        banner=_everything_banner(chosen),
    )


def service_environment(chosen: ChosenPorts) -> dict[str, str]:
    """Return what the service is told of the sandbox's addresses, without the cache."""
    return {
        "BFF_SERVER__HOST": HOST,
        "BFF_SERVER__PORT": str(chosen.number(SERVICE)),
        "BFF_SERVER__ADMIN_HOST": HOST,
        "BFF_SERVER__ADMIN_PORT": str(chosen.number(ADMIN)),
        "BFF_GATEWAY__BASE_URL": chosen.url(GATEWAY),
        "BFF_GATEWAY__TOKEN_URL": f"{chosen.url(GATEWAY)}/v3/oauth/token/generate",
        "BFF_IDENTITY__ISSUER": chosen.url(IDENTITY),
        "BFF_IDENTITY__AUDIENCE": AUDIENCE,
    }


def _cache_environment(chosen: ChosenPorts) -> dict[str, str]:
    return {
        "BFF_CACHE__URL": f"redis://{HOST}:{chosen.number(CACHE)}",
        "BFF_CACHE__NAME_SECRET": secrets.token_hex(32),
        "BFF_CACHE__SECRET": secrets.token_hex(32),
    }


def _gateway(chosen: ChosenPorts) -> Process:
    role = GatewayRole(
        port=chosen.number(GATEWAY),
        pictures_url=chosen.url(PAGE),
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
    )
    return Process(port=GATEWAY, number=role.port, role=role)


def _identity(chosen: ChosenPorts) -> Process:
    role = IdentityRole(
        port=chosen.number(IDENTITY), issuer_url=chosen.url(IDENTITY), audience=AUDIENCE
    )
    return Process(port=IDENTITY, number=role.port, role=role)


def _everything_banner(chosen: ChosenPorts) -> str:
    return f"""
  The badges service is up, with a stand-in gateway, identity provider and cache.

  Ask it:   {_curl(chosen)}
  See it:   {chosen.url(PAGE)}/

  Ctrl-C ends it all.
"""


def _stand_ins_banner(chosen: ChosenPorts) -> str:
    usual = all(number == port.default for port, number in chosen.numbers.items())
    settings = "" if usual else _as_assignments(service_environment(chosen))
    return f"""
  Stand-in gateway:            {chosen.url(GATEWAY)}
    client id and secret:      {CLIENT_ID} {CLIENT_SECRET}
  Stand-in identity provider:  {chosen.url(IDENTITY)}
    a token for ada:           curl -s {chosen.url(IDENTITY)}/tokens/ada

  The service, in another terminal:
    {settings}python -m app serve --config config/sandbox.toml
  and then:
    {_curl(chosen)}

  Ctrl-C ends both.
"""


def _curl(chosen: ChosenPorts) -> str:
    token = f"curl -s {chosen.url(IDENTITY)}/tokens/ada"
    return f'curl -H "Authorization: Bearer $({token})" {chosen.url(SERVICE)}/me/badges'


def _as_assignments(environment: Mapping[str, str]) -> str:
    return "".join(f"{name}={value} \\\n    " for name, value in environment.items())
