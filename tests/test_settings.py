"""The configuration: what is accepted, what is a fault, and what a fault may say."""

import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from app.settings import (
    AttributionSettings,
    CacheSettings,
    Fault,
    GatewaySettings,
    IdentitySettings,
    LimitsSettings,
    LogSettings,
    ServerSettings,
    Settings,
    SettingsError,
    WebhookSettings,
    load_settings,
)

REFERENCE = Path(__file__).parent.parent / "config" / "reference.toml"
MODELS = {
    "server": ServerSettings,
    "gateway": GatewaySettings,
    "identity": IdentitySettings,
    "cache": CacheSettings,
    "limits": LimitsSettings,
    "webhook": WebhookSettings,
    "log": LogSettings,
}
SECRET_16 = "canary-token-16-"
SECRET_32 = "canary-sealing-secret-of-32-bytes"
OTHER_32 = "another-sealing-secret-of-32-byte"
REDIS = '"redis://store.example:6379/0"'

# The least that is a configuration, as TOML text by table and key.
LEAST = {
    "gateway": {
        "base_url": '"https://gateway.example"',
        "auth": '"capillary"',
        "token_url": '"https://token.example/v3/oauth/token/generate"',
        "client_id": '"key"',
        "client_secret": '"canary-client-secret"',
    },
    "identity": {"issuer": '"https://login.example/"', "audience": '"badges"'},
}


def document(**changes: Mapping[str, str | None]) -> str:
    """Write the least configuration as TOML, with changes by table; None takes a key away."""
    lines = []
    for table in {**LEAST, **changes}:
        lines.append("[[identity]]" if table == "identity" else f"[{table}]")
        keys = {**LEAST.get(table, {}), **changes.get(table, {})}
        lines += [f"{key} = {value}" for key, value in keys.items() if value is not None]
    return "\n".join(lines)


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Load settings from TOML text and variables."""

    def load_text(text: str, /, **environ: str) -> Settings:
        path = tmp_path / "badges.toml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, environ)

    return load_text


@pytest.fixture
def faults(load: Any) -> Any:
    """Return the faults of a configuration, by key."""

    def faults_of(text: str, /, **environ: str) -> dict[str, str]:
        with pytest.raises(SettingsError) as caught:
            load(text, **environ)
        return {fault.key: fault.problem for fault in caught.value.faults}

    return faults_of


class TestDefaults:
    """What holds where nothing is said."""

    def test_contract_defaults(self, load: Any) -> None:
        """The least configuration has the defaults that the contract names."""
        settings = load(document())
        assert settings.server.model_dump() == {
            "host": "0.0.0.0",
            "port": 8080,
            "admin_host": "127.0.0.1",
            "admin_port": 8081,
            "admin_token": None,
            "reuse_port": False,
            "cors_origins": (),
            "trusted_proxies": (),
            "drain_delay": 5,
            "shutdown_timeout": 20,
            "max_in_flight": 512,
            "max_misses_in_flight": 256,
        }
        assert settings.gateway.model_dump(exclude=set(LEAST["gateway"])) == {
            "scope": None,
            "connect_timeout": 1,
            "timeout": 5,
            "soft_timeout": 0.3,
            "max_connections": 100,
            "retries": 2,
            "max_body_bytes": 4194304,
            "attribution": {"type": None, "code": None},
            "allow_http": False,
        }
        assert settings.identity[0].model_dump(exclude=set(LEAST["identity"])) == {
            "jwks_url": None,
            "algorithms": ("RS256", "ES256", "PS256", "EdDSA"),
            "identifier": "customerId",
            "claim": "customer_id",
            "scope": "",
            "allow_http": False,
        }
        assert settings.cache.url.get_secret_value() == "memory://"
        assert settings.cache.model_dump(exclude={"url"}) == {
            "namespace": "badges",
            "name_secret": None,
            "secret": (),
            "fresh_for": 60,
            "revalidate_for": 300,
            "stale_for": 86400,
            "missing_for": 30,
            "timeout": 0.05,
        }
        assert settings.limits.model_dump() == {
            "requests_per_minute": 120,
            "gateway_calls_per_minute": 20,
        }
        assert settings.webhook.model_dump() == {"header": "Authorization", "secret": ()}
        assert settings.log.model_dump() == {"format": "json", "level": "info"}

    @pytest.mark.parametrize(
        ("identifier", "claim"),
        [
            ("customerId", "customer_id"),
            ("email", "email"),
            ("mobile", "phone_number"),
            ("externalId", "external_id"),
            ("cardNumber", "card_number"),
        ],
    )
    def test_claim_follows_identifier(self, load: Any, identifier: str, claim: str) -> None:
        """Each identifier has its own default claim, and a written claim beats it."""
        text = document(identity={"identifier": f'"{identifier}"'})
        assert load(text).identity[0].claim == claim
        assert load(text, BFF_IDENTITY__CLAIM="sub").identity[0].claim == "sub"

    def test_short_budget_shortens_the_other_timeouts(self, load: Any) -> None:
        """A timeout below another's default is no fault: the default shrinks to the budget."""
        gateway = load(document(gateway={"timeout": "0.2"})).gateway
        assert (gateway.connect_timeout, gateway.soft_timeout) == (0.2, 0.2)

    def test_settings_are_frozen(self, load: Any) -> None:
        """Nothing changes settings once they are loaded."""
        settings = load(document())
        with pytest.raises(ValueError, match="frozen"):
            settings.server.port = 1


