"""The gateway's badges call: what goes out, and what every kind of answer means."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.badges import Page
from app.domain.failures import Failure, GatewayError
from app.domain.identity import Customer, Identifier
from app.domain.query import BadgesQuery, View
from app.protocol.gateway import (
    BadgesEndpoint,
    GatewayAnswer,
    RawAnswer,
    basic_password,
    interpret,
    retry_after,
)

NOW = 1_795_000_000.0
QUERY = BadgesQuery()
ENDPOINT = BadgesEndpoint(
    base_url="https://eu.api.example", attribution={"X-CAP-API-ATTRIBUTION-ENTITY-TYPE": "TILL"}
)
IMAGES = (
    "https://storage.crm.eu.content-cdn.io/fs.capillary.eu/incentives_assets/badges/images/100606/"
)
HTML = b"<!DOCTYPE html><title>Attention required</title>"
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "x-cap-requestid", "x-cap-request-id", "content-type"]),
    st.text(max_size=20) | st.sampled_from(["120", "Sun, 06 Nov 1994 08:49:37 GMT", "9" * 400]),
)


def raw(body: Any, *, status: int = 200, **headers: str) -> RawAnswer:
    """Make an answer over HTTP, its body given as bytes or as what JSON says."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RawAnswer(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=content,
    )


def page_of(*badges: Any, pagination: Any = None, **rest: Any) -> dict[str, Any]:
    """Make a good body."""
    return {"data": {"customerBadges": list(badges), "pagination": pagination}, **rest}


def coded(*codes: Any) -> dict[str, Any]:
    """Make a body of errors with these codes."""
    return {"data": None, "errors": [{"code": code, "message": "canary"} for code in codes]}


def error_of(answer: RawAnswer) -> GatewayError:
    """Interpret what is no good answer."""
    with pytest.raises(GatewayError) as raised:
        interpret(answer, QUERY, now=NOW)
    return raised.value


def good(body: Any, query: BadgesQuery = QUERY) -> GatewayAnswer:
    """Interpret what is a good answer."""
    return interpret(raw(body), query, now=NOW)


# What is sent


def test_a_customer_id_goes_into_the_path_alone() -> None:
    """Exactly this request: the customer in the path, the query spelt out, no identifier header."""
    request = ENDPOINT.request(Customer(Identifier.CUSTOMER_ID, "381921157"), QUERY)
    assert request.url == (
        "https://eu.api.example/api_gateway/v1/badges/management/381921157"
        "?page=0&size=10&sortOn=EXPIRES_ON&order=DESC&badgeType=AVAILABLE_TO_ISSUE"
    )
    assert request.headers == {
        "Accept": "application/json",
        "X-CAP-API-ATTRIBUTION-ENTITY-TYPE": "TILL",
    }


@pytest.mark.parametrize(
    "identifier", [each for each in Identifier if each is not Identifier.CUSTOMER_ID]
)
def test_any_other_identifier_is_named_in_a_header(identifier: Identifier) -> None:
    """The gateway takes the path for a customer id unless it is told otherwise."""
    headers = ENDPOINT.request(Customer(identifier, "42"), QUERY).headers
    assert headers["X-CAP-CUSTOMER-IDENTIFIER"] == identifier.value


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("jane+a@example.com", "jane%2Ba%40example.com"),
        ("a b", "a%20b"),
        ("Zoë", "Zo%C3%AB"),
        ("a;b=c&d", "a%3Bb%3Dc%26d"),
        ("a-._~b", "a-._~b"),
        ("a/../b?c#d%2e", "a%2F..%2Fb%3Fc%23d%252e"),
    ],
)
def test_a_value_travels_as_one_encoded_segment(value: str, segment: str) -> None:
    """Whatever it holds, it is one segment: nothing of it becomes path or query."""
    url = ENDPOINT.request(Customer(Identifier.EXTERNAL_ID, value), QUERY).url
    path = url.removeprefix("https://eu.api.example/api_gateway/v1/badges/management/")
    assert path.split("?")[0] == segment


