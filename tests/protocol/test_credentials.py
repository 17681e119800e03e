"""Credentials: every bad token is refused, every good one is accepted, and who it speaks for."""

import base64
import hashlib
import hmac
import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from app.domain.identity import (
    Customer,
    Identifier,
    InsufficientScopeError,
    InvalidCredentialError,
    NoCustomerIdentityError,
)
from app.protocol.credentials import (
    LEEWAY,
    MAX_TOKEN_LENGTH,
    IssuerRules,
    UnknownKeyError,
    VerifiedClaims,
    customer_of,
    take_apart,
    verify,
)
from app.protocol.key_sets import read_key_set

NOW = 1_795_000_000
RULES = IssuerRules(
    issuer="https://login.example/",
    audience="badges",
    algorithms=("RS256", "ES256", "PS256", "EdDSA"),
    identifier=Identifier.CUSTOMER_ID,
    claim="customer_id",
)
CLAIMS = {"iss": RULES.issuer, "aud": "badges", "exp": NOW + 300, "customer_id": "381921157"}
JANE = Customer(Identifier.CUSTOMER_ID, "381921157")
EC = ECKey.generate_key("P-256", {"kid": "ec"})
OTHER_EC = ECKey.generate_key("P-256", {"kid": "ec"})
OTHER_RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
ABSENT = object()
CLAIM_NAMES = {
    Identifier.CUSTOMER_ID: "customer_id",
    Identifier.EMAIL: "email",
    Identifier.MOBILE: "phone_number",
    Identifier.EXTERNAL_ID: "external_id",
    Identifier.CARD_NUMBER: "card_number",
}
VERIFIED = {"email_verified": True, "phone_number_verified": True}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@pytest.fixture(scope="session")
def rsa() -> RSAKey:
    """One RSA key for all tests: making one takes a while."""
    return RSAKey.generate_key(2048, {"kid": "rsa"})


def part(value: Any) -> str:
    """Write one part of a token: bytes as they are, all else as JSON."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def without_absent(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is said to be absent."""
    return {name: value for name, value in values.items() if value is not ABSENT}


def signed(key: Key, header: Any, claims: Any, *, algorithm: str = "ES256") -> str:
    """Sign whatever header and claims with a key: a good signature is no excuse for the rest."""
    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{part(JWSRegistry.algorithms[algorithm].sign(text.encode(), key))}"


def token(header: Mapping[str, Any] | None = None, **claims: Any) -> str:
    """Make a token of our issuer that is good but for the changes; `ABSENT` takes away."""
    full = {"alg": "ES256", "kid": "ec", "typ": "at+jwt", **(header or {})}
    return signed(EC, without_absent(full), without_absent({**CLAIMS, **claims}))


def document(*keys: Key | Mapping[str, Any], **changes: Any) -> bytes:
    """Write the key set of an issuer, with changes to each key."""
    raw = [key.as_dict(private=False) if isinstance(key, Key) else dict(key) for key in keys]
    return json.dumps({"keys": [without_absent({**key, **changes}) for key in raw]}).encode()


def judge(
    text: str, *keys: Key, rules: IssuerRules = RULES, now: float = NOW, **changes: Any
) -> VerifiedClaims:
    """Take a token apart and verify it under these published keys."""
    key_set = read_key_set(document(*(keys or (EC,)), **changes))
    return verify(take_apart(text), rules, key_set, now=now)


def refused(text: str, *keys: Key, rules: IssuerRules = RULES, **changes: Any) -> bool:
    """Whether a token is refused for good, rather than accepted or worth another look at keys."""
    with pytest.raises(InvalidCredentialError):
        judge(text, *keys, rules=rules, **changes)
    return True


