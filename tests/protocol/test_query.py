"""The query: what is accepted, what every fault is called, and what the gateway is asked."""

from urllib.parse import parse_qsl, quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.query import (
    BadgesQuery,
    Bound,
    FaultCode,
    InvalidQueryError,
    Owner,
    Side,
    SortField,
    Status,
    View,
)
from app.protocol.query import PARAMETERS, canonical_query, gateway_parameters, parse_query

SEVEN = 1_795_417_200_000
NAMES = st.one_of(st.sampled_from(PARAMETERS), st.text(max_size=4))
VALUES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "earned",
            "EARNED",
            "live",
            "true",
            "loyalty",
            "-updatedAt",
            "expiresAt",
            "1",
            "0",
            "100",
            "2000",
            "007",
            "ownership",
        ]
    ),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
)
SPELT = st.one_of(VALUES, VALUES.map(lambda text: quote(text, errors="replace")))
QUERY_STRINGS = st.lists(st.tuples(NAMES, SPELT), max_size=6).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)
HOSTILE = st.one_of(
    st.text(alphabet=st.characters(codec=None, categories=None), max_size=60),
    st.text(alphabet="%&=+;ndDeEfF08aA\ud800\x00é", max_size=30),
    QUERY_STRINGS,
)
BOUNDS = st.none() | st.builds(
    Bound, st.sampled_from(Side), st.integers(-62_135_596_800_000, 253_402_300_799_999)
)
GOOD_NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=100
).filter(lambda name: name == name.strip())
QUERIES = st.builds(
    BadgesQuery,
    view=st.sampled_from(View),
    status=st.none() | st.sampled_from(Status),
    active=st.none() | st.booleans(),
    name=st.none() | GOOD_NAMES,
    group=st.none() | st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    owner=st.none() | st.sampled_from(Owner),
    claimed_by=st.none() | st.sampled_from(Owner),
    starts=BOUNDS,
    expires=BOUNDS,
    sort=st.sampled_from(SortField),
    descending=st.booleans(),
    page=st.integers(1, 1000),
    size=st.integers(1, 100),
    ownership=st.booleans(),
)


def faults_of(query_string: str) -> list[tuple[str, str]]:
    """Parse what can't be parsed, and return the faults by parameter and code."""
    with pytest.raises(InvalidQueryError) as raised:
        parse_query(query_string)
    return [(fault.parameter, fault.code.value) for fault in raised.value.faults]


@pytest.mark.parametrize("query_string", ["", "&", "&&"])
def test_nothing_asked_is_the_default(query_string: str) -> None:
    """The first ten badges that can be enrolled for, the last to expire first."""
    assert parse_query(query_string) == BadgesQuery(
        view=View.ISSUABLE, sort=SortField.EXPIRES_AT, descending=True, page=1, size=10
    )


def test_the_parameters_are_the_contracts() -> None:
    """No parameter more, and none that could choose the customer."""
    expected = (
        "view status active name group owner claimedBy startsAfter startsBefore "
        "expiresAfter expiresBefore sort page size include"
    )
    assert set(PARAMETERS) == set(expected.split())


def test_everything_can_be_asked_at_once() -> None:
    """All parameters together, each read into its field."""
    query = parse_query(
        "view=earned&status=live&active=true&name=Fuel+Master&group=65c3600c&owner=loyalty"
        "&claimedBy=milestones&startsAfter=2026-11-23T07:00:00Z&expiresBefore=2026-11-23T07:00:00Z"
        "&sort=-updatedAt&page=3&size=25&include=ownership"
    )
    assert query == BadgesQuery(
        view=View.EARNED,
        status=Status.LIVE,
        active=True,
        name="Fuel Master",
        group="65c3600c",
        owner=Owner.LOYALTY,
        claimed_by=Owner.MILESTONES,
        starts=Bound(Side.AFTER, SEVEN),
        expires=Bound(Side.BEFORE, SEVEN),
        sort=SortField.UPDATED_AT,
        descending=True,
        page=3,
        size=25,
        ownership=True,
    )