# Good answers


def test_the_documented_badge_in_full(sample: Callable[[str], bytes]) -> None:
    """The contract's own example: every field of the 'Birthday Badge', exactly."""
    answer = interpret(raw(sample("birthday")), BadgesQuery(ownership=True), now=NOW)
    assert msgspec.to_builtins(answer.page.badges[0]) == {
        "id": "653dea07b3cda7078c7c68ee",
        "name": "Birthday Badge",
        "description": ("Make a purchase during your birthday month and get a 40% discount coupon"),
        "kind": "issue_earn",
        "status": "live",
        "active": True,
        "earned": False,
        "earnCount": 0,
        "lastEarnedAt": None,
        "lastEarnedEventAt": None,
        "issueStatus": None,
        "startsAt": "2023-10-29T05:30:00.000Z",
        "expiresAt": "2027-12-14T03:15:10.000Z",
        "createdAt": "2023-10-29T05:17:54.481Z",
        "updatedAt": "2024-05-23T09:02:26.522Z",
        "rank": 2,
        "group": {"id": "65c3600c60d9261bdd8a6410", "name": "2024 Badges"},
        "images": {
            "earned": {
                "url": f"{IMAGES}653dea07b3cda7078c7c68ee_EARNED_P-Hmb96D.png",
                "name": None,
            },
            "unearned": {
                "url": f"{IMAGES}653dea07b3cda7078c7c68ee_UN_EARNED_vDx_DRdk.png",
                "name": None,
            },
            "inProgress": None,
        },
        "owners": ["loyalty"],
        "claims": [
            {"owner": "loyalty", "reference": "123", "active": True},
            {"owner": "loyalty", "reference": "626", "active": True},
            {"owner": "loyalty", "reference": "626_TransactionAdd", "active": True},
        ],
    }
    assert [badge.name for badge in answer.page.badges] == ["Birthday Badge", "Fuel Master"]
    assert answer.page.page == Page(number=1, size=10, total_items=2, total_pages=1)


def test_a_documented_answer_with_junk_urls(sample: Callable[[str], bytes]) -> None:
    """Four badges, all earned, none with a picture that a page could load."""
    answer = good(sample("junk_urls"))
    assert [badge.earn_count for badge in answer.page.badges] == [2, 1, 1, 1]
    assert all(badge.earned for badge in answer.page.badges)
    assert answer.page.badges[0].last_earned_at == "2024-06-11T05:31:12.611Z"
    assert not any(any(badge.images.values()) for badge in answer.page.badges)


def test_a_documented_rank_without_group_or_images(sample: Callable[[str], bytes]) -> None:
    """Whole seconds, no pictures, a rank on its own."""
    [badge] = good(sample("no_images")).page.badges
    assert (badge.status, badge.rank, badge.group) == ("upcoming", 1, None)
    assert badge.starts_at == "2027-08-21T14:13:26.000Z"
    assert badge.images == {"earned": None, "unearned": None, "inProgress": None}


def test_a_documented_first_page_of_two(sample: Callable[[str], bytes]) -> None:
    """The number of pages follows from the total and the size that was asked for."""
    answer = good(sample("first_of_two_pages"))
    assert answer.page.page == Page(number=1, size=10, total_items=11, total_pages=2)
    images = answer.page.badges[0].images
    assert [name for name, image in images.items() if image] == ["unearned", "inProgress"]