# Good credentials


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_a_good_token_of_each_algorithm(rsa: RSAKey, algorithm: str) -> None:
    """Accepted in silence: a warning on each request would be a fault (warnings are errors)."""
    key = {"ES256": EC, "EdDSA": ED}.get(algorithm, rsa)
    text = signed(key, {"alg": algorithm, "kid": key.kid}, CLAIMS, algorithm=algorithm)
    verified = judge(text, rsa, EC, ED)
    assert verified.claims == CLAIMS
    assert verified.expires_at == NOW + 300
    assert customer_of(verified, RULES) == JANE


@pytest.mark.parametrize(
    "kind",
    [
        ABSENT,
        "JWT",
        "jwt",
        "at+jwt",
        "AT+JWT",
        "At+Jwt",
        "application/at+jwt",
        "Application/AT+JWT",
    ],
)
def test_each_type_in_any_case(kind: Any) -> None:
    """RFC 9068 section 2.1, RFC 7519 section 5.1: media types have no case."""
    assert judge(token({"typ": kind}))


@pytest.mark.parametrize(
    "audience", ["badges", ["badges"], ["other", "badges"], ["badges", 7, None]]
)
def test_the_audience_is_us_or_names_us(audience: Any) -> None:
    """A text or a list of them (RFC 7519 section 4.1.3)."""
    assert judge(token(aud=audience))


def test_a_long_header_is_no_fault() -> None:
    """Some issuers put their certificates there; the limit is that of the whole token."""
    assert judge(token({"x5c": ["A" * 2000]}))


def test_unknown_headers_and_claims_are_ignored() -> None:
    """RFC 7515 section 4, RFC 7519 section 4."""
    assert judge(token({"tenant": "x"}, roles=["a"], nonce=None))


# Form


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "abc",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        "e30.e30.",
        "e30.e30.e30",
        "é.é.é",
        "\ud800.\ud800.\ud800",
        "e30=.e30=.x",
        "\x00.\x00.\x00",
        " . . ",
    ],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    """Any text may stand behind `Bearer`."""
    assert refused(text)


@pytest.mark.parametrize(
    "value",
    [None, [], "x", 7, True, [{"alg": "ES256"}], b"", b"{", b"\xff", b'{"a":NaN}', b"[" * 2000],
)
def test_header_and_claims_are_json_objects(value: Any) -> None:
    """Nothing else is looked into."""
    assert refused(signed(EC, value, CLAIMS))
    assert refused(signed(EC, {"alg": "ES256", "kid": "ec"}, value))


def test_lone_surrogates_are_refused() -> None:
    """Text that UTF-8 can't write could go nowhere."""
    claims = json.dumps(CLAIMS).replace("381921157", "\\ud800").encode()
    assert refused(signed(EC, {"alg": "ES256", "kid": "ec"}, claims))


def test_a_token_is_refused_by_size() -> None:
    """Before anything of it is decoded; just below the limit it is as good as any."""
    room = (MAX_TOKEN_LENGTH - len(token(filler=""))) * 3 // 4
    assert len(token(filler="x" * (room - 3))) > MAX_TOKEN_LENGTH - 16
    assert judge(token(filler="x" * (room - 3)))
    assert refused(token(filler="x" * (room + 6)))


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("suffix", ["=", "==", "\n", " ", "+", "/", "A", "!"])
def test_a_part_with_anything_added_is_refused(position: int, suffix: str) -> None:
    """One credential has one spelling."""
    parts = token().split(".")
    parts[position] += suffix
    assert refused(".".join(parts))


# Algorithm and signature


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "es256", "RS384", "HS256"])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_only_the_configured_algorithms_count(algorithm: str, signature: str) -> None:
    """`none` least of all."""
    header = part({"alg": algorithm, "kid": "ec"})
    assert refused(f"{header}.{part(CLAIMS)}.{signature}")


@pytest.mark.parametrize("algorithm", [None, ABSENT, 7, True, [], ["ES256"], {"ES256": 1}])
def test_an_algorithm_is_a_text(algorithm: Any) -> None:
    """Whatever else stands there, well signed or not."""
    assert refused(token({"alg": algorithm}))


