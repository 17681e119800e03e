"""What a child process of the sandbox is told to be, in a form that fits on a command line."""

import msgspec


class Role(msgspec.Struct, frozen=True, kw_only=True, tag_field="role"):
    """The base of all roles."""


class GatewayRole(Role, frozen=True, kw_only=True, tag="gateway"):
    """Be the stand-in gateway; pictures of badges are under `pictures_url`."""

    port: int
    pictures_url: str
    client_id: str
    client_secret: str


class IdentityRole(Role, frozen=True, kw_only=True, tag="identity"):
    """Be the stand-in identity provider."""

    port: int
    issuer_url: str
    audience: str


class PageRole(Role, frozen=True, kw_only=True, tag="page"):
    """Be the server of the badge page."""

    port: int
    service_url: str
    issuer_url: str


class CacheRole(Role, frozen=True, kw_only=True, tag="cache"):
    """Be the keeper of a Valkey server."""

    port: int


class GuardRole(Role, frozen=True, kw_only=True, tag="guard"):
    """Run a command, and end it when told to or when the supervisor is no more."""

    command: tuple[str, ...]


AnyRole = GatewayRole | IdentityRole | PageRole | CacheRole | GuardRole


def encode_role(role: AnyRole) -> str:
    """Return the role as one command-line argument."""
    return msgspec.json.encode(role).decode()


def decode_role(argument: str) -> AnyRole:
    """Return the role in a command-line argument.

    Raises msgspec.ValidationError where it holds none.
    """
    role: AnyRole = msgspec.json.decode(argument, type=AnyRole)
    return role