class TestAccepted:
    """Values that look unusual and are right."""

    @pytest.mark.parametrize(
        ("table", "key", "value"),
        [
            ("server", "port", "0"),
            ("server", "host", '"::1"'),
            ("server", "drain_delay", "0"),
            ("server", "admin_port", "0"),
            ("server", "cors_origins", '["https://a.example", "http://b.example:3000"]'),
            ("server", "cors_origins", '["capacitor://localhost", "https://[::1]:8443"]'),
            ("gateway", "base_url", '"http://localhost:9000"'),
            ("gateway", "base_url", '"http://127.9.9.9"'),
            ("gateway", "base_url", '"http://[::1]:9000/prefix"'),
            ("gateway", "soft_timeout", "0"),
            ("gateway", "retries", "0"),
            ("gateway", "client_id", '"store:123"'),
            ("identity", "jwks_url", '"https://keys.example/jwks.json"'),
            ("identity", "algorithms", '["ES512"]'),
            ("identity", "scope", '"badges.read profile"'),
            ("cache", "stale_for", "0"),
            ("cache", "timeout", "1"),
            ("limits", "requests_per_minute", "0"),
            ("webhook", "header", '"X-Events-Key"'),
            ("webhook", "secret", '"Bearer 0123456789"'),
        ],
    )
    def test_accepted(self, load: Any, table: str, key: str, value: str) -> None:
        """The value is accepted as it stands."""
        load(document(**{table: {key: value}}))

    def test_issuer_is_kept_and_base_url_loses_its_slash(self, load: Any) -> None:
        """An issuer is compared by code point, so nothing of it is normalised."""
        text = document(
            identity={"issuer": '"https://LOGIN.example/Tenant/"'},
            gateway={"base_url": '"https://gateway.example/prefix/"'},
        )
        settings = load(text)
        assert settings.identity[0].issuer == "https://LOGIN.example/Tenant/"
        assert settings.gateway.base_url == "https://gateway.example/prefix"

    @pytest.mark.parametrize("table", ["gateway", "identity"])
    def test_allow_http(self, load: Any, table: str) -> None:
        """Plain http is right for any host of the table that says so."""
        key = "base_url" if table == "gateway" else "issuer"
        load(document(**{table: {key: '"http://inner.example"', "allow_http": "true"}}))

    @pytest.mark.parametrize(
        "url",
        [
            "redis://store.example",
            "redis://user:p%2Fw@store.example:6379/3",
            "rediss://:pw@[2001:db8::1]:6380",
            "redis+sentinel://user:pw@a.example:26379,b.example:26379/primary",
            "redis+cluster://a.example:7000,b.example:7001",
        ],
    )
    def test_store_addresses(self, load: Any, url: str) -> None:
        """Every form of the contract is accepted, credentials included, and kept as it is."""
        secrets = {"name_secret": f'"{OTHER_32}"', "secret": f'"{SECRET_32}"'}
        cache = load(document(cache={"url": f'"{url}"', **secrets})).cache
        assert cache.url.get_secret_value() == url

    def test_one_secret_or_several(self, load: Any) -> None:
        """A rolling secret is a tuple, whether it was written as one text or as a list."""
        one = load(document(cache={"secret": f'"{SECRET_32}"'})).cache
        two = load(document(cache={"secret": f'["{SECRET_32}", "{OTHER_32}"]'})).cache
        assert [secret.get_secret_value() for secret in one.secret] == [SECRET_32]
        assert [secret.get_secret_value() for secret in two.secret] == [SECRET_32, OTHER_32]

    def test_secret_length_counts_bytes(self, load: Any) -> None:
        """Sixteen characters of two bytes are 32 bytes."""
        load(document(cache={"name_secret": f'"{16 * "é"}"'}))

    def test_networks_are_parsed(self, load: Any) -> None:
        """Trusted proxies arrive as networks, a single address as a network of one."""
        server = load(document(server={"trusted_proxies": '["10.0.0.0/8", "2001:db8::1"]'})).server
        assert server.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("2001:db8::1/128"))

    def test_attribution(self, load: Any) -> None:
        """Attribution is a table of type and code."""
        text = document(gateway={"attribution": '{type = "TILL", code = "t 1"}'})
        assert load(text).gateway.attribution == AttributionSettings(type="TILL", code="t 1")

    @pytest.mark.parametrize("auth", ["basic", "client_credentials"])
    def test_other_ways_to_authenticate(self, load: Any, auth: str) -> None:
        """Basic takes no token address; client credentials take one, and a scope."""
        tokens = {"token_url": None} if auth == "basic" else {"scope": '"badges.read"'}
        assert load(document(gateway={"auth": f'"{auth}"', **tokens})).gateway.auth == auth

    def test_same_port_on_distinct_hosts(self, load: Any) -> None:
        """Two listeners may share a port number on two addresses."""
        load(document(server={"host": '"10.0.0.1"', "port": "8081"}))

    def test_several_identities(self, load: Any) -> None:
        """Several issuers are accepted, and one issuer with two audiences."""
        second = '\n[[identity]]\nissuer = "https://login.example/"\naudience = "kiosk"'
        assert [one.audience for one in load(document() + second).identity] == ["badges", "kiosk"]


