"""`[gateway]` and `[[identity]]`: the parties that we depend on, and what they know us by."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    StrictBool,
    ValidationInfo,
    field_validator,
)

from app.settings import addresses, checks
from app.settings.values import (
    Algorithm,
    Concurrency,
    Duration,
    DurationOrNone,
    HeaderValue,
    PlainText,
    Scope,
    Table,
)

CLAIMS = {
    "customerId": "customer_id",
    "email": "email",
    "mobile": "phone_number",
    "externalId": "external_id",
    "cardNumber": "card_number",
}


class AttributionSettings(Table):
    """`gateway.attribution`: the entity that calls are attributed to; both keys or neither.

    Sent as `X-CAP-API-ATTRIBUTION-ENTITY-TYPE` and `-CODE` (gateway documentation).
    """

    type: HeaderValue | None = None
    code: HeaderValue | None = None

    @field_validator("code")
    @classmethod
    def _both_or_neither(cls, code: str | None, info: ValidationInfo) -> str | None:
        # A type that is missing here was given, but is faulty.
        if (code is None) != (info.data.get("type", "") is None):
            raise ValueError("must be given together with type, or neither of them")
        return code


class GatewaySettings(Table):
    """`[gateway]`: where the loyalty gateway is, our credentials there, and how long to wait."""

    allow_http: StrictBool = False
    base_url: str = Field(description="the gateway's absolute https address")
    auth: Literal["capillary", "client_credentials", "basic"] = Field(
        description="capillary, client_credentials or basic"
    )
    token_url: str | None = None
    client_id: PlainText = Field(description="the client's name, key or till")
    client_secret: SecretStr = Field(description="the client's secret or password")
    scope: Scope | None = None
    timeout: Duration = 5.0
    connect_timeout: Duration = Field(default_factory=lambda data: min(1.0, data["timeout"]))
    soft_timeout: DurationOrNone = Field(default_factory=lambda data: min(0.3, data["timeout"]))
    max_connections: Concurrency = 100
    retries: Annotated[int, checks.whole(0, 10, "retries of a request")] = 2
    max_body_bytes: Annotated[int, checks.whole(1024, 1 << 30, "bytes")] = 4_194_304
    attribution: AttributionSettings = Field(default_factory=AttributionSettings)

    @field_validator("base_url", "token_url")
    @classmethod
    def _web_address(cls, address: str | None, info: ValidationInfo) -> str | None:
        return _web_address(address, info)

    @field_validator("base_url")
    @classmethod
    def _without_slash(cls, address: str) -> str:
        return address.rstrip("/")

    @field_validator("token_url")
    @classmethod
    def _token_url_suits_auth(cls, address: str | None, info: ValidationInfo) -> str | None:
        auth = info.data.get("auth")
        if address is None and auth in {"capillary", "client_credentials"}:
            raise ValueError(f"is required with auth = {auth}: an absolute https address")
        if address is not None and auth == "basic":
            raise ValueError("has no use with auth = basic, which fetches no token; leave it out")
        return address

    @field_validator("client_id")
    @classmethod
    def _client_id_suits_auth(cls, client_id: str, info: ValidationInfo) -> str:
        if max(client_id) > "\xff":
            raise ValueError("must hold Latin-1 characters only")
        if ":" in client_id and info.data.get("auth") == "basic":
            raise ValueError("must hold no colon with auth = basic (RFC 7617, section 2)")
        return client_id

    @field_validator("client_secret")
    @classmethod
    def _client_secret(cls, secret: SecretStr) -> SecretStr:
        return checks.printable_secret(secret)

    @field_validator("scope")
    @classmethod
    def _scope_suits_auth(cls, scope: str | None, info: ValidationInfo) -> str | None:
        if scope and info.data.get("auth", "client_credentials") != "client_credentials":
            raise ValueError("has a use with auth = client_credentials only; leave it out")
        return scope

    @field_validator("connect_timeout", "soft_timeout")
    @classmethod
    def _within_timeout(cls, seconds: float, info: ValidationInfo) -> float:
        if seconds > info.data.get("timeout", seconds):
            raise ValueError("must be at most gateway.timeout, the whole budget in seconds")
        return seconds


class IdentitySettings(Table):
    """One `[[identity]]`: an issuer whose tokens we accept, and the claim naming the customer.

    `issuer` stays exactly as written: `iss` is compared character by character (OpenID Connect
    Discovery 1.0, section 4.3), so even a trailing slash counts.
    """

    allow_http: StrictBool = False
    issuer: str = Field(description="the absolute https address that its tokens name in iss")
    audience: PlainText = Field(description="the value that tokens for this service name in aud")
    jwks_url: str | None = None
    algorithms: Annotated[tuple[Algorithm, ...], AfterValidator(checks.not_empty)] = (
        "RS256",
        "ES256",
        "PS256",
        "EdDSA",
    )
    identifier: Literal["customerId", "email", "mobile", "externalId", "cardNumber"] = "customerId"
    claim: PlainText = Field(default_factory=lambda data: CLAIMS[data["identifier"]])
    scope: Scope = ""

    @field_validator("issuer", "jwks_url")
    @classmethod
    def _web_address(cls, address: str | None, info: ValidationInfo) -> str | None:
        return _web_address(address, info)


def _web_address(address: str | None, info: ValidationInfo) -> str | None:
    if address is None:
        return None
    return addresses.web_address(address, allow_http=info.data.get("allow_http", True))
