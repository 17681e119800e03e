"""`[cache]`: the store of entries, what seals them, and how long they live."""

from pydantic import SecretStr, ValidationInfo, field_validator

from app.settings import addresses, checks
from app.settings.values import (
    Duration,
    Lifetime,
    LifetimeOrNone,
    Namespace,
    Secrets,
    Table,
)


class CacheSettings(Table):
    """`[cache]`: the store, what seals its entries, and how long they live.

    `url` is secret as well, since it may hold a password. `secret` is a tuple however it was
    written: the first seals, all open; empty only with `memory://`.
    """

    url: SecretStr = SecretStr(addresses.MEMORY)
    namespace: Namespace = "badges"
    name_secret: SecretStr | None = None
    secret: Secrets = ()
    fresh_for: Lifetime = 60.0
    revalidate_for: LifetimeOrNone = 300.0
    stale_for: LifetimeOrNone = 86_400.0
    missing_for: LifetimeOrNone = 30.0
    timeout: Duration = 0.05

    @field_validator("url")
    @classmethod
    def _url(cls, url: SecretStr) -> SecretStr:
        addresses.store_url(url.get_secret_value())
        return url

    @field_validator("name_secret")
    @classmethod
    def _name_secret(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        given = () if secret is None else (secret,)
        checks.sealing_secrets(given, required=_is_shared(info), most=1)
        return secret

    @field_validator("secret")
    @classmethod
    def _secret(cls, secrets: tuple[SecretStr, ...], info: ValidationInfo) -> tuple[SecretStr, ...]:
        return checks.sealing_secrets(secrets, required=_is_shared(info), most=3)


def _is_shared(info: ValidationInfo) -> bool:
    """Tell whether the store is Redis; not so if its address is faulty, a fault of its own."""
    url = info.data.get("url")
    return url is not None and url.get_secret_value() != addresses.MEMORY