BAD_NUMBERS = [
    ("server", "port", "65536", "whole number from 0 to 65535"),
    ("server", "port", "-1", "whole number from 0 to 65535"),
    ("server", "port", '"8080"', "whole number from 0 to 65535"),
    ("server", "port", "true", "whole number from 0 to 65535"),
    ("server", "port", "80.0", "whole number from 0 to 65535"),
    ("server", "admin_port", "8080", "must differ from server.port"),
    ("server", "drain_delay", "-1", "seconds: 0 to 3600"),
    ("server", "shutdown_timeout", "0", "seconds: more than 0"),
    ("server", "max_in_flight", "0", "from 1 to"),
    ("server", "max_misses_in_flight", "0", "from 1 to"),
    ("gateway", "timeout", "inf", "seconds: more than 0, at most 3600"),
    ("gateway", "timeout", "nan", "seconds"),
    ("gateway", "timeout", "true", "seconds"),
    ("gateway", "timeout", '"5"', "seconds"),
    ("gateway", "connect_timeout", "6", "at most gateway.timeout"),
    ("gateway", "soft_timeout", "5.1", "at most gateway.timeout"),
    ("gateway", "max_connections", "0", "from 1 to"),
    ("gateway", "retries", "11", "from 0 to 10"),
    ("gateway", "max_body_bytes", "1023", "(bytes)"),
    ("cache", "fresh_for", "0", "seconds: more than 0"),
    ("cache", "revalidate_for", "-1", "seconds: 0 to"),
    ("cache", "stale_for", "-0.1", "seconds: 0 to"),
    ("cache", "missing_for", "1979-05-27", "seconds: 0 to"),
    ("cache", "timeout", "0", "seconds: more than 0"),
    ("limits", "requests_per_minute", "0.5", "0 is off"),
    ("limits", "gateway_calls_per_minute", "-1", "0 is off"),
]
BAD_ADDRESSES = [
    ("server", "host", '""', "host name or an IP address"),
    ("server", "host", '"0.0.0.0:80"', "host name or an IP address"),
    ("server", "trusted_proxies[1]", '["10.0.0.0/8", "10.0.0.1/8"]', "CIDR"),
    ("server", "trusted_proxies[0]", '["proxy"]', "CIDR"),
    ("server", "trusted_proxies[0]", "[7]", "CIDR"),
    ("server", "cors_origins[0]", '["*"]', "exact origin"),
    ("server", "cors_origins[0]", '["null"]', "exact origin"),
    ("server", "cors_origins[0]", '["https://a.example/"]', "exact origin"),
    ("server", "cors_origins[0]", '["https://A.example"]', "exact origin"),
    ("server", "cors_origins[0]", '["https://a.example:443"]', "default port"),
    ("server", "cors_origins[0]", '["http://a.example:80"]', "default port"),
    ("server", "cors_origins[0]", '["https://*.example"]', "exact origin"),
    ("server", "cors_origins", '"https://a.example"', "must be a list"),
    ("gateway", "base_url", None, "is required"),
    ("gateway", "base_url", "5", "must be text"),
    ("gateway", "base_url", '""', "absolute http(s)"),
    ("gateway", "base_url", '"gateway.example"', "absolute http(s)"),
    ("gateway", "base_url", '"https:///path"', "absolute http(s)"),
    ("gateway", "base_url", '"ftp://gateway.example"', "absolute http(s)"),
    ("gateway", "base_url", '"https://u:canary@gateway.example"', "no user"),
    ("gateway", "base_url", '"https://gateway.example?canary"', "query"),
    ("gateway", "base_url", '"https://gateway.example#"', "fragment"),
    ("gateway", "base_url", '"https://gateway.example:65536"', "absolute http(s)"),
    ("gateway", "base_url", '"https://gate way.example"', "absolute http(s)"),
    ("gateway", "base_url", '"https://gateway.example\\n"', "absolute http(s)"),
    ("gateway", "base_url", '"https://[::canary]"', "absolute http(s)"),
    ("gateway", "base_url", '"https://[canary"', "absolute http(s)"),
    ("gateway", "base_url", '"https://ga\\u2100.example"', "absolute http(s)"),
    ("gateway", "base_url", '"http://gateway.example"', "must be https"),
    ("gateway", "base_url", '"http://localhost.example"', "must be https"),
    ("gateway", "token_url", '"http://token.example"', "must be https"),
    ("identity", "issuer", '"http://login.example"', "must be https"),
    ("identity", "issuer", '""', "absolute http(s)"),
    ("identity", "jwks_url", '"keys.example"', "absolute http(s)"),
    ("cache", "url", '"redis+sentinel://a.example:1"', "/service"),
    ("cache", "url", '"redis://a.example,b.example"', "must be memory://"),
    ("cache", "url", '"redis://:canary@a.example:0"', "must be memory://"),
    ("cache", "url", '"redis://a.example?password=canary"', "must be memory://"),
    ("cache", "url", '"memory://canary"', "must be memory://"),
    ("cache", "url", '"unix:///run/redis.sock"', "must be memory://"),
    ("cache", "url", "1", "must be text"),
]
BAD_TEXTS = [
    ("server", "reuse_port", "1", "true or false"),
    ("server", "admin_token", '"canary-short"', "16 or more"),
    ("server", "admin_token", '"canary with blanks in it"', "no blanks"),
    ("gateway", "auth", None, "is required: capillary, client_credentials or basic"),
    ("gateway", "auth", '"digest"', "'capillary', 'client_credentials' or 'basic'"),
    ("gateway", "token_url", None, "is required with auth = capillary"),
    ("gateway", "client_id", None, "is required"),
    ("gateway", "client_id", '""', "not empty"),
    ("gateway", "client_id", '"a\\nb"', "control character"),
    ("gateway", "client_id", '"\\u20ac"', "Latin-1"),
    ("gateway", "client_secret", None, "is required"),
    ("gateway", "client_secret", '"canary\\n"', "control character"),
    ("gateway", "client_secret", '["canary"]', "must be text"),
    ("gateway", "scope", '"badges.read"', "client_credentials only"),
    ("gateway", "scope", '"a  b"', "one blank between"),
    ("gateway", "attribution", '"canary"', "must be a table"),
    ("gateway", "attribution.code", '{type = "TILL"}', "together with type"),
    ("gateway", "attribution.code", '{code = "t1"}', "together with type"),
    ("gateway", "attribution.type", '{type = "a\\r\\nb", code = "t1"}', "printable ASCII"),
    ("gateway", "attribution.kind", '{kind = "TILL"}', "allowed: type, code"),
    ("identity", "audience", '""', "not empty"),
    ("identity", "audience", '["badges"]', "must be text"),
    ("identity", "algorithms", "[]", "not empty"),
    ("identity", "algorithms[0]", '["none"]', "'RS256'"),
    ("identity", "algorithms[1]", '["RS256", "HS256"]', "'RS256'"),
    ("identity", "identifier", '"customerid"', "'customerId'"),
    ("identity", "claim", '""', "not empty"),
    ("identity", "scope", '" "', "one blank between"),
    ("cache", "namespace", '""', "1 to 64"),
    ("cache", "namespace", '"a:b"', "1 to 64"),
    ("cache", "namespace", f'"{65 * "a"}"', "1 to 64"),
    ("cache", "name_secret", '"canary"', "32 bytes"),
    ("cache", "secret", '["canary"]', "32 bytes"),
    ("cache", "secret", f"{4 * [SECRET_32]}", "at most 3"),
    ("cache", "secret", "7", "text or a list"),
    ("cache", "secret[0]", "[7]", "must be text"),
    ("webhook", "header", '"X Key"', "header name"),
    ("webhook", "header", '""', "header name"),
    ("webhook", "secret", '"canary"', "16 or more"),
    ("webhook", "secret", f'["{SECRET_16}", " {SECRET_16}"]', "no blank at either end"),
    ("log", "format", '"text"', "'json' or 'console'"),
    ("log", "level", '"INFO"', "'debug', 'info', 'warning' or 'error'"),
]


