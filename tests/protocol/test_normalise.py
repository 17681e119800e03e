"""Normalising: what becomes of each field of a badge, and that no badge breaks the page."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.badges import Badge, Claim, Group, Image
from app.protocol.normalise import normalise_badge, total_items

A = "https://a.example/a.png"
B = "https://b.example/b.png"
FIELDS = [
    "name",
    "description",
    "badgeMetaId",
    "badgeType",
    "badgeGroupId",
    "badgeGroupName",
    "badgeRank",
    "createdOn",
    "lastUpdatedOn",
    "images",
    "badgeStatus",
    "lastEarnedOn",
    "lastEarnEventDate",
    "startsOn",
    "expiresOn",
    "earnCount",
    "ownership",
    "issueStatus",
    "active",
]
TEXTS = st.text(st.characters(codec=None, categories=None), max_size=8)
URLS = st.sampled_from(
    ["https://a.example/", "HTTP://b", "http://[", "https://\ud800", "javascript:"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | URLS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            TEXTS
            | st.sampled_from(
                [
                    "url",
                    "tag",
                    "name",
                    "restrictedToOwners",
                    "claims",
                    "ownerType",
                    "referenceId",
                    "isActive",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
BADGES = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)).flatmap(
    lambda raw: st.sampled_from([raw, {**raw, "badgeMetaId": "b1"}])
)


def badge(**raw: Any) -> Badge:
    """Normalise a badge that has an id and these fields."""
    result = normalise_badge({"badgeMetaId": "b1", **raw}, ownership=False)
    assert result is not None
    return result


def images(*raw: Any) -> dict[str, Image | None]:
    """Normalise the images of a badge."""
    return badge(images=list(raw)).images


def picture(tag: Any, url: Any = A, name: Any = None) -> dict[str, Any]:
    """Make an image as the gateway sends it."""
    return {"name": name, "fileSvcHandle": "canary-handle", "url": url, "tag": tag}


@pytest.mark.parametrize(
    "raw", [None, 7, "b1", [], {}, {"badgeMetaId": None}, {"badgeMetaId": ""}, {"name": "x"}]
)
def test_without_an_id_there_is_no_badge(raw: Any) -> None:
    """Nobody could refer to it: it is left out."""
    assert normalise_badge(raw, ownership=True) is None


@pytest.mark.parametrize("value", [True, [], {}, 1.5])
def test_what_is_no_id_is_none(value: Any) -> None:
    """An id is a text, or a number that stands for one."""
    assert normalise_badge({"badgeMetaId": value}, ownership=False) is None


def test_a_numeric_id_is_a_text() -> None:
    """Ids are opaque to callers, whatever the gateway makes them of."""
    found = normalise_badge({"badgeMetaId": 4711}, ownership=False)
    assert found is not None
    assert found.id == "4711"


def test_a_badge_of_nothing_but_an_id_is_a_badge() -> None:
    """Every key is there, null where there is nothing; images are named, ownership is not."""
    assert msgspec.to_builtins(badge()) == {
        "id": "b1",
        "name": None,
        "description": None,
        "kind": None,
        "status": None,
        "active": None,
        "earned": False,
        "earnCount": 0,
        "lastEarnedAt": None,
        "lastEarnedEventAt": None,
        "issueStatus": None,
        "startsAt": None,
        "expiresAt": None,
        "createdAt": None,
        "updatedAt": None,
        "rank": None,
        "group": None,
        "images": {"earned": None, "unearned": None, "inProgress": None},
    }


@pytest.mark.parametrize(
    ("count", "last_earned", "expected"),
    [
        (None, None, (False, 0)),
        (0, None, (False, 0)),
        (None, 1718083872.611, (True, None)),
        (0, 1718083872.611, (True, 0)),
        (2, None, (True, 2)),
        (2, 1718083872.611, (True, 2)),
        (2.0, None, (True, 2)),
        (-1, None, (False, 0)),
        (True, None, (False, 0)),
        ("2", 1718083872.611, (True, None)),
        (2.5, 1718083872.611, (True, None)),
        (None, math.nan, (False, 0)),
        (2**53, 1718083872.611, (True, None)),
    ],
)
def test_earned_is_a_count_or_a_time(
    count: Any, last_earned: Any, expected: tuple[bool, int | None]
) -> None:
    """Earned with a count above 0 or a time; without a count it is 0 if not earned, else null."""
    found = badge(earnCount=count, lastEarnedOn=last_earned)
    assert (found.earned, found.earn_count) == expected


@pytest.mark.parametrize(
    ("field", "attribute"),
    [
        ("createdOn", "created_at"),
        ("lastUpdatedOn", "updated_at"),
        ("startsOn", "starts_at"),
        ("expiresOn", "expires_at"),
        ("lastEarnedOn", "last_earned_at"),
        ("lastEarnEventDate", "last_earned_event_at"),
    ],
)
def test_each_time_has_its_field(field: str, attribute: str) -> None:
    """The text is where the contract says, and nowhere else."""
    found = msgspec.structs.asdict(badge(**{field: 1701416976.0}))
    text = "2023-12-01T07:49:36.000Z"
    assert [name for name, value in found.items() if value == text] == [attribute]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1701416976.0, "2023-12-01T07:49:36.000Z"),
        (1701416976, "2023-12-01T07:49:36.000Z"),
        (1701416976000, "2023-12-01T07:49:36.000Z"),
        (1701416976.123456789, "2023-12-01T07:49:36.123Z"),
        (None, None),
        (-1, None),
        (math.nan, None),
        (math.inf, None),
        ("2023-12-01T07:49:36Z", None),
        (True, None),
    ],
)
def test_a_time_is_a_text_or_null(value: Any, text: str | None) -> None:
    """Seconds or milliseconds, whole or not; the rest is null, and takes no other field along."""
    found = badge(startsOn=value, name="Fuel Master")
    assert (found.starts_at, found.name) == (text, "Fuel Master")


@pytest.mark.parametrize(
    ("field", "attribute"),
    [("badgeType", "kind"), ("badgeStatus", "status"), ("issueStatus", "issue_status")],
)
@pytest.mark.parametrize(
    ("value", "expected"),
    [("ISSUE_EARN", "issue_earn"), ("Brand_New", "brand_new"), ("", None), (7, None), (None, None)],
)
def test_enumerations_are_open(
    field: str, attribute: str, value: Any, expected: str | None
) -> None:
    """A value that is new passes through in lower case."""
    assert getattr(badge(**{field: value}), attribute) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), (False, False), (1, None), ("true", None), ("\ud800", None)],
)
def test_active_is_a_flag_or_null(value: Any, *, expected: bool | None) -> None:
    """Nothing is taken for true that is not."""
    assert badge(active=value).active is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2, 2), (2.0, 2), (-1, -1), (2.5, None), ("2", None), (True, None), (2**53, None)],
)
def test_a_rank_is_a_whole_number_or_null(value: Any, expected: int | None) -> None:
    """Beyond 2^53 two readers of JSON would see two numbers."""
    assert badge(badgeRank=value).rank == expected


@pytest.mark.parametrize(
    ("group_id", "name", "expected"),
    [
        ("g1", "2024 Badges", Group("g1", "2024 Badges")),
        ("g1", None, Group("g1", None)),
        (7, 7, Group("7", None)),
        (None, "2024 Badges", None),
        ("", "2024 Badges", None),
    ],
)
def test_a_group_needs_an_id(group_id: Any, name: Any, expected: Group | None) -> None:
    """Without an id there is no group, and a rank stands on its own."""
    found = badge(badgeGroupId=group_id, badgeGroupName=name, badgeRank=3)
    assert (found.group, found.rank) == (expected, 3)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("Café ☕", "Café ☕"), ("", ""), ("a\ud800b", "a?b"), (7, None), (None, None), ([], None)],
)
def test_texts_pass_as_they_are(value: Any, expected: str | None) -> None:
    """All that UTF-8 can write; a lone surrogate it can't becomes a question mark."""
    found = badge(name=value, description=value)
    assert (found.name, found.description) == (expected, expected)


