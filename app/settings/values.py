"""The kinds of value that the tables are made of, and what all tables share.

Times are seconds, sizes bytes.
"""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr

from app.settings import addresses, checks

HOUR = 3600
YEAR = 365 * 24 * HOUR

Port = Annotated[int, checks.whole(0, 65535, "a port; 0 lets the system choose")]
Concurrency = Annotated[int, checks.whole(1, 1_000_000, "requests at once")]
PerMinute = Annotated[int, checks.whole(0, 1_000_000, "calls a minute; 0 is off")]
Duration = Annotated[float, checks.seconds(HOUR)]
DurationOrNone = Annotated[float, checks.seconds(HOUR, zero=True)]
Lifetime = Annotated[float, checks.seconds(YEAR)]
LifetimeOrNone = Annotated[float, checks.seconds(YEAR, zero=True)]
Host = Annotated[str, AfterValidator(addresses.listening_host)]
Origin = Annotated[str, AfterValidator(addresses.origin)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(addresses.network)]
PlainText = Annotated[str, AfterValidator(checks.plain_text)]
Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(checks.one_or_many)]
Namespace = Annotated[str, checks.matching(r"[A-Za-z0-9_.-]{1,64}", "1 to 64 of A-Z a-z 0-9 _ - .")]
# RFC 9110, section 5.6.2 (token) and, for what a header can carry unchanged, section 5.5.
HeaderName = Annotated[str, checks.matching(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", "a header name")]
HeaderValue = Annotated[
    str, checks.matching(r"[!-~]([ -~]*[!-~])?", "printable ASCII without blanks at either end")
]
# RFC 6749, section 3.3.
Scope = Annotated[
    str, checks.matching(r"([!#-\[\]-~]+( [!#-\[\]-~]+)*)?", "scope names with one blank between")
]
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]


class Table(BaseModel):
    """What all tables share: frozen, no unknown key, and no value in an error's text."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True
    )