@pytest.mark.parametrize(
    ("pagination", "size", "expected"),
    [
        ({"page": 0, "size": 4, "total": 4, "totalPages": 1}, 10, (4, 1)),
        ({"total": 0}, 10, (0, 0)),
        ({"total": 10}, 10, (10, 1)),
        ({"total": 11, "totalPages": 99}, 10, (11, 2)),
        ({"total": 100}, 1, (100, 100)),
        ({"total": -1}, 10, (None, None)),
        ({"totalPages": 3}, 10, (None, None)),
        (None, 10, (None, None)),
    ],
)
def test_the_page_is_what_was_asked_for(
    pagination: Any, size: int, expected: tuple[int | None, int | None]
) -> None:
    """Number and size are the query's; pages are counted by them, or null without a total."""
    page = good(page_of(pagination=pagination), BadgesQuery(page=2, size=size)).page.page
    assert (page.number, page.size) == (2, size)
    assert (page.total_items, page.total_pages) == expected


def test_an_empty_list_is_a_good_answer() -> None:
    """Past the end, or a customer without badges."""
    assert good(page_of(errors=None, warnings=None)).page.badges == []


def test_one_bad_badge_never_fails_the_page() -> None:
    """What has no id is left out and counted, the others stand in their order."""
    answer = good(page_of({"badgeMetaId": "a"}, None, {"name": "x"}, {"badgeMetaId": "b"}))
    assert [badge.id for badge in answer.page.badges] == ["a", "b"]
    assert answer.left_out == 2


@pytest.mark.parametrize(
    "broken",
    [
        b'{"badgeMetaId": "x", "startsOn": NaN}',
        b'{"badgeMetaId": "x", "startsOn": -Infinity}',
        b'{"badgeMetaId": "x", "startsOn": 1e999}',
        b'{"badgeMetaId": "x", "description": "\\ud800"}',
        b'{"badgeMetaId": "x", "description": "\xff"}',
        b'{"badgeMetaId": "x", "description": "cut short \xe2\x82"}',
    ],
)
def test_json_that_is_almost_json_is_read(broken: bytes) -> None:
    """A number or text that strict parsers refuse spoils its field, not the whole page."""
    body = b'{"data": {"customerBadges": [' + broken + b', {"badgeMetaId": "y"}]}}'
    answer = good(body)
    assert [badge.id for badge in answer.page.badges] == ["x", "y"]
    assert answer.page.badges[0].starts_at is None
    msgspec.json.encode(answer.page)


def test_a_byte_order_mark_is_no_fault() -> None:
    """Some servers put one before their UTF-8."""
    assert good(b"\xef\xbb\xbf" + json.dumps(page_of({"badgeMetaId": "a"})).encode()).page.badges


@pytest.mark.parametrize(
    ("warnings", "count"), [([], 0), (None, 0), ([{"code": 1}, "x"], 2), ("many", 0)]
)
def test_warnings_are_counted(warnings: Any, count: int) -> None:
    """They are for our log, never for a caller."""
    assert good(page_of(warnings=warnings)).warnings == count


def test_ownership_is_there_if_asked_for() -> None:
    """The gateway sends it always; the query decides."""
    body = page_of({"badgeMetaId": "a", "ownership": {"restrictedToOwners": ["Loyalty"]}})
    assert "owners" not in msgspec.to_builtins(good(body).page.badges[0])
    asked = good(body, BadgesQuery(view=View.EARNED, ownership=True))
    assert asked.page.badges[0].owners == ["loyalty"]


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({"x_cap_requestid": "abc-1"}, "abc-1"),
        ({"x_cap_request_id": "abc_2"}, "abc_2"),
        ({"x_cap_requestid": "first", "x_cap_request_id": "second"}, "first"),
        ({"x_cap_requestid": "a" * 128}, "a" * 128),
        ({"x_cap_requestid": "a" * 129}, None),
        ({"x_cap_requestid": "a b"}, None),
        ({"x_cap_requestid": "a\n"}, None),
        ({"x_cap_requestid": "\udcff"}, None),
        ({}, None),
    ],
)
def test_the_gateways_request_id_is_kept_if_it_is_fit_for_a_log(
    headers: dict[str, str], request_id: str | None
) -> None:
    """Under either name, with good answers and with failures."""
    assert interpret(raw(page_of(), **headers), QUERY, now=NOW).request_id == request_id
    assert error_of(raw(HTML, status=500, **headers)).request_id == request_id