@pytest.mark.parametrize("algorithms", [RULES.algorithms, ("RS256", "HS256"), ("HS256",)])
@pytest.mark.parametrize("form", ["pem", "jwk", "public"])
def test_a_public_key_is_no_secret(rsa: RSAKey, algorithms: tuple[str, ...], form: str) -> None:
    """HS256 under the published key is refused, and would be even if it were configured."""
    secret = {
        "pem": rsa.as_pem(private=False),
        "jwk": json.dumps(rsa.as_dict(private=False)).encode(),
        "public": str(rsa.as_dict(private=False)["n"]).encode(),
    }[form]
    text = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(CLAIMS)}"
    forged = f"{text}.{part(hmac.digest(secret, text.encode(), hashlib.sha256))}"
    assert refused(forged, rsa, rules=replace(RULES, algorithms=algorithms))


def test_an_algorithm_that_is_not_configured_is_refused(rsa: RSAKey) -> None:
    """However good the signature is."""
    text = signed(rsa, {"alg": "RS256", "kid": "rsa"}, CLAIMS, algorithm="RS256")
    assert judge(text, rsa)
    assert refused(text, rsa, rules=replace(RULES, algorithms=("PS256", "ES256")))


def test_a_key_signs_under_its_own_algorithm_alone(rsa: RSAKey) -> None:
    """A key that says PS256 verifies no RS256 (RFC 7517 section 4.4)."""
    text = signed(rsa, {"alg": "RS256", "kid": "rsa"}, CLAIMS, algorithm="RS256")
    assert judge(text, rsa, alg="RS256")
    assert refused(text, rsa, alg="PS256")


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("published", ["RSA", "EC", "OKP", "P-384", "X25519"])
def test_a_key_of_another_kind_is_refused(rsa: RSAKey, algorithm: str, published: str) -> None:
    """The key id of a token may name a key that has nothing to do with its algorithm."""
    key = {"ES256": EC, "EdDSA": ED}.get(algorithm, OTHER_RSA)
    text = signed(key, {"alg": algorithm, "kid": "one"}, CLAIMS, algorithm=algorithm)
    keys: dict[str, Key] = {
        "RSA": rsa,
        "EC": OTHER_EC,
        "OKP": OKPKey.generate_key("Ed25519"),
        "P-384": ECKey.generate_key("P-384"),
        "X25519": OKPKey.generate_key("X25519"),
    }
    assert refused(text, keys[published], OTHER_EC, kid="one")


@pytest.mark.parametrize("position", range(3))
def test_any_change_breaks_the_signature(position: int) -> None:
    """Header, claims and signature of two good tokens do not mix."""
    parts = token().split(".")
    parts[position] = token({"jku": "x"}, customer_id="1").split(".")[position]
    assert refused(".".join(parts))


def test_a_signature_by_a_stranger_is_refused() -> None:
    """The same key id does not make the same key."""
    text = signed(OTHER_EC, {"alg": "ES256", "kid": "ec"}, CLAIMS)
    assert refused(text)


def test_a_key_inside_the_token_is_not_believed() -> None:
    """A token that brings its own key proves nothing (RFC 7515 section 4.1.3)."""
    header = {"alg": "ES256", "kid": "ec", "jwk": OTHER_EC.as_dict(private=False)}
    header |= {"jku": "https://evil.example/jwks", "x5u": "https://evil.example/x"}
    assert refused(signed(OTHER_EC, header, CLAIMS))


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"], "exp": NOW},
        {"crit": ["b64"], "b64": True},
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"crit": None},
        {"b64": True},
        {"b64": False},
    ],
)
def test_extensions_are_refused(header: dict[str, Any]) -> None:
    """RFC 7515 section 4.1.11 and RFC 7797: we understand none."""
    assert refused(token(header))


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "JWE",
        "id+jwt",
        "logout+jwt",
        "at+jwt ",
        "application/jwt",
        "at",
        None,
        7,
        ["at+jwt"],
        {},
    ],
)
def test_a_token_of_another_type_is_refused(kind: Any) -> None:
    """An ID or logout token of the same issuer is no access token (RFC 8725 section 3.11)."""
    assert refused(token({"typ": kind}))