@pytest.mark.parametrize(
    ("public", "asked"),
    [
        ("view=issuable", "badgeType=AVAILABLE_TO_ISSUE"),
        ("view=available", "badgeType=AVAILABLE"),
        ("view=earned", "badgeType=EARNED"),
        ("view=expired", "badgeType=EXPIRED"),
        ("status=upcoming", "badgeStatus=UPCOMING"),
        ("status=live", "badgeStatus=LIVE"),
        ("status=expired", "badgeStatus=EXPIRED"),
        ("active=true", "action=ACTIVATED"),
        ("active=false", "action=DEACTIVATED"),
        ("owner=loyalty", "owner=Loyalty"),
        ("owner=loyalty_promotion", "owner=Loyalty_Promotion"),
        ("owner=referral_campaigns", "owner=Referral_Campaigns"),
        ("owner=journeys", "owner=Journeys"),
        ("owner=audience_campaigns", "owner=Audience_Campaigns"),
        ("owner=rewards_catalog", "owner=Rewards_Catalog"),
        ("owner=goodwill_module", "owner=Goodwill_Module"),
        ("owner=milestones", "owner=Milestones"),
        ("owner=historical_import", "owner=Historical_Import"),
        ("claimedBy=historical_import", "claimedBy=Historical_Import"),
        ("sort=expiresAt", "sortOn=EXPIRES_ON"),
        ("sort=updatedAt", "sortOn=LAST_MODIFIED_DATE"),
        ("sort=lastIssuedAt", "sortOn=LAST_ISSUED_DATE"),
        ("sort=lastExpiredAt", "sortOn=LAST_EXPIRED_BADGE"),
        ("sort=lastEarnedAt", "sortOn=LAST_EARNED_ON_DATE"),
        ("sort=lastEarnedEventAt", "sortOn=LAST_EARNED_EVENT_DATE"),
    ],
)
def test_enumerated_values_in_every_spelling(public: str, asked: str) -> None:
    """Public or the gateway's spelling, in any case; the gateway gets its own."""
    name, value = public.split("=")
    parameter, spelling = asked.split("=")
    for given_value in (value, value.upper(), value.title(), spelling, spelling.lower()):
        query = parse_query(f"{name}={given_value}")
        assert query == parse_query(public)
        assert dict(parse_qsl(gateway_parameters(query)))[parameter] == spelling


def test_defaults_are_sent_explicitly() -> None:
    """What the gateway takes as its default may change; what we mean does not."""
    assert gateway_parameters(BadgesQuery()) == (
        "page=0&size=10&sortOn=EXPIRES_ON&order=DESC&badgeType=AVAILABLE_TO_ISSUE"
    )


def test_all_that_the_gateway_can_be_asked() -> None:
    """The page counts from 0, bounds carry their operators, texts are percent-encoded."""
    query = parse_query(
        "view=earned&status=live&active=false&name=50%25+off+%26+more&group=g-1&owner=journeys"
        "&claimedBy=loyalty&startsAfter=2026-11-23T07:00:00Z"
        "&expiresBefore=2026-11-23T07:00:00.5%2B00:00&sort=lastEarnedAt&page=1000&size=100"
        "&include=ownership"
    )
    assert parse_qsl(gateway_parameters(query)) == [
        ("page", "999"),
        ("size", "100"),
        ("sortOn", "LAST_EARNED_ON_DATE"),
        ("order", "ASC"),
        ("badgeType", "EARNED"),
        ("action", "DEACTIVATED"),
        ("badgeStatus", "LIVE"),
        ("name", "50% off & more"),
        ("groupId", "g-1"),
        ("owner", "Journeys"),
        ("claimedBy", "Loyalty"),
        ("startOn", "2026-11-23T07:00:00.000Z"),
        ("startOnOperator", "GREATER_THAN"),
        ("expiresOn", "2026-11-23T07:00:00.500Z"),
        ("expiresOnOperator", "LESS_THAN"),
    ]