# Failures


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (502, Failure.UNREACHABLE),
        (503, Failure.UNREACHABLE),
        (504, Failure.UNREACHABLE),
        (520, Failure.UNREACHABLE),
        (521, Failure.UNREACHABLE),
        (429, Failure.LIMITED),
        (401, Failure.TOKEN_REJECTED),
        (498, Failure.TOKEN_REJECTED),
        (403, Failure.FORBIDDEN),
        (400, Failure.UNEXPECTED),
        (404, Failure.UNEXPECTED),
        (409, Failure.UNEXPECTED),
        (301, Failure.UNEXPECTED),
        (302, Failure.UNEXPECTED),
        (304, Failure.UNEXPECTED),
        (201, Failure.UNEXPECTED),
        (204, Failure.UNEXPECTED),
        (500, Failure.SERVER_ERROR),
        (501, Failure.SERVER_ERROR),
        (505, Failure.SERVER_ERROR),
        (522, Failure.SERVER_ERROR),
        (599, Failure.SERVER_ERROR),
    ],
)
@pytest.mark.parametrize("body", [HTML, b'{"data": {"customerBadges": []}}'])
def test_each_status_is_its_failure(status: int, failure: Failure, body: bytes) -> None:
    """Whatever the body says that is not a code: HTML, even a list of badges."""
    assert error_of(raw(body, status=status)).failure is failure


def test_503_with_retry_after_is_a_limit() -> None:
    """A gateway that names a pause is not away: it wants less of us."""
    error = error_of(raw(HTML, status=503, retry_after="12"))
    assert (error.failure, error.retry_after) == (Failure.LIMITED, 12.0)


@pytest.mark.parametrize(
    ("codes", "failure"),
    [
        ([1026], Failure.CUSTOMER_UNKNOWN),
        ([8015], Failure.CUSTOMER_UNKNOWN),
        (["1026"], Failure.CUSTOMER_UNKNOWN),
        ([7, 1026], Failure.CUSTOMER_UNKNOWN),
        ([401], Failure.TOKEN_REJECTED),
        ([498], Failure.TOKEN_REJECTED),
        (["498"], Failure.TOKEN_REJECTED),
        ([4000], Failure.FORBIDDEN),
        ([4001], Failure.LIMITED),
    ],
)
@pytest.mark.parametrize("status", [200, 401, 503])
def test_a_documented_code_says_more_than_the_status(
    codes: list[Any], failure: Failure, status: int
) -> None:
    """Nowhere is it said whether a code comes as status or in the body: both are understood."""
    assert error_of(raw(coded(*codes), status=status)).failure is failure


@pytest.mark.parametrize(
    "body",
    [
        {"success": "true", "code": 498, "message": "token expired"},
        {"success": "true", "status": {"code": "498"}},
        {"success": "true", "errors": {"code": 498}},
    ],
)
def test_a_code_is_found_wherever_a_body_may_hold_it(body: Any) -> None:
    """A 200 that says `"success": "true"` and means the opposite: the form is nowhere stated."""
    assert error_of(raw(body)).failure is Failure.TOKEN_REJECTED


@pytest.mark.parametrize(
    "body",
    [
        coded(1028),
        coded(7),
        coded(True),
        coded("١٠٢٦"),
        coded("9" * 5000),
        coded(None),
        {"errors": ["x"], "data": None},
        {"errors": "broken"},
        {**page_of(), "errors": [{"code": 7}]},
    ],
)
def test_any_other_error_of_a_200_is_unexpected(body: Any) -> None:
    """A 200 that carries errors is a failure, never a success to be cached."""
    assert error_of(raw(body)).failure is Failure.UNEXPECTED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        b'{"data": {"customerBadges": [',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_not_json_is_unreadable(body: bytes) -> None:
    """HTML of a CDN, a truncated or absurd body, with status 200."""
    assert error_of(raw(body)).failure is Failure.UNREADABLE


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "badges",
        7,
        {},
        {"data": None},
        {"data": []},
        {"data": {}},
        {"data": {"customerBadges": None}},
        {"data": {"customerBadges": {}}},
        {"customerBadges": []},
        {"data": None, "errors": [], "warnings": []},
        {"data": None, "errors": None},
    ],
)
def test_a_missing_list_is_not_an_empty_one(body: Any) -> None:
    """JSON of another shape is a bad answer: an empty page would be a lie."""
    assert error_of(raw(body)).failure is Failure.WRONG_SHAPE


