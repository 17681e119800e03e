"""The configuration: one TOML file, overlaid by the environment, judged as a whole.

`load_settings` is the way in. What each key means, its unit, default and allowed values stand
in `config/reference.toml`, which a test keeps equal to the models here.
"""

from app.settings.cache import CacheSettings
from app.settings.faults import Fault, SettingsError
from app.settings.loader import load_settings
from app.settings.server import LimitsSettings, LogSettings, ServerSettings, WebhookSettings
from app.settings.tables import Settings
from app.settings.upstream import AttributionSettings, GatewaySettings, IdentitySettings

__all__ = [
    "AttributionSettings",
    "CacheSettings",
    "Fault",
    "GatewaySettings",
    "IdentitySettings",
    "LimitsSettings",
    "LogSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "WebhookSettings",
    "load_settings",
]
