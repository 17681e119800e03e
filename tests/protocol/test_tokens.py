"""The gateway's tokens: both forms of the call, and how long a token is good."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.failures import Failure, GatewayError
from app.protocol.tokens import (
    DEFAULT_LIFE,
    GatewayToken,
    capillary_request,
    gateway_token,
    standard_answer,
)

NOW = 1_795_000_000.0
DAYS_30 = 30 * 86400


def answer(body: Any, *, status: int = 200, **headers: str) -> dict[str, Any]:
    """Read an answer, its body given as bytes or as what JSON says."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return standard_answer(status, names, content, now=NOW)


def failure_of(body: Any, *, status: int = 200, **headers: str) -> Failure:
    """Read an answer that holds no token."""
    with pytest.raises(GatewayError) as raised:
        answer(body, status=status, **headers)
    return raised.value.failure


def capillary(**data: Any) -> dict[str, Any]:
    """Make a good answer of Capillary's form."""
    return {"data": {"accessToken": "abc", **data}, "errors": None}


def jwt(payload: bytes) -> str:
    """Make a token that is a JWT in form, with this payload."""
    return f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.sig"


def test_capillarys_request_is_json() -> None:
    """`{"key", "secret"}`, whatever characters the secret holds."""
    assert json.loads(capillary_request("key", 'a"b\\ü')) == {"key": "key", "secret": 'a"b\\ü'}


@pytest.mark.parametrize(
    ("body", "life"),
    [
        (capillary(ttlSeconds=300), 300),
        (capillary(ttlSeconds="300"), 300),
        (capillary(ttlSeconds=299.9), 299),
        (capillary(ttlSeconds=10**30), DAYS_30),
        (capillary(ttlSeconds="9" * 5000), DAYS_30),
        ({"access_token": "abc", "token_type": "Bearer", "expires_in": 3600}, 3600),
        ({"access_token": "abc", "expires_in": "3600", "scope": "x"}, 3600),
        ({"access_token": "abc", "data": None, "expires_in": 60}, 60),
    ],
)
def test_both_forms_become_the_standard_one(body: Any, life: int) -> None:
    """RFC 6749 section 5.1, the lifetime a whole number of seconds, 30 days at most."""
    assert answer(body) == {"access_token": "abc", "token_type": "Bearer", "expires_in": life}


@pytest.mark.parametrize(
    "life", [None, 0, 0.5, -1, True, "", "soon", "-5", "1.5", "²", [], {}, float("nan"), 1e999]
)
def test_an_unreadable_lifetime_is_dropped(life: Any) -> None:
    """Nothing is made up here: who makes the token decides what a lack of it means."""
    assert answer(capillary(ttlSeconds=life)) == {"access_token": "abc", "token_type": "Bearer"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": None, "errors": [{"code": 320001, "message": "canary"}]}, 200),
        ({"data": None, "errors": [{"code": "320001"}]}, 400),
        ({"data": {}, "errors": [{"code": 320001}]}, 200),
        ({"data": {"accessToken": None}, "errors": [{"code": 320001}]}, 500),
        ({"error": "invalid_client"}, 400),
        ({"error": "invalid_client"}, 401),
        ({"error": "unauthorized_client"}, 400),
        ({"error": "invalid_grant"}, 400),
        ({"error": "access_denied"}, 403),
        (b"", 401),
        (b"<html>", 401),
        (b"", 403),
        (b"", 498),
        ({"data": None, "errors": [{"code": 401}]}, 200),
        ({"data": None, "errors": [{"code": 4000}]}, 200),
    ],
)
def test_wrong_credentials_are_refused_credentials(body: Any, status: int) -> None:
    """In whichever form the endpoint says so: an alarm, and no second try with the same ones."""
    assert failure_of(body, status=status) is Failure.CREDENTIALS_REFUSED


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (429, Failure.LIMITED),
        (500, Failure.SERVER_ERROR),
        (502, Failure.UNREACHABLE),
        (503, Failure.UNREACHABLE),
        (404, Failure.UNEXPECTED),
        (302, Failure.UNEXPECTED),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", capillary(ttlSeconds=300)])
def test_other_statuses_are_the_failures_they_are_elsewhere(
    status: int, failure: Failure, body: Any
) -> None:
    """Only a 200 holds a token, whatever its body says."""
    assert failure_of(body, status=status) is failure