def test_no_text_of_the_gateway_is_in_an_error() -> None:
    """It may hold anything, and errors end up in logs and problems."""
    error = error_of(raw(coded(7), status=400))
    assert "canary" not in f"{error} {error!r} {error.__dict__}"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("Mon, 23 Nov 2026 07:00:00 GMT", 417_200.0),
        ("Monday, 23-Nov-26 07:00:00 GMT", 417_200.0),
        ("Mon Nov 23 07:00:00 2026", 417_200.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("Mon, 23 Nov 99999 07:00:00 GMT", None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(value: str | None, seconds: float | None) -> None:
    """RFC 9110 sections 10.2.3 and 5.6.7, all three forms of a date; else as if absent."""
    assert retry_after(value, now=NOW) == seconds


@pytest.fixture
def _in_kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Live in a time zone that is not UTC."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_kolkata")
def test_a_date_without_a_zone_is_in_utc() -> None:
    """Wherever the process runs (RFC 9110 section 5.6.7)."""
    assert retry_after("Mon Nov 23 07:00:00 2026", now=NOW) == 417_200.0


def test_an_absurd_pause_is_still_a_number() -> None:
    """Whoever uses it clamps it; here it must only be finite."""
    pause = retry_after("9" * 5000, now=NOW)
    assert pause is not None
    assert 1e6 < pause < 1e10


@settings(max_examples=80, deadline=None)
@given(
    body=st.binary(max_size=60) | st.sampled_from([HTML, b'{"data": {"customerBadges": []}}']),
    status=st.sampled_from([200, 304, 401, 503]) | st.integers(100, 999),
    headers=HEADERS,
)
def test_any_answer_is_good_or_a_gateway_error(
    body: bytes, status: int, headers: dict[str, str]
) -> None:
    """Arbitrary bytes, statuses and headers raise nothing but `GatewayError`."""
    try:
        interpret(RawAnswer(status=status, headers=headers, body=body), QUERY, now=NOW)
    except GatewayError as error:
        assert error.failure in Failure  # noqa: PT017 - either outcome is right
    else:
        assert status == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "errors",
                    "warnings",
                    "customerBadges",
                    "pagination",
                    "total",
                    "code",
                    "status",
                ]
            ),
            inner,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=80, deadline=None)
@given(data=JSON, errors=JSON, warnings=JSON, badges=st.lists(JSON, max_size=2) | JSON)
def test_any_json_is_a_page_or_a_gateway_error(
    data: Any, errors: Any, warnings: Any, badges: Any
) -> None:
    """Arbitrary JSON in the right places gives a page that can be encoded, or `GatewayError`."""
    for content in (data, {"customerBadges": badges, "pagination": data}):
        body = {"data": content, "errors": errors, "warnings": warnings}
        try:
            answer = interpret(raw(body), QUERY, now=NOW)
        except GatewayError:
            continue
        assert msgspec.json.encode(answer.page)


def test_the_gateways_password_is_a_digest() -> None:
    """Basic authentication takes `till:md5(password)`: lower-case hex of the UTF-8 text."""
    assert basic_password("password1234") == "bdc87b9c894da5168059e00ebffb9077"
    assert basic_password("pässword") == hashlib.md5("pässword".encode()).hexdigest()  # noqa: S324