class TestFaults:
    """What is wrong is named by its key, with what is allowed, and never with its value."""

    @pytest.mark.parametrize(
        ("table", "key", "value", "fragment"), [*BAD_NUMBERS, *BAD_ADDRESSES, *BAD_TEXTS]
    )
    def test_bad_value(
        self, faults: Any, table: str, key: str, value: str | None, fragment: str
    ) -> None:
        """A bad value is exactly one fault."""
        written = re.split(r"[.\[]", key)[0]
        extra = {"name_secret": f'"{OTHER_32}"', "secret": f'"{SECRET_32}"'}
        change = {**(extra if key == "url" else {}), written: value}
        found = faults(document(**{table: change}))
        position = "[0]" if table == "identity" else ""
        problem = found.pop(f"{table}{position}.{key}")
        assert fragment in problem
        assert "canary" not in problem
        assert found == {}

    def test_all_at_once(self, faults: Any) -> None:
        """Faults of every kind come together, those between keys among them."""
        text = document(
            server={"port": "-1", "admin_host": '"0.0.0.0"'},
            gateway={"base_url": None, "timeout": "1", "soft_timeout": "2"},
            identity={"audience": '""', "colour": "1"},
            cache={"url": REDIS},
            extra={},
        )
        assert set(faults(text, BFF_LOG__LEVEL="loud", BFF_NONSENSE="1")) == {
            "BFF_NONSENSE",
            "server.port",
            "server.admin_token",
            "gateway.base_url",
            "gateway.soft_timeout",
            "identity[0].audience",
            "identity[0].colour",
            "cache.name_secret",
            "cache.secret",
            "log.level",
            "extra",
        }

    def test_nothing_at_all(self) -> None:
        """Without a file and variables every required key is named, one a line."""
        with pytest.raises(SettingsError) as caught:
            load_settings(None, {})
        lines = str(caught.value).splitlines()
        assert [line.split(":")[0] for line in lines] == [
            "gateway.base_url",
            "gateway.auth",
            "gateway.client_id",
            "gateway.client_secret",
            "identity",
        ]
        assert isinstance(caught.value.faults[0], Fault)

    @pytest.mark.parametrize("host", ['"0.0.0.0"', '"::"', '"10.0.0.1"', '"metrics.example"'])
    def test_open_admin_needs_a_token(self, load: Any, faults: Any, host: str) -> None:
        """An admin listener beyond this machine needs a token."""
        open_admin = {"admin_host": host}
        assert "is required" in faults(document(server=open_admin))["server.admin_token"]
        load(document(server={**open_admin, "admin_token": f'"{SECRET_16}"'}))

    def test_basic_authentication(self, faults: Any) -> None:
        """With basic, a token address is of no use and a colon would split the user name."""
        found = faults(document(gateway={"auth": '"basic"', "client_id": '"a:b"'}))
        assert "has no use" in found["gateway.token_url"]
        assert "no colon" in found["gateway.client_id"]

    def test_repeated_identity(self, faults: Any) -> None:
        """The same issuer and audience twice is a fault, even beside another one there."""
        second = '\n[[identity]]\nissuer = "https://login.example/"\naudience = "badges"'
        found = faults(document(identity={"claim": '""'}) + second)
        assert "must not repeat" in found["identity[1].issuer"]
        assert "identity[0].claim" in found

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ("gateway = 1\nidentity = 2", "identity"),
            ("gateway = 1\nidentity = [3]", "identity[0]"),
            ("gateway = 1\n[identity]\nissuer = 'x'", "identity"),
            ("gateway = []\nidentity = []", "gateway"),
        ],
    )
    def test_no_tables(self, faults: Any, text: str, key: str) -> None:
        """Anything else in the place of a table is a fault, which no variable hides."""
        assert "table" in faults(text)[key]
        assert "table" in faults(text, BFF_GATEWAY__AUTH="basic")[key]

    @pytest.mark.parametrize(
        ("text", "fragment"),
        [
            ("[server]\nport = canary", "TOML; it is not at line 2, column 8"),
            ("[server", "TOML"),
            ("a = 1\na = 2", "TOML"),
        ],
    )
    def test_not_toml(self, faults: Any, text: str, fragment: str) -> None:
        """A file that is no TOML is one fault, with the place and without its text."""
        found = faults(text, BFF_NONSENSE="1")
        assert set(found) == {"config"}
        assert fragment in found["config"]
        assert "canary" not in found["config"]

    def test_unreadable_file(self, tmp_path: Path) -> None:
        """A file that is missing, a directory or no text is one fault."""
        binary = tmp_path / "binary.toml"
        binary.write_bytes(b"\xff")
        for path in (tmp_path / "missing.toml", tmp_path, binary):
            with pytest.raises(SettingsError, match=r"^config: .+(can't be read|UTF-8)"):
                load_settings(path, {})