@pytest.mark.parametrize(
    ("tag", "key"),
    [
        ("EARNED", "earned"),
        ("UN_EARNED", "unearned"),
        ("un_earned", "unearned"),
        ("IN_PROGRESS", "inProgress"),
        ("in-progress", "inProgress"),
        ("ABOUT_TO_EXPIRE", "aboutToExpire"),
        ("Level 2 Gold", "level2Gold"),
    ],
)
def test_images_are_named_by_their_tags(tag: str, key: str) -> None:
    """Known tags and new ones in the same style; an empty name is none."""
    assert images(picture(tag, name=""))[key] == Image(A, None)


@pytest.mark.parametrize("tag", [None, "", "__", 7, [], {}, "\ud800"])
def test_an_image_without_a_tag_is_left_out(tag: Any) -> None:
    """Nobody could ask for it."""
    assert set(images(picture(tag))) == {"earned", "unearned", "inProgress"}


def test_images_come_in_one_order() -> None:
    """The three known ones first, then the new ones sorted, however the gateway shuffles them."""
    raw = [picture(tag) for tag in ("ZEBRA", "IN_PROGRESS", "APPLE", "UN_EARNED", "EARNED")]
    expected = ["earned", "unearned", "inProgress", "apple", "zebra"]
    assert list(images(*raw)) == expected
    assert list(images(*reversed(raw))) == expected