# Key ids


@pytest.mark.parametrize("kid", ["new", "", "EC", "ec ", "../ec"])
def test_an_unknown_key_id_may_be_newer_than_the_set(kid: str) -> None:
    """Told apart from a bad signature: the keys are worth fetching again."""
    with pytest.raises(UnknownKeyError):
        judge(token({"kid": kid}))


@pytest.mark.parametrize("kid", [7, True, ["ec"], {"ec": 1}])
def test_a_key_id_is_a_text(kid: Any) -> None:
    """RFC 7515 section 4.1.4."""
    assert refused(token({"kid": kid}))


@pytest.mark.parametrize(
    "claims",
    [{"iss": "https://evil.example/"}, {"aud": "other"}, {"exp": NOW - 31}, {"nbf": NOW + 31}],
)
def test_a_hopeless_token_costs_no_fetch_of_keys(claims: dict[str, Any]) -> None:
    """What is refused under any key says so, whatever its key id."""
    assert refused(token({"kid": "new"}, **claims))


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS384"])
def test_a_forbidden_algorithm_costs_no_fetch_of_keys(algorithm: str) -> None:
    """No key that the issuer may add would make it good."""
    assert refused(token({"kid": "new", "alg": algorithm}))


def test_without_a_key_id_any_key_may_have_signed(rsa: RSAKey) -> None:
    """One key, several keys, keys without ids of their own."""
    text = token({"kid": ABSENT})
    assert judge(text, EC)
    assert judge(text, rsa, ED, OTHER_EC, EC)
    assert judge(text, OTHER_EC, EC, kid=ABSENT)


def test_without_a_key_id_a_newer_key_may_fit(rsa: RSAKey) -> None:
    """No key of the set fits: that is not judged before the set was fetched anew."""
    with pytest.raises(UnknownKeyError):
        judge(token({"kid": ABSENT}), OTHER_EC, ED, rsa)


def test_with_a_key_id_only_its_key_may_have_signed() -> None:
    """The key that signed is published, but under another id."""
    assert refused(token({"kid": "ed"}), EC, ED)


def test_two_keys_may_share_an_id() -> None:
    """Ids need not be unique in a set (RFC 7517 section 4.5)."""
    assert judge(token(), OTHER_EC, EC)


# Claims


@pytest.mark.parametrize(
    "issuer",
    [ABSENT, None, "", "https://login.example", "https://LOGIN.example/", [RULES.issuer], 7, {}],
)
def test_the_issuer_is_ours_to_the_letter(issuer: Any) -> None:
    """OpenID Connect Discovery 1.0 section 4.3: compared character by character."""
    assert refused(token(iss=issuer))


@pytest.mark.parametrize(
    "audience",
    [
        ABSENT,
        None,
        "",
        "other",
        "Badges",
        "badges2",
        "badges other",
        [],
        ["other"],
        [["badges"]],
        {},
        7,
        {"badges": 1},
    ],
)
def test_another_audience_is_refused(audience: Any) -> None:
    """A token for another service of the same issuer is not for us."""
    assert refused(token(aud=audience))


@pytest.mark.parametrize("late", [-300, 0, 29, 29.999])
def test_a_token_is_good_until_after_the_leeway(late: float) -> None:
    """30 s for clocks that disagree; what is remembered of it ends at its own expiry."""
    assert judge(token(exp=NOW), now=NOW + late).expires_at == NOW


@pytest.mark.parametrize("late", [30, 30.001, 3600])
def test_a_token_expires_at_the_end_of_the_leeway(late: float) -> None:
    """On the very second it is over (RFC 7519 section 4.1.4: on or after)."""
    assert LEEWAY == 30
    with pytest.raises(InvalidCredentialError):
        judge(token(exp=NOW), now=NOW + late)


