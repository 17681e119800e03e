"""`[server]`, `[limits]`, `[webhook]` and `[log]`: what we offer, to whom, and how much of it."""

from typing import Literal

from pydantic import SecretStr, StrictBool, ValidationInfo, field_validator

from app.settings import addresses, checks
from app.settings.values import (
    Concurrency,
    Duration,
    DurationOrNone,
    HeaderName,
    Host,
    Network,
    Origin,
    PerMinute,
    Port,
    Secrets,
    Table,
)


class ServerSettings(Table):
    """`[server]`: the two listeners, who may read answers, how to stop, and the load caps."""

    host: Host = "0.0.0.0"  # noqa: S104 - a pod's address is not known beforehand
    port: Port = 8080
    admin_host: Host = "127.0.0.1"
    admin_port: Port = 8081
    admin_token: SecretStr | None = None
    reuse_port: StrictBool = False
    cors_origins: tuple[Origin, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    drain_delay: DurationOrNone = 5.0
    shutdown_timeout: Duration = 20.0
    max_in_flight: Concurrency = 512
    max_misses_in_flight: Concurrency = 256

    @field_validator("admin_port")
    @classmethod
    def _listeners_differ(cls, admin_port: int, info: ValidationInfo) -> int:
        same_port = admin_port != 0 and admin_port == info.data.get("port")
        if same_port and _overlap(info.data.get("host"), info.data.get("admin_host")):
            raise ValueError(
                "must differ from server.port, unless both hosts are distinct addresses"
            )
        return admin_port

    @field_validator("admin_token")
    @classmethod
    def _token_guards_admin(cls, token: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if token is not None:
            return checks.header_secret(token, blanks=False)
        if not addresses.is_loopback(info.data.get("admin_host", "localhost")):
            raise ValueError("is required (16 characters or more) unless admin_host is loopback")
        return None


class LimitsSettings(Table):
    """`[limits]`: what one customer may cause, in calls a minute; 0 is off."""

    requests_per_minute: PerMinute = 120
    gateway_calls_per_minute: PerMinute = 20


class WebhookSettings(Table):
    """`[webhook]`: how a gateway event proves itself; without a secret there is no such route.

    `secret` is a tuple however it was written, and any of its values is accepted.
    """

    header: HeaderName = "Authorization"
    secret: Secrets = ()

    @field_validator("secret")
    @classmethod
    def _secret(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        return tuple(checks.header_secret(secret, blanks=True) for secret in secrets)


class LogSettings(Table):
    """`[log]`: the form of a line, and the least level that is written."""

    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


def _overlap(host: str | None, other: str | None) -> bool:
    """Tell whether two listeners on the same port would collide; not so if a host is faulty."""
    if host is None or other is None:
        return False
    return host == other or addresses.is_wildcard(host) or addresses.is_wildcard(other)