@pytest.mark.parametrize(
    ("sort", "field", "descending"),
    [
        ("expiresAt", SortField.EXPIRES_AT, False),
        ("-expiresAt", SortField.EXPIRES_AT, True),
        ("-EXPIRES_ON", SortField.EXPIRES_AT, True),
        ("-lastearnedeventat", SortField.LAST_EARNED_EVENT_AT, True),
    ],
)
def test_a_leading_minus_sorts_in_descending_order(
    sort: str, field: SortField, *, descending: bool
) -> None:
    """Without it the order is ascending, for each field."""
    query = parse_query(f"sort={sort}")
    assert (query.sort, query.descending) == (field, descending)


@pytest.mark.parametrize(
    ("query_string", "starts", "expires"),
    [
        ("startsAfter=2026-11-23T07:00:00Z", Bound(Side.AFTER, SEVEN), None),
        ("startsBefore=2026-11-23T12:30:00+05:30", Bound(Side.BEFORE, SEVEN), None),
        ("startsBefore=2026-11-23T12:30:00%2B05:30", Bound(Side.BEFORE, SEVEN), None),
        ("startsBefore=2026-11-23T12:30:00%2005:30", Bound(Side.BEFORE, SEVEN), None),
        ("expiresAfter=2026-11-23T02:00:00-05:00", None, Bound(Side.AFTER, SEVEN)),
        ("expiresBefore=2026-11-23T07:00:00.0009Z", None, Bound(Side.BEFORE, SEVEN)),
    ],
)
def test_bounds_on_times(query_string: str, starts: Bound | None, expires: Bound | None) -> None:
    """RFC 3339 with any offset; an unencoded plus arrives as a space and is meant as a plus."""
    query = parse_query(query_string)
    assert (query.starts, query.expires) == (starts, expires)


