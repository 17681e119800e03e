"""The public JSON: exact bytes, their digest, their compression, and the links between pages."""

import gzip
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.badges import Badge, BadgesPage, Claim, Group, Image, Page
from app.domain.query import BadgesQuery, View
from app.protocol.content import (
    compress,
    decompress,
    digest,
    encode,
    link_header,
    next_turn,
)

PLAIN = Badge(
    id="b1",
    name="Café ☕",
    description=None,
    kind="earn",
    status="live",
    active=True,
    earned=True,
    earn_count=2,
    last_earned_at="2024-06-11T05:31:12.611Z",
    last_earned_event_at=None,
    issue_status=None,
    starts_at=None,
    expires_at="2027-12-14T03:15:10.000Z",
    created_at=None,
    updated_at=None,
    rank=1,
    group=Group("g1", None),
    images={"earned": Image("https://a.example/a.png", None), "unearned": None, "inProgress": None},
)


def page_of(*badges: Badge, number: int = 1, total: int | None = 0, size: int = 10) -> BadgesPage:
    """Make a page in a list of `total` badges."""
    pages = None if total is None else -(-total // size)
    page = Page(number=number, size=size, total_items=total, total_pages=pages)
    return BadgesPage(list(badges), page)


def links(query: BadgesQuery, total: int | None) -> dict[str, str]:
    """Read the Link header of a page: references by relation."""
    header = link_header(page_of(number=query.page, total=total, size=query.size), query)
    pairs = [re.fullmatch(r'<(\?[^<>"]*)>; rel="(\w+)"', link) for link in header.split(", ")]
    assert all(pairs)
    return {pair[2]: pair[1] for pair in pairs if pair}


def test_the_public_json_is_exactly_this() -> None:
    """Camel case, the contract's order, every key there, UTF-8 as it is."""
    assert encode(page_of(PLAIN, total=2)).decode() == (
        '{"badges":[{"id":"b1","name":"Café ☕","description":null,"kind":"earn","status":"live",'
        '"active":true,"earned":true,"earnCount":2,"lastEarnedAt":"2024-06-11T05:31:12.611Z",'
        '"lastEarnedEventAt":null,"issueStatus":null,"startsAt":null,'
        '"expiresAt":"2027-12-14T03:15:10.000Z","createdAt":null,"updatedAt":null,"rank":1,'
        '"group":{"id":"g1","name":null},'
        '"images":{"earned":{"url":"https://a.example/a.png","name":null},'
        '"unearned":null,"inProgress":null}}],'
        '"page":{"number":1,"size":10,"totalItems":2,"totalPages":1}}'
    )


def test_ownership_comes_last() -> None:
    """Asked for, it is added to a badge; the rest of the badge stays as it was."""
    owned = msgspec.structs.replace(
        PLAIN, owners=["loyalty"], claims=[Claim("loyalty", "626", active=True)]
    )
    plain, added = encode(page_of(PLAIN)), encode(page_of(owned))
    ownership = (
        b',"owners":["loyalty"],"claims":[{"owner":"loyalty","reference":"626","active":true}]'
    )
    assert added == plain.replace(b'"inProgress":null}', b'"inProgress":null}' + ownership)


def test_unreadable_totals_are_null() -> None:
    """An empty page is still a page."""
    assert encode(page_of(total=None)) == (
        b'{"badges":[],"page":{"number":1,"size":10,"totalItems":null,"totalPages":null}}'
    )


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_digest_is_of_the_content_alone(one: bytes, other: bytes) -> None:
    """Equal bodies share it, others don't, and it can stand in an entity tag (RFC 9110, 8.8.3)."""
    assert (digest(one) == digest(other)) == (one == other)
    assert re.fullmatch(r"[A-Za-z0-9_-]{20}", digest(one))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=500))
def test_what_is_compressed_is_gzip(body: bytes) -> None:
    """Any reader of gzip reads it, and so do we."""
    assert gzip.decompress(compress(body)) == body
    assert decompress(compress(body)) == body