@pytest.mark.parametrize("early", [-300, 0, 29.999, 30])
def test_a_token_is_good_from_the_leeway_on(early: float) -> None:
    """30 s before its `nbf`, to the second."""
    assert judge(token(nbf=NOW), now=NOW - early)


@pytest.mark.parametrize("early", [30.001, 31, 250])
def test_a_token_is_not_good_before_the_leeway(early: float) -> None:
    """RFC 7519 section 4.1.5."""
    with pytest.raises(InvalidCredentialError):
        judge(token(nbf=NOW), now=NOW - early)


@pytest.mark.parametrize(
    "value",
    [None, True, False, "", str(NOW + 300), [], [NOW + 300], {}, -1, -(10**400), -1e308, 0, -0.5],
)
def test_an_expiry_is_a_number_to_come(value: Any) -> None:
    """Nothing that could be read as one is."""
    assert refused(token(exp=value))


def test_an_expiry_is_required() -> None:
    """A token without one would be good for ever."""
    assert refused(token(exp=ABSENT))


@pytest.mark.parametrize("value", [1e18, 1e308, 10**30, 10**400, NOW + 300.5])
def test_a_far_expiry_is_a_finite_number(value: float) -> None:
    """Huge is a number too, and arithmetic with it must not fail."""
    assert math.isfinite(judge(token(exp=value)).expires_at)


@pytest.mark.parametrize("value", [None, True, "0", [], {}, 1e308, 10**400])
def test_a_not_before_is_a_number_of_the_past(value: Any) -> None:
    """It may be absent, but not unreadable."""
    assert refused(token(nbf=value))


@pytest.mark.parametrize("value", [0, -(10**400), -1e308, NOW - 0.5])
def test_a_not_before_may_be_long_past(value: float) -> None:
    """However long."""
    assert judge(token(nbf=value))


# Key sets


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"\xff",
        b'"\xff"',
        b"[]",
        b"null",
        b"7",
        b"{}",
        b'{"keys": null}',
        b'{"keys": {}}',
        b'{"keys": "x"}',
        b'{"keys": [',
        b"[" * 100_000,
    ],
)
def test_what_is_no_key_set_is_a_value_error(content: bytes) -> None:
    """Not JSON, or JSON of another shape: the issuer is out of order."""
    with pytest.raises(ValueError, match="not"):
        read_key_set(content)