@pytest.mark.parametrize(
    ("query_string", "faults"),
    [
        ("colour=red", [("colour", "unknown")]),
        ("View=earned", [("View", "unknown")]),
        ("customerId=42", [("customerId", "unknown")]),
        ("view[]=earned", [("view[]", "unknown")]),
        ("%3Cscript%3E=1", [("(unprintable)", "unknown")]),
        ("=1", [("(unprintable)", "unknown")]),
        ("%ff=1", [("(unprintable)", "unknown")]),
        ("page=1&page=1", [("page", "repeated")]),
        ("page=1&%70age=2", [("page", "repeated")]),
        ("page=&page=2", [("page", "repeated")]),
        ("view=", [("view", "empty")]),
        ("view", [("view", "empty")]),
        ("name=+%20%09", [("name", "empty")]),
        ("page=", [("page", "empty")]),
        ("startsAfter=", [("startsAfter", "empty")]),
        ("view=mine", [("view", "not-allowed")]),
        ("view=earned,expired", [("view", "not-allowed")]),
        ("status=issuable", [("status", "not-allowed")]),
        ("active=yes", [("active", "not-allowed")]),
        ("active=1", [("active", "not-allowed")]),
        ("owner=nobody", [("owner", "not-allowed")]),
        ("claimedBy=loyalty+promotion", [("claimedBy", "not-allowed")]),
        ("sort=name", [("sort", "not-allowed")]),
        ("sort=--expiresAt", [("sort", "not-allowed")]),
        ("sort=%2BexpiresAt", [("sort", "not-allowed")]),
        ("sort=-", [("sort", "not-allowed")]),
        ("include=everything", [("include", "not-allowed")]),
        ("include=ownership,ownership", [("include", "not-allowed")]),
        ("page=two", [("page", "malformed")]),
        ("page=1.0", [("page", "malformed")]),
        ("page=1e1", [("page", "malformed")]),
        ("page=%2B1", [("page", "malformed")]),
        ("page=+1", [("page", "malformed")]),
        ("page=%D9%A1", [("page", "malformed")]),
        ("page=1_0", [("page", "malformed")]),
        ("page=0", [("page", "out-of-range")]),
        ("page=000", [("page", "out-of-range")]),
        ("page=-1", [("page", "out-of-range")]),
        ("page=1001", [("page", "out-of-range")]),
        ("page=" + "9" * 5000, [("page", "out-of-range")]),
        ("page=" + "0" * 5000, [("page", "out-of-range")]),
        ("page=-" + "0" * 5000, [("page", "out-of-range")]),
        ("size=0", [("size", "out-of-range")]),
        ("size=101", [("size", "out-of-range")]),
        ("name=" + "n" * 101, [("name", "out-of-range")]),
        ("name=a%00b", [("name", "malformed")]),
        ("name=a%C2%85b", [("name", "malformed")]),
        ("name=a\ud800b", [("name", "malformed")]),
        ("name=%ff", [("name", "malformed")]),
        ("name=%ed%a0%80", [("name", "malformed")]),
        ("view=%ff", [("view", "malformed")]),
        ("group=" + "g" * 65, [("group", "out-of-range")]),
        ("group=a%2Fb", [("group", "malformed")]),
        ("group=g%0A", [("group", "malformed")]),
        ("group=gr%C3%BCn", [("group", "malformed")]),
        ("startsAfter=yesterday", [("startsAfter", "malformed")]),
        ("startsAfter=2026-11-23", [("startsAfter", "malformed")]),
        ("expiresBefore=2026-11-23T07:00:00", [("expiresBefore", "malformed")]),
        ("expiresAfter=0001-01-01T00:00:00%2B01:00", [("expiresAfter", "out-of-range")]),
        (
            "startsAfter=2026-11-23T07:00:00Z&startsBefore=2026-11-24T07:00:00Z",
            [("startsBefore", "conflict")],
        ),
        (
            "expiresBefore=2026-11-23T07:00:00Z&expiresAfter=2026-11-22T07:00:00Z",
            [("expiresBefore", "conflict")],
        ),
    ],
)
def test_every_fault_has_its_name(query_string: str, faults: list[tuple[str, str]]) -> None:
    """Unknown, repeated, empty, malformed, out of range, not allowed, in conflict."""
    assert faults_of(query_string) == faults


def test_all_faults_are_named_at_once() -> None:
    """Nobody has to fix a query one fault at a time."""
    faults = faults_of(
        "colour=red&page=0&page=1&view=&sort=x&size=ten&name=" + "n" * 101 + "&startsBefore=x"
        "&startsAfter=y"
    )
    assert faults == [
        ("colour", "unknown"),
        ("page", "repeated"),
        ("view", "empty"),
        ("sort", "not-allowed"),
        ("size", "malformed"),
        ("name", "out-of-range"),
        ("startsBefore", "malformed"),
        ("startsAfter", "malformed"),
        ("startsBefore", "conflict"),
    ]


def test_bounds_of_different_times_do_not_conflict() -> None:
    """Only two bounds on the same time exclude each other."""
    query = parse_query("startsAfter=2026-11-23T07:00:00Z&expiresAfter=2026-11-23T07:00:00Z")
    assert query.starts == query.expires