class TestUnknown:
    """An unknown name is a fault that names the nearest known one."""

    @pytest.mark.parametrize(
        ("table", "key", "fragment"),
        [
            ("server", "prot", "the nearest is port"),
            ("gateway", "base_uri", "the nearest is base_url"),
            ("identity", "audiences", "the nearest is audience"),
            ("log", "zzz", "allowed: format, level"),
        ],
    )
    def test_key(self, faults: Any, table: str, key: str, fragment: str) -> None:
        """An unknown key of a table is a fault."""
        position = "[0]" if table == "identity" else ""
        found = faults(document(**{table: {key: '"canary"'}}))
        assert list(found) == [f"{table}{position}.{key}"]
        assert fragment in found[f"{table}{position}.{key}"]

    def test_table(self, faults: Any) -> None:
        """An unknown table is a fault."""
        assert "the nearest is gateway" in faults(document(gatway={}))["gatway"]

    def test_key_stays_on_its_line(self, faults: Any) -> None:
        """A key that is no bare TOML key is quoted, so that a fault is always one line."""
        assert list(faults(document(log={'"a\\nb"': "1"}))) == ['log."a\\nb"']

    @pytest.mark.parametrize(
        ("name", "fragment"),
        [
            ("BFF_SERVER__PROT", "the nearest is BFF_SERVER__PORT"),
            ("BFF_SERVER_PORT", "the nearest is BFF_SERVER__PORT"),
            ("BFF_server__port", "the nearest is BFF_SERVER__PORT"),
            ("BFF_SERVER__PORT_FILE", "the nearest is BFF_SERVER__PORT"),
            ("BFF_GATEWAY__ATTRIBUTION__TYPE", "the nearest is BFF_GATEWAY__ATTRIBUTION"),
            ("BFF_", "allowed: BFF_<TABLE>__<KEY>"),
        ],
    )
    def test_variable(self, faults: Any, name: str, fragment: str) -> None:
        """An unknown BFF_ variable is a fault; names are matched exactly."""
        found = faults(document(), **{name: "canary"})
        assert list(found) == [name]
        assert fragment in found[name]
        assert "canary" not in found[name]

    def test_other_variables(self, load: Any) -> None:
        """BFF_CONFIG is known, and nobody else's variables concern us."""
        load(document(), BFF_CONFIG="badges.toml", PATH="/bin", bff_port="1")