def test_gzip_carries_no_time_stamp() -> None:
    """Equal bodies give equal bytes whenever they are made (RFC 1952 section 2.3.1, MTIME)."""
    header = compress(b"badges")[:10]
    assert header[:4] == b"\x1f\x8b\x08\x00"
    assert header[4:8] == bytes(4)


FIRST = "?page=1&size=10"


@pytest.mark.parametrize(
    ("number", "total", "expected"),
    [
        (1, 0, {"first": FIRST, "last": FIRST}),
        (1, 2, {"first": FIRST, "last": FIRST}),
        (1, 10, {"first": FIRST, "last": FIRST}),
        (1, 11, {"next": "?page=2&size=10", "first": FIRST, "last": "?page=2&size=10"}),
        (2, 11, {"prev": FIRST, "first": FIRST, "last": "?page=2&size=10"}),
        (
            2,
            30,
            {
                "next": "?page=3&size=10",
                "prev": FIRST,
                "first": FIRST,
                "last": "?page=3&size=10",
            },
        ),
        (7, 30, {"prev": "?page=3&size=10", "first": FIRST, "last": "?page=3&size=10"}),
        (7, 0, {"prev": FIRST, "first": FIRST, "last": FIRST}),
        (1, None, {"first": FIRST}),
        (3, None, {"prev": "?page=2&size=10", "first": FIRST}),
        (1, 10_010, {"next": "?page=2&size=10", "first": FIRST}),
        (1000, 10_010, {"prev": "?page=999&size=10", "first": FIRST}),
        (1000, 10_000, {"prev": "?page=999&size=10", "first": FIRST, "last": "?page=1000&size=10"}),
    ],
)
def test_links_lead_to_pages_that_can_be_asked_for(
    number: int, total: int | None, expected: dict[str, str]
) -> None:
    """Past the end `prev` is the last page; without a total no `next` and `last`; 1000 at most."""
    assert links(BadgesQuery(page=number), total) == expected


def test_links_carry_the_whole_query() -> None:
    """In canonical form, with another page, and with nothing that could break the header."""
    query = BadgesQuery(view=View.EARNED, name='a>; rel="x", é', page=1, size=1)
    reference = "?view=earned&name=a%3E%3B%20rel%3D%22x%22%2C%20%C3%A9&page={}&size=1"
    assert links(query, 2) == {
        "next": reference.format(2),
        "first": reference.format(1),
        "last": reference.format(2),
    }


def turning(starts_at: str | None, expires_at: str | None) -> Badge:
    """Make a badge of this period."""
    return msgspec.structs.replace(PLAIN, starts_at=starts_at, expires_at=expires_at)


NOON = "2026-11-23T12:00:00.000Z"
ONE, TWO = "2026-11-23T13:00:00.000Z", "2026-11-23T14:00:00.000Z"
AT_NOON = 1_795_435_200.0


@pytest.mark.parametrize(
    ("periods", "turn"),
    [
        ([], None),
        ([(None, None)], None),
        ([("2020-01-01T00:00:00.000Z", "2021-01-01T00:00:00.000Z")], None),
        ([(NOON, None)], None),
        ([(ONE, None)], AT_NOON + 3600),
        ([(None, ONE)], AT_NOON + 3600),
        ([(NOON, TWO), (TWO, "2027-01-01T00:00:00.000Z"), (None, ONE)], AT_NOON + 3600),
        ([(None, "2026-11-23T12:00:00.001Z")], AT_NOON + 0.001),
        ([("9999-12-31T23:59:59.999Z", TWO)], AT_NOON + 7200),
    ],
)
def test_a_page_turns_when_the_first_badge_does(
    periods: list[tuple[str | None, str | None]], turn: float | None
) -> None:
    """The earliest start or expiry after the fetch; what is past turns no more."""
    page = page_of(*(turning(*period) for period in periods))
    assert next_turn(page, after=AT_NOON) == turn