def test_a_key_set_may_be_empty() -> None:
    """What that means is for the service to say."""
    assert read_key_set(b'{"keys": [], "more": 1}').keys == ()


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        "key",
        [],
        {},
        {"kty": "RSA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "n": 7, "e": None},
        {"kty": "RSA", "n": "!", "e": "é"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": ""},
        {"kty": "future", "crv": "Q-1"},
        {"kty": ["EC"]},
        {"kty": "oct", "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"},
        {**EC.as_dict(private=False), "use": "enc"},
        {**EC.as_dict(private=False), "use": 7},
        {**EC.as_dict(private=False), "key_ops": ["sign"]},
        {**EC.as_dict(private=False), "kid": 7},
        {**EC.as_dict(private=False), "x": "AAAA"},
        OKPKey.generate_key("X25519").as_dict(private=False),
        OKPKey.generate_key("X448").as_dict(private=False),
    ],
)
def test_one_bad_key_spoils_no_other(bad: Any) -> None:
    """Key by key: what can't be used for verification is left out, before and after a good one."""
    raw = {"keys": [bad, EC.as_dict(private=False), bad]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joserfc frowns at weak keys; they must not get by
        key_set = read_key_set(json.dumps(raw).encode())
    assert [key.kid for key in key_set.keys] == ["ec"]
    assert verify(take_apart(token()), RULES, key_set, now=NOW)


@pytest.mark.parametrize(
    "value", [b"NaN", b"1e999", rb'"\ud800"', b'"\xff"', b"9" * 5000], ids=lambda value: value[:6]
)
def test_one_broken_value_spoils_no_key(value: bytes) -> None:
    """What strict JSON refuses may stand in a member that nobody needs."""
    good = json.dumps(EC.as_dict(private=False)).encode()
    key_set = read_key_set(b'\xef\xbb\xbf{"keys": [' + good + b'], "note": ' + value + b"}")
    assert [key.kid for key in key_set.keys] == ["ec"]


@pytest.mark.parametrize("bits", [1024, 2040])
def test_a_short_rsa_key_is_left_out(bits: int) -> None:
    """RFC 7518 section 3.3: 2048 bits or more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        short = RSAKey.generate_key(bits, {"kid": "short"})
        assert read_key_set(document(short)).keys == ()


def test_an_enormous_rsa_key_is_left_out() -> None:
    """Each verification under it would cost us, not its owner."""
    modulus = part(((1 << 16384) - 1).to_bytes(2048, "big"))
    assert read_key_set(document({"kty": "RSA", "n": modulus, "e": "AQAB"})).keys == ()


def test_a_symmetric_key_in_the_set_signs_nothing() -> None:
    """It was published: anybody could sign with it, were HS256 configured or not."""
    secret = OctKey.import_key(b"a secret that everybody can read", {"kid": "oct"})
    text = signed(secret, {"alg": "HS256", "kid": "oct"}, CLAIMS, algorithm="HS256")
    key_set = read_key_set(document(secret.as_dict(private=True), EC))
    assert [key.kid for key in key_set.keys] == ["ec"]
    with pytest.raises(UnknownKeyError):
        verify(take_apart(text), replace(RULES, algorithms=("HS256",)), key_set, now=NOW)


@settings(max_examples=80, deadline=None)
@given(JSON | st.fixed_dictionaries({"keys": st.lists(JSON, max_size=3)}))
def test_any_json_is_a_key_set_or_a_value_error(raw: Any) -> None:
    """An issuer out of its mind does no more than that."""
    try:
        assert read_key_set(json.dumps(raw).encode()).keys == ()
    except ValueError as error:
        assert str(error) in {"not JSON", "not a key set"}  # noqa: PT017


# Scope and identity


def customer(rules: IssuerRules = RULES, **claims: Any) -> Customer:
    """Find the customer of verified claims."""
    return customer_of(VerifiedClaims(claims, NOW + 300.0), rules)


def by(identifier: Identifier) -> IssuerRules:
    """Make rules under which a claim of this identifier names the customer."""
    return replace(RULES, identifier=identifier, claim=CLAIM_NAMES[identifier])


def nobody(rules: IssuerRules = RULES, **claims: Any) -> bool:
    """Whether verified claims name no customer."""
    with pytest.raises(NoCustomerIdentityError):
        customer(rules, **claims)
    return True


@pytest.mark.parametrize(
    ("identifier", "given_value", "sent"),
    [
        (Identifier.CUSTOMER_ID, "381921157", "381921157"),
        (Identifier.CUSTOMER_ID, 381921157, "381921157"),
        (Identifier.CUSTOMER_ID, 0, "0"),
        (Identifier.CUSTOMER_ID, 2**64, "18446744073709551616"),
        (Identifier.EMAIL, "Jane+a@Example.com", "Jane+a@Example.com"),
        (Identifier.MOBILE, "+919876543210", "919876543210"),
        (Identifier.MOBILE, "919876543210", "919876543210"),
        (Identifier.EXTERNAL_ID, "Zoë ;=&@:,'\"<>|", "Zoë ;=&@:,'\"<>|"),
        (Identifier.EXTERNAL_ID, "...", "..."),
        (Identifier.EXTERNAL_ID, ".x", ".x"),
        (Identifier.EXTERNAL_ID, "a..b", "a..b"),
        (Identifier.CARD_NUMBER, "0042", "0042"),
        (Identifier.CARD_NUMBER, "x" * 256, "x" * 256),
        (Identifier.CARD_NUMBER, "é" * 128, "é" * 128),
    ],
)
def test_a_claim_names_the_customer(identifier: Identifier, given_value: Any, sent: str) -> None:
    """The value as it is; of a mobile number the digits alone."""
    claims = {CLAIM_NAMES[identifier]: given_value, **VERIFIED}
    assert customer(by(identifier), **claims) == Customer(identifier, sent)


@pytest.mark.parametrize("identifier", Identifier)
@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "../x",
        "..\\x",
        "a/b",
        "/",
        "a\\b",
        "%2e%2e",
        "%2F",
        "100%",
        "x?y#z",
        "x?",
        "x#",
        "a\x00b",
        "a\nb",
        "a\r\nX-Evil: 1",
        "\t",
        "\x1f",
        "\x7f",
        "\x85",
        "\x9f",
        "x" * 257,
        "1" * 257,
        "é" * 129,
        None,
        True,
        1.5,
        [],
        ["42"],
        {},
    ],
)
def test_an_unsafe_value_names_nobody(identifier: Identifier, value: Any) -> None:
    """Our token opens every customer: what a CDN could decode into another path is not sent."""
    assert nobody(by(identifier), **{CLAIM_NAMES[identifier]: value, **VERIFIED})


@pytest.mark.parametrize("identifier", Identifier)
def test_an_absent_claim_names_nobody(identifier: Identifier) -> None:
    """Other claims do not stand in."""
    others = {name: "42" for each, name in CLAIM_NAMES.items() if each is not identifier}
    assert nobody(by(identifier), **others, **VERIFIED, sub="42")


@pytest.mark.parametrize(
    "identifier", [each for each in Identifier if each is not Identifier.CUSTOMER_ID]
)
def test_only_a_customer_id_may_be_a_number(identifier: Identifier) -> None:
    """A card number as a JSON number has lost its leading zeros."""
    assert nobody(by(identifier), **{CLAIM_NAMES[identifier]: 42, **VERIFIED})


def test_a_number_is_bounded_like_a_text() -> None:
    """A customer id of 300 digits is none."""
    assert nobody(customer_id=10**300)


@pytest.mark.parametrize(
    ("identifier", "flag"),
    [(Identifier.EMAIL, "email_verified"), (Identifier.MOBILE, "phone_number_verified")],
)
@pytest.mark.parametrize("value", [ABSENT, False, None, 1, "true", "True", [], [True], {}])
def test_what_was_not_verified_names_nobody(identifier: Identifier, flag: str, value: Any) -> None:
    """Exactly `true`: anybody can register with another's address."""
    claims = without_absent({CLAIM_NAMES[identifier]: "919876543210", flag: value})
    assert nobody(by(identifier), **claims)


@pytest.mark.parametrize(
    ("identifier", "other"),
    [(Identifier.EMAIL, "phone_number_verified"), (Identifier.MOBILE, "email_verified")],
)
def test_each_identifier_has_its_own_verification(identifier: Identifier, other: str) -> None:
    """A verified e-mail says nothing of a phone number."""
    assert nobody(by(identifier), **{CLAIM_NAMES[identifier]: "919876543210", other: True})


@pytest.mark.parametrize(
    "number",
    ["+", "++91987", "91 987", "91-987", "(91)987", "91987x", "٩١٩", "²", "91+987", "tel:91"],
)
def test_a_mobile_number_is_digits_alone(number: str) -> None:
    """After one leading plus; nothing is guessed away."""
    assert nobody(by(Identifier.MOBILE), phone_number=number, phone_number_verified=True)


def test_another_claim_may_be_configured() -> None:
    """Whatever the issuer calls it, and however that is written."""
    rules = replace(RULES, claim="https://brand.example/customer")
    assert (
        customer(rules, **{"https://brand.example/customer": "42", "customer_id": "43"}).value
        == "42"
    )


@pytest.mark.parametrize(
    ("required", "claims"),
    [
        ("", {}),
        ("badges:read", {"scope": "badges:read"}),
        ("badges:read", {"scope": "openid badges:read email"}),
        ("badges:read", {"scope": ["openid", "badges:read"]}),
        ("badges:read", {"scp": "badges:read"}),
        ("badges:read", {"scp": ["badges:read"]}),
        ("a b", {"scope": "b a"}),
        ("a b", {"scope": "a", "scp": ["b"]}),
    ],
)
def test_a_scope_that_was_granted(required: str, claims: dict[str, Any]) -> None:
    """RFC 8693 section 4.2, and `scp`, which some issuers use instead."""
    assert customer(replace(RULES, scope=required), customer_id="42", **claims).value == "42"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"scope": ""},
        {"scope": "a"},
        {"scope": "ab"},
        {"scope": "A B"},
        {"scope": "a,b"},
        {"scope": None, "scp": 7},
        {"scope": [["a", "b"]]},
        {"scope": {"a": 1, "b": 1}},
    ],
)
def test_a_scope_that_was_not_granted(claims: dict[str, Any]) -> None:
    """All of them, to the letter; the error names what is asked for."""
    with pytest.raises(InsufficientScopeError) as raised:
        customer(replace(RULES, scope="a b"), customer_id="42", **claims)
    assert raised.value.scope == "a b"