class TestEnvironment:
    """A variable overrides its key, whatever the type."""

    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("SERVER__HOST", "10.0.0.1", "10.0.0.1"),
            ("SERVER__PORT", "9000", 9000),
            ("SERVER__REUSE_PORT", "true", True),
            ("SERVER__DRAIN_DELAY", "0.5", 0.5),
            ("SERVER__CORS_ORIGINS", "", ()),
            ("SERVER__CORS_ORIGINS", "https://a.example", ("https://a.example",)),
            (
                "SERVER__CORS_ORIGINS",
                " https://a.example , https://b.example,",
                ("https://a.example", "https://b.example"),
            ),
            ("SERVER__TRUSTED_PROXIES", "10.0.0.0/8", (ip_network("10.0.0.0/8"),)),
            ("GATEWAY__BASE_URL", "https://other.example", "https://other.example"),
            ("GATEWAY__TIMEOUT", "7", 7.0),
            (
                "GATEWAY__ATTRIBUTION",
                '{"type": "TILL", "code": "t1"}',
                AttributionSettings(type="TILL", code="t1"),
            ),
            ("GATEWAY__ATTRIBUTION", "{}", AttributionSettings()),
            ("LOG__FORMAT", "console", "console"),
        ],
    )
    def test_override(self, load: Any, name: str, text: str, value: object) -> None:
        """The variable's text is read for the type of its key and beats the file."""
        file = document(server={"port": "8000", "cors_origins": '["https://file.example"]'})
        table, key = name.lower().split("__")
        settings = load(file, **{f"BFF_{name}": text})
        assert getattr(getattr(settings, table), key) == value

    @pytest.mark.parametrize(
        ("name", "text", "key", "fragment"),
        [
            ("SERVER__PORT", "canary", "server.port", "whole number"),
            ("SERVER__PORT", "8080.0", "server.port", "whole number"),
            ("SERVER__PORT", '"8080"', "server.port", "whole number"),
            ("SERVER__PORT", "", "server.port", "whole number"),
            ("SERVER__REUSE_PORT", "yes", "server.reuse_port", "true or false"),
            ("GATEWAY__TIMEOUT", "NaN", "gateway.timeout", "seconds"),
            ("GATEWAY__TIMEOUT", "Infinity", "gateway.timeout", "seconds"),
            ("GATEWAY__TIMEOUT", "1e999", "gateway.timeout", "seconds"),
            ("GATEWAY__TIMEOUT", f"1{400 * '0'}", "gateway.timeout", "seconds"),
            ("GATEWAY__ATTRIBUTION", "canary", "gateway.attribution", "must be a table"),
            ("GATEWAY__ATTRIBUTION", 9999 * "[", "gateway.attribution", "must be a table"),
            ("GATEWAY__BASE_URL", "\udcff", "gateway.base_url", "absolute http(s)"),
            ("IDENTITY__ALGORITHMS", "RS256,HS256", "identity[0].algorithms[1]", "'RS256'"),
            ("IDENTITY__ALGORITHMS", "", "identity[0].algorithms", "not empty"),
            ("CACHE__NAME_SECRET", 40 * "\udcff", "cache.name_secret", "UTF-8"),
        ],
    )
    def test_bad_override(self, faults: Any, name: str, text: str, key: str, fragment: str) -> None:
        """A bad text is a fault of its key that also names the variable."""
        found = faults(document(), **{f"BFF_{name}": text})
        assert list(found) == [key]
        assert fragment in found[key]
        assert found[key].endswith(f"(set by BFF_{name})")
        assert "canary" not in found[key]

    def test_environment_alone(self) -> None:
        """No file is needed: the environment can hold it all, one identity included."""
        environ = {
            f"BFF_{table}__{key}".upper(): value.strip('"')
            for table, keys in LEAST.items()
            for key, value in keys.items()
        }
        settings = load_settings(None, environ)
        assert settings.gateway.client_secret.get_secret_value() == "canary-client-secret"
        assert [one.issuer for one in settings.identity] == ["https://login.example/"]

    def test_one_identity_is_overridden(self, load: Any) -> None:
        """With one identity in the file, a variable overrides that key of it alone."""
        (identity,) = load(document(), BFF_IDENTITY__AUDIENCE="kiosk").identity
        assert (identity.issuer, identity.audience) == ("https://login.example/", "kiosk")

    def test_several_identities_are_not(self, faults: Any) -> None:
        """With several, nobody could tell which one a variable means."""
        second = '\n[[identity]]\nissuer = "https://b.example"\naudience = "badges"'
        found = faults(document() + second, BFF_IDENTITY__AUDIENCE="kiosk")
        assert list(found) == ["identity"]
        assert "BFF_IDENTITY__AUDIENCE can't choose" in found["identity"]

    def test_a_variable_without_effect_is_not_blamed(self, faults: Any) -> None:
        """A fault names the variable only where the value really came from it."""
        second = '\n[[identity]]\nissuer = "https://b.example"\naudience = ""'
        found = faults(document() + second, BFF_IDENTITY__AUDIENCE="kiosk")
        assert "set by" not in found["identity[1].audience"]