@pytest.mark.parametrize("parameter", [name for name in PARAMETERS if name != "name"])
def test_a_fault_repeats_nothing_that_the_caller_sent(parameter: str) -> None:
    """A value may be anything: it has no business in an answer or a log."""
    with pytest.raises(InvalidQueryError) as raised:
        parse_query(f"{parameter}=canary%3Cb%3E")
    [fault] = raised.value.faults
    assert "canary" not in fault.detail + str(raised.value)
    assert fault.detail


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("++Fuel+Master%20", "Fuel Master"),
        ("n" * 100, "n" * 100),
        ("+" * 50 + "n" * 100, "n" * 100),
        ("Caf%C3%A9+%E2%98%95", "Café ☕"),
        ("Café", "Café"),
        ("a%2Bb", "a+b"),
        ("100%", "100%"),
    ],
)
def test_names_are_trimmed_and_kept(text: str, name: str) -> None:
    """A name has 1 to 100 characters after trimming; its case and letters are the caller's."""
    assert parse_query(f"name={text}").name == name


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), ("100", 100), ("007", 7), ("0000010", 10), ("00000100", 100)]
)
def test_sizes_are_read_by_value(text: str, number: int) -> None:
    """Leading zeros change no number."""
    assert parse_query(f"size={text}").size == number


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", "view=issuable&sort=-expiresAt&page=1&size=10"),
        ("page=2&view=earned", "view=EARNED&page=2"),
        ("sort=-EXPIRES_ON", "view=available_to_issue"),
        ("active=ACTIVATED", "active=True"),
        ("name=+a+", "name=a"),
        ("startsAfter=2026-11-23T07:00:00Z", "startsAfter=2026-11-23T12:30:00.0001+05:30"),
        ("size=010", "size=10"),
        ("%76iew=%65arned", "view=earned"),
    ],
)
def test_the_same_meaning_is_the_same_entry(one: str, other: str) -> None:
    """Order, case, spelling and spelt-out defaults make no difference to the cache."""
    assert canonical_query(parse_query(one)) == canonical_query(parse_query(other))


@settings(max_examples=80, deadline=None)
@given(QUERIES, QUERIES)
def test_different_meanings_are_different_entries(one: BadgesQuery, other: BadgesQuery) -> None:
    """No two queries share a canonical form."""
    assert (canonical_query(one) == canonical_query(other)) == (one == other)


@settings(max_examples=120, deadline=None)
@given(QUERIES)
def test_a_canonical_query_is_a_query(query: BadgesQuery) -> None:
    """Links carry it, so it parses into what it was made of, and is its own canonical form."""
    text = canonical_query(query)
    assert parse_query(text) == query
    assert canonical_query(parse_query(text)) == text
    assert text.isascii()
    assert not set(text) & set("<>\"' \\")


def test_a_canonical_query_names_what_is_asked() -> None:
    """Defaults are left out, but page and size are always there."""
    assert canonical_query(BadgesQuery()) == "page=1&size=10"
    query = parse_query("include=ownership&size=5&sort=updatedAt&name=a%26b&view=earned")
    assert canonical_query(query, page=4) == (
        "view=earned&name=a%26b&sort=updatedAt&page=4&size=5&include=ownership"
    )


@settings(max_examples=200, deadline=None)
@given(HOSTILE)
@example("name=\ud800")
@example("\udcff=%\ud800")
@example("name=%ed%a0%80")
@example("startsAfter=9999-12-31T23:59:60Z")
def test_whatever_is_asked_is_a_query_or_a_list_of_faults(query_string: str) -> None:
    """No text makes anything but `InvalidQueryError`, and what it accepts can be sent on."""
    try:
        query = parse_query(query_string)
    except InvalidQueryError as error:
        assert error.faults  # noqa: PT017 - either outcome is right
        for fault in error.faults:
            fault.parameter.encode("ascii")
            assert fault.code in FaultCode
    else:
        assert parse_query(canonical_query(query)) == query
        gateway_parameters(query).encode("ascii")


@settings(max_examples=60, deadline=None)
@given(GOOD_NAMES)
def test_any_name_can_be_asked_for(name: str) -> None:
    """Percent-encoded as a path or as a form, it arrives at the gateway as it was meant."""
    for text in (quote(name, safe=""), quote_plus(name)):
        query = parse_query(f"name={text}")
        assert dict(parse_qsl(gateway_parameters(query)))["name"] == name