@pytest.mark.parametrize("order", [1, -1])
def test_of_equal_tags_the_smallest_usable_url_wins(order: int) -> None:
    """Whatever order they come in: an answer changes only if the badges do."""
    raw = [picture("EARNED", B), picture("EARNED", A, "x"), picture("EARNED", "data:x")][::order]
    assert images(*raw)["earned"] == Image(A, "x")


@pytest.mark.parametrize("order", [1, -1])
def test_of_equal_urls_the_smallest_name_wins(order: int) -> None:
    """The last tie that the gateway's order could decide."""
    raw = [picture("EARNED", A, "y"), picture("earned", A, "x"), picture("EARNED", A, "z")][::order]
    assert images(*raw)["earned"] == Image(A, "x")


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example",
        "http://a.example/a.png",
        "HTTPS://a.example/A.png?x=1&y=%20#f",
        "https://a.example:8443/a.png",
        "https://[2001:db8::1]/a.png",
        "https://bücher.example/ü.png",
    ],
)
def test_web_urls_pass(url: str) -> None:
    """As they came: they may be signed."""
    assert images(picture("EARNED", url))["earned"] == Image(url, None)


@pytest.mark.parametrize(
    "url",
    [
        "string",
        "",
        None,
        7,
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:image/svg+xml,<svg onload=alert(1)>",
        "//a.example/a.png",
        "/a.png",
        "ftp://a.example/a.png",
        "https:",
        "https://",
        "https:///a.png",
        "https://?x",
        "https:a.example",
        "https://[",
        " https://a.example",
        "https://a.example/a b.png",
        "https://a.example/a\t.png",
        "https://a.example/a\n.png",
        "https://a.example/\x00",
        'https://a.example/"onload="alert(1)',
        "https://a.example/'x",
        "https://a.example/<script>",
        "https://a.example\\@b.example/",
        "vbscript:https://a.example",
        "https://\ud800",
    ],
)
def test_what_is_no_web_url_is_as_if_absent(url: Any) -> None:
    """A page may put the url into an `src`: only http and https get there."""
    assert images(picture("EARNED", url))["earned"] is None


