"""The configuration as a whole: every table by its name.

In each table a rule sees only the keys declared above its own, so a key stands below those it
depends on. Every rule belongs to a key, none to a table, because a rule of a table would stay
silent until all its keys are right, and all faults are to be reported together.
"""

from collections.abc import Mapping

from pydantic import Field, field_validator

from app.settings.cache import CacheSettings
from app.settings.server import LimitsSettings, LogSettings, ServerSettings, WebhookSettings
from app.settings.upstream import GatewaySettings, IdentitySettings
from app.settings.values import Table


class Settings(Table):
    """The whole configuration, valid and frozen."""

    server: ServerSettings = Field(default_factory=ServerSettings)
    gateway: GatewaySettings
    identity: tuple[IdentitySettings, ...]
    cache: CacheSettings = Field(default_factory=CacheSettings)
    limits: LimitsSettings = Field(default_factory=LimitsSettings)
    webhook: WebhookSettings = Field(default_factory=WebhookSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @field_validator("identity", mode="before")
    @classmethod
    def _at_least_one(cls, tables: object) -> object:
        if not isinstance(tables, list | tuple) or not tables:
            raise ValueError("must be one [[identity]] table or more")
        return tables


TABLES: Mapping[str, type[Table]] = {
    "server": ServerSettings,
    "gateway": GatewaySettings,
    "identity": IdentitySettings,
    "cache": CacheSettings,
    "limits": LimitsSettings,
    "webhook": WebhookSettings,
    "log": LogSettings,
}
"""The model of each table; of each of its items where the table is a list."""