def test_503_with_retry_after_is_a_limit() -> None:
    """As for badges calls."""
    assert failure_of(b"", status=503, retry_after="5") is Failure.LIMITED


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b"", Failure.UNREADABLE),
        (b"<html>", Failure.UNREADABLE),
        (b'{"data": {"accessToken": "ab', Failure.UNREADABLE),
        ({"data": None, "errors": [{"code": 4001}]}, Failure.LIMITED),
        ({"data": None, "errors": [{"code": 1026}]}, Failure.UNEXPECTED),
        ([], Failure.WRONG_SHAPE),
        (None, Failure.WRONG_SHAPE),
        ({}, Failure.WRONG_SHAPE),
        ({"data": {}}, Failure.WRONG_SHAPE),
        ({"error": ["invalid_client"]}, Failure.WRONG_SHAPE),
        ({"error": {}}, Failure.WRONG_SHAPE),
    ],
)
def test_a_200_without_a_token_is_a_failure(body: Any, failure: Failure) -> None:
    """HTML, truncated, busy, or JSON of another shape; never that a customer is unknown."""
    assert failure_of(body) is failure


@pytest.mark.parametrize("token", [None, "", 7, True, [], "a b", "a\r\nX-Evil: 1", "tökén", "\x7f"])
def test_a_token_is_fit_for_a_header(token: Any) -> None:
    """What could break or split a header is no token."""
    assert failure_of({"access_token": token}) is Failure.WRONG_SHAPE
    assert failure_of(capillary(accessToken=token)) is Failure.WRONG_SHAPE


@pytest.mark.parametrize(
    ("given_answer", "life"),
    [
        ({"access_token": "abc", "expires_in": 300}, 300.0),
        ({"access_token": "abc", "expires_in": 10**9}, DAYS_30),
        ({"access_token": jwt(b'{"exp": 1795000600}'), "expires_in": 300}, 300.0),
        ({"access_token": jwt(b'{"exp": 1795000600}')}, 600.0),
        ({"access_token": jwt(b'{"exp": 1795000600.5}')}, 600.5),
        ({"access_token": jwt(b'{"exp": 9e15}')}, DAYS_30),
    ],
)
def test_a_token_lives_as_long_as_it_is_said_to(given_answer: dict[str, Any], life: float) -> None:
    """By the answer, else by the token itself, 30 days at most."""
    token = gateway_token(given_answer, now=NOW)
    assert token.expires_at == NOW + life


@pytest.mark.parametrize(
    "value",
    [
        "opaque",
        "a.b.c",
        "a.é.c",
        jwt(b"{}"),
        jwt(b"[]"),
        jwt(b"not json"),
        jwt(b'{"exp": null}'),
        jwt(b'{"exp": []}'),
        jwt(b'{"exp": "soon"}'),
        jwt(b'{"exp": 1795000000}'),
        jwt(b'{"exp": 1}'),
        jwt(b'{"exp": 1e999}'),
        jwt(b'{"exp": NaN}'),
        jwt(b'{"exp": 1' + b"0" * 400 + b"}"),
    ],
)
def test_without_a_lifetime_a_token_gets_a_short_one(value: str) -> None:
    """Opaque, no readable `exp`, or one that is over: whoever sent it must think it good."""
    assert gateway_token({"access_token": value}, now=NOW).expires_at == NOW + DEFAULT_LIFE


def test_a_token_is_printed_without_its_value() -> None:
    """It opens every customer."""
    assert "canary" not in repr(GatewayToken(value="canary", expires_at=NOW))


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=40), status=st.integers(100, 999))
def test_any_answer_is_a_token_or_a_gateway_error(body: bytes, status: int) -> None:
    """Arbitrary bytes raise nothing but `GatewayError`."""
    with pytest.raises(GatewayError):
        standard_answer(status, {}, body, now=NOW)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20) | st.binary(max_size=20).map(jwt))
def test_any_token_gets_a_life(value: str) -> None:
    """Whatever the token looks like, it expires, and not before it was fetched."""
    token = gateway_token({"access_token": value}, now=NOW)
    assert NOW < token.expires_at <= NOW + DAYS_30


def test_a_pause_that_is_asked_for_comes_along() -> None:
    """Who limits token calls may say for how long, as for any other call."""
    with pytest.raises(GatewayError) as raised:
        answer({}, status=429, **{"retry-after": "7"})
    assert (raised.value.failure, raised.value.retry_after) == (Failure.LIMITED, 7)