@pytest.mark.parametrize("raw", [None, "x", 7, {}, [None], ["x"], [[]], [{}]])
def test_images_of_another_shape_are_none(raw: Any) -> None:
    """The three known keys are there all the same."""
    assert badge(images=raw).images == {"earned": None, "unearned": None, "inProgress": None}


def test_the_internal_file_handle_is_left_out() -> None:
    """It means nothing to a caller and something to an attacker."""
    assert b"canary" not in msgspec.json.encode(badge(images=[picture("EARNED")]))


def owned(ownership: Any) -> Badge:
    """Normalise a badge with its ownership asked for."""
    result = normalise_badge({"badgeMetaId": "b1", "ownership": ownership}, ownership=True)
    assert result is not None
    return result


def test_ownership_is_shown_sorted() -> None:
    """Owners once each, claims by owner, reference and state."""
    found = owned(
        {
            "restrictedToOwners": ["Milestones", "Loyalty", "LOYALTY", None, 7],
            "claims": [
                {"ownerType": "Loyalty", "referenceId": "626", "isActive": True},
                {"ownerType": "Loyalty", "referenceId": 123, "isActive": None},
                {"ownerType": None, "referenceId": None, "isActive": "yes"},
                {"ownerType": "Journeys", "referenceId": "9", "isActive": False},
                "no claim",
            ],
        }
    )
    assert found.owners == ["loyalty", "milestones"]
    assert found.claims == [
        Claim(None, None, None),
        Claim("journeys", "9", active=False),
        Claim("loyalty", "123", active=None),
        Claim("loyalty", "626", active=True),
    ]


@settings(max_examples=30, deadline=None)
@given(st.permutations([True, False, None]))
def test_the_order_of_claims_is_never_the_gateways(states: list[bool | None]) -> None:
    """A refresh that finds the same claims in another order yields the same bytes."""
    claims = [{"ownerType": "Loyalty", "referenceId": "1", "isActive": state} for state in states]
    assert owned({"claims": claims}) == owned({"claims": claims[::-1]})


@pytest.mark.parametrize("ownership", [None, [], "x", {}, {"restrictedToOwners": 1, "claims": {}}])
def test_ownership_of_another_shape_is_empty(ownership: Any) -> None:
    """Asked for, the keys are there."""
    found = owned(ownership)
    assert (found.owners, found.claims) == ([], [])


def test_ownership_is_shown_only_if_asked_for() -> None:
    """Who runs the campaigns is no business of a page that does not ask."""
    found = badge(ownership={"restrictedToOwners": ["Loyalty"], "claims": []})
    assert "owners" not in msgspec.to_builtins(found)
    assert "claims" not in msgspec.to_builtins(found)


def test_new_fields_change_nothing() -> None:
    """The gateway grows; a reader of ours does not notice."""
    new = {"createdOnISO": "2025-12-08T12:58:16+05:30", "tiers": [{"x": 1}], "": None}
    assert badge(name="Fuel Master", **new) == badge(name="Fuel Master")


@pytest.mark.parametrize(
    ("pagination", "total"),
    [
        ({"page": 0, "size": 4, "total": 4, "totalPages": 1}, 4),
        ({"total": 0}, 0),
        ({"total": 11.0}, 11),
        ({"total": -1}, None),
        ({"total": "4"}, None),
        ({"total": True}, None),
        ({"total": None}, None),
        ({"size": 4}, None),
        (None, None),
        ([], None),
    ],
)
def test_the_total_is_a_count_or_null(pagination: Any, total: int | None) -> None:
    """Only `total` counts: the gateway's size is that of the short page."""
    assert total_items(pagination) == total


@settings(max_examples=120, deadline=None)
@given(raw=BADGES | JSON, ownership=st.booleans())
def test_no_badge_breaks_the_page(raw: Any, *, ownership: bool) -> None:
    """Arbitrary JSON gives a badge that can be encoded in UTF-8, or none."""
    found = normalise_badge(raw, ownership=ownership)
    assert found is None or msgspec.json.decode(msgspec.json.encode(found), type=Badge) == found