class TestSecrets:
    """Secrets come from files too, and never come out by accident."""

    @pytest.mark.parametrize(
        ("table", "key"),
        [
            ("gateway", "client_secret"),
            ("server", "admin_token"),
            ("cache", "name_secret"),
            ("cache", "url"),
        ],
    )
    @pytest.mark.parametrize("end", ["", "\n", "\r\n"])
    def test_from_file(self, load: Any, tmp_path: Path, table: str, key: str, end: str) -> None:
        """A secret is read from the file that the variable names, less one newline."""
        value = "memory://" if key == "url" else SECRET_32
        path = tmp_path / "secret"
        path.write_bytes((value + end).encode())
        settings = load(document(), **{f"BFF_{table}__{key}_file".upper(): str(path)})
        assert getattr(getattr(settings, table), key).get_secret_value() == value

    @pytest.mark.parametrize("table", ["cache", "webhook"])
    def test_list_from_file(self, load: Any, tmp_path: Path, table: str) -> None:
        """In the file of a list each line is one secret, which may hold a comma."""
        path = tmp_path / "secrets"
        path.write_text(f"{SECRET_32},1\n\n{OTHER_32}\n", encoding="utf-8")
        settings = load(document(), **{f"BFF_{table}__secret_file".upper(): str(path)})
        secrets = [secret.get_secret_value() for secret in getattr(settings, table).secret]
        assert secrets == [f"{SECRET_32},1", OTHER_32]

    def test_list_from_variable(self, load: Any) -> None:
        """In a variable, commas part the secrets of a list."""
        settings = load(document(), BFF_CACHE__SECRET=f"{SECRET_32}, {OTHER_32}")
        secrets = [secret.get_secret_value() for secret in settings.cache.secret]
        assert secrets == [SECRET_32, OTHER_32]

    def test_unreadable_secret_file(self, faults: Any, tmp_path: Path) -> None:
        """It is one fault, even for a required key, and tells no path: it may be the secret."""
        binary = tmp_path / "canary"
        binary.write_bytes(b"\xff")
        for path in ("/nowhere/canary", "canary\0", str(binary), str(tmp_path)):
            text = document(gateway={"client_secret": None})
            found = faults(text, BFF_GATEWAY__CLIENT_SECRET_FILE=path)
            assert list(found) == ["gateway.client_secret"]
            assert "BFF_GATEWAY__CLIENT_SECRET_FILE" in found["gateway.client_secret"]
            assert "canary" not in found["gateway.client_secret"]

    def test_value_and_file(self, faults: Any, tmp_path: Path) -> None:
        """A secret in a variable and in a file at once is a fault: one of them is outdated."""
        path = tmp_path / "secret"
        path.write_text("canary", encoding="utf-8")
        found = faults(
            document(),
            BFF_GATEWAY__CLIENT_SECRET="canary",
            BFF_GATEWAY__CLIENT_SECRET_FILE=str(path),
        )
        assert "not by both" in found["gateway.client_secret"]
        assert "canary" not in found["gateway.client_secret"]

    def test_no_secret_is_shown(self, load: Any) -> None:
        """Neither repr nor str of the settings holds a secret, the store's password included."""
        settings = load(
            document(
                server={"admin_token": f'"{SECRET_16}"'},
                cache={
                    "url": '"redis://u:canary@store.example"',
                    "name_secret": f'"{SECRET_32}"',
                    "secret": f'"{SECRET_32}"',
                },
                webhook={"secret": f'"{SECRET_16}"'},
            )
        )
        assert "canary" not in f"{settings} {settings!r} {settings.cache!r} {settings.model_dump()}"

    def test_no_secret_in_an_error(self, load: Any) -> None:
        """The error carries no value, nor another error that does."""
        text = document(
            gateway={"client_secret": '"canary\\n"', "base_url": '"https://canary@host"'},
            cache={"url": '"redis://:canary@host:x"', "name_secret": '"canary"'},
            webhook={"secret": '["canary"]'},
            server={"admin_token": '"canary"', "password": '"canary"'},
        )
        with pytest.raises(SettingsError) as caught:
            load(text)
        error = caught.value
        assert "canary" not in f"{error} {error!r} {error.faults!r}"
        assert error.__cause__ is None
        assert error.__context__ is None