def test_scope_is_judged_before_identity() -> None:
    """Who may not ask learns nothing of what the token says about a customer."""
    with pytest.raises(InsufficientScopeError):
        customer(replace(RULES, scope="a"), customer_id="..")


# Anything


@settings(max_examples=150, deadline=None)
@given(
    st.text(st.characters(codec=None, categories=None), max_size=40)
    | st.lists(st.binary(max_size=20).map(part) | JSON.map(part), min_size=2, max_size=4).map(
        ".".join
    )
)
def test_any_text_is_a_token_or_refused(text: str) -> None:
    """Taking apart raises nothing but `InvalidCredentialError`."""
    try:
        unverified = take_apart(text)
    except InvalidCredentialError:
        return
    assert isinstance(unverified.algorithm, str)


@settings(max_examples=100, deadline=None)
@given(
    header=st.fixed_dictionaries(
        {"alg": st.just("ES256")},
        optional={"kid": st.sampled_from(["ec", "new", ""]), "jwk": JSON, "x5t": JSON, "cty": JSON},
    ),
    claims=st.fixed_dictionaries(
        {"iss": st.just(RULES.issuer), "aud": JSON | st.just("badges")},
        optional={"exp": JSON, "nbf": JSON, "customer_id": JSON, "scope": JSON, "scp": JSON},
    ),
)
def test_any_signed_token_is_judged(header: dict[str, Any], claims: dict[str, Any]) -> None:
    """Even an issuer that signs nonsense gets one of the answers that callers know."""
    try:
        found = customer_of(judge(signed(EC, header, claims), EC), RULES)
    except (InvalidCredentialError, UnknownKeyError, NoCustomerIdentityError):
        return
    assert not set(found.value) & set("/\\?#%")


@settings(max_examples=100, deadline=None)
@given(value=JSON | st.text("./\\%?#\x00a1", max_size=4), identifier=st.sampled_from(Identifier))
def test_any_claim_names_a_safe_value_or_nobody(value: Any, identifier: Identifier) -> None:
    """What comes out is one path segment, whoever decodes it how often."""
    try:
        found = customer(by(identifier), **{CLAIM_NAMES[identifier]: value, **VERIFIED})
    except NoCustomerIdentityError:
        return
    assert found.value not in {"", ".", ".."}
    assert not set(found.value) & set("/\\?#%\x00")
    assert len(found.value.encode()) <= 256