def reference_keys(*, commented: bool) -> set[str]:
    """List the keys of the reference as `table.key`: those set, or those commented out."""
    keys, table = set(), ""
    for line in REFERENCE.read_text(encoding="utf-8").splitlines():
        if header := re.fullmatch(r"\[+(\w+)\]+", line):
            table = header[1]
        elif key := re.match(r"# (\w+) = " if commented else r"(\w+) = ", line):
            keys.add(f"{table}.{key[1]}")
    return keys


class TestReference:
    """`config/reference.toml` and the code say the same."""

    def test_loads(self) -> None:
        """As shipped it has no fault, and its secrets are marked as examples."""
        settings = load_settings(REFERENCE, {})
        assert "EXAMPLE" in settings.gateway.client_secret.get_secret_value()

    def test_same_keys(self) -> None:
        """Each key is there once, set or commented out, and no other key is."""
        given, commented = reference_keys(commented=False), reference_keys(commented=True)
        fields = {f"{table}.{key}" for table, model in MODELS.items() for key in model.model_fields}
        assert given | commented == fields
        assert given & commented == set()
        assert set(MODELS) == set(Settings.model_fields)

    def test_same_defaults(self, load: Any) -> None:
        """Each key that is set and has a default is set to it."""
        required = {f"{table}.{key}" for table, keys in LEAST.items() for key in keys}
        reference, least = load_settings(REFERENCE, {}), load(document())
        for name in reference_keys(commented=False) - required:
            table, key = name.split(".")
            written, default = getattr(reference, table), getattr(least, table)
            if table == "identity":
                (written,), (default,) = written, default
            assert getattr(written, key) == getattr(default, key), name

    def test_commented_keys_have_no_default(self) -> None:
        """Only what is optional and has no default of its own is commented out."""
        assert reference_keys(commented=True) == {
            "server.admin_token",
            "gateway.scope",
            "identity.jwks_url",
            "identity.claim",
            "cache.name_secret",
            "cache.secret",
            "webhook.secret",
        }

    def test_commented_examples_are_valid(self, load: Any) -> None:
        """Taking the comment signs away gives another configuration without a fault."""
        text = REFERENCE.read_text(encoding="utf-8")
        text = re.sub(r"(?m)^# (\w+ = )", r"\1", text).replace(
            '"capillary"', '"client_credentials"'
        )
        tomllib.loads(text)
        load(text)
