"""`GET /me/badges` from outside: bodies and headers as the contract has them."""

import asyncio
import gzip
import re

import pytest
from house import House


async def test_answer_has_the_public_form(house: House) -> None:
    """A page of badges comes in the contract's keys, in its order, with its totals."""
    service = await house.start()

    reply = await service.get("/me/badges?size=2")

    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert list(reply.json) == ["badges", "page"]
    assert reply.json["page"] == {"number": 1, "size": 2, "totalItems": 11, "totalPages": 6}
    assert list(reply.json["badges"][0]) == [
        *("id", "name", "description", "kind", "status", "active", "earned", "earnCount"),
        *("lastEarnedAt", "lastEarnedEventAt", "issueStatus", "startsAt", "expiresAt"),
        *("createdAt", "updatedAt", "rank", "group", "images"),
    ]


async def test_ownership_is_included_on_request(house: House) -> None:
    """With include=ownership each badge has owners and claims; without it, neither."""
    service = await house.start()

    plain = await service.get("/me/badges?size=1")
    full = await service.get("/me/badges?size=1&include=ownership")

    assert "owners" not in plain.json["badges"][0]
    assert list(full.json["badges"][0])[-2:] == ["owners", "claims"]


async def test_first_answer_is_a_miss_and_the_second_a_hit(house: House) -> None:
    """The gateway is asked once; the second answer has the same bytes and says that it is a hit."""
    service = await house.start()

    first, second = await service.get(), await service.get()

    assert first.cache == "fwd=uri-miss; stored"
    assert re.fullmatch(r"hit; ttl=(5[3-9]|60)", second.cache)
    assert (first.body, first.headers["ETag"]) == (second.body, second.headers["ETag"])
    assert len(house.gateway.badge_calls) == 1


@pytest.mark.parametrize(
    "same", ["?page=1&size=10", "?view=ISSUABLE&sort=-expiresat", "?sort=-EXPIRES_ON", "?&"]
)
async def test_spellings_of_one_query_are_one_entry(house: House, same: str) -> None:
    """Order, case, defaults spelled out and the gateway's spelling make no other entry."""
    service = await house.start()

    await service.get()

    assert (await service.get(f"/me/badges{same}")).cache.startswith("hit")


async def test_answers_of_one_customer_never_reach_another(house: House) -> None:
    """Each customer has entries of his own."""
    service = await house.start()

    ada = await service.get("/me/badges?view=earned", token="ada")
    bob = await service.get("/me/badges?view=earned", token="bob")

    assert bob.cache == "fwd=uri-miss; stored"
    assert bob.json["page"]["totalItems"] != ada.json["page"]["totalItems"]


async def test_headers_of_an_answer(house: House) -> None:
    """Every header of the contract's table is there, and the entry's age grows with time."""
    service = await house.start()
    fetched = await service.get("/me/badges?size=2&page=2")
    house.clock.advance(7)

    headers = (await service.get("/me/badges?size=2&page=2")).headers

    assert re.fullmatch(r'"[\w-]{20}"', headers["ETag"])
    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["Vary"] == "Accept-Encoding"
    assert headers["Age"] == "7"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", headers["Badges-As-Of"])
    assert headers["Badges-As-Of"] == fetched.headers["Badges-As-Of"]
    assert headers["Link"].split(", ") == [
        '<?page=3&size=2>; rel="next"',
        '<?page=1&size=2>; rel="prev"',
        '<?page=1&size=2>; rel="first"',
        '<?page=6&size=2>; rel="last"',
    ]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "total;dur=" in headers["Server-Timing"]
    assert "aiohttp" not in headers["Server"]


async def test_gzip_is_negotiated(house: House) -> None:
    """Who accepts gzip gets it, under a tag of its own; the content is the same."""
    service = await house.start()

    plain = await service.get()
    coded = await service.get(headers={"Accept-Encoding": "br, gzip;q=0.5"})
    refused = await service.get(headers={"Accept-Encoding": "gzip;q=0, identity"})

    assert "Content-Encoding" not in plain.headers
    assert coded.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(coded.body) == plain.body == refused.body
    assert coded.headers["ETag"] != plain.headers["ETag"] == refused.headers["ETag"]


@pytest.mark.parametrize("given", ["{tag}", "W/{tag}", '"x", W/{tag} ,"y"', "*"])
async def test_a_matching_tag_is_answered_304(house: House, given: str) -> None:
    """If-None-Match matches weakly, in lists and by `*`; the 304 repeats the 200's headers."""
    service = await house.start()
    full = await service.get()

    reply = await service.get(headers={"If-None-Match": given.format(tag=full.headers["ETag"])})

    assert (reply.status, reply.body) == (304, b"")
    dropped = {"Content-Type", "Content-Length"}
    assert set(reply.headers) == set(full.headers) - dropped
    for name in ("ETag", "Cache-Control", "Vary", "Badges-As-Of", "Link"):
        assert reply.headers[name] == full.headers[name]


async def test_the_tag_of_another_coding_does_not_match(house: House) -> None:
    """A tag is compared with the tag of the coding that would be sent."""
    service = await house.start()
    plain = await service.get()
    headers = {"If-None-Match": plain.headers["ETag"], "Accept-Encoding": "gzip"}

    assert (await service.get(headers=headers)).status == 200


async def test_head_is_get_without_body(house: House) -> None:
    """HEAD answers with the headers of GET, length included."""
    service = await house.start()
    full = await service.get()

    reply = await service.get(method="HEAD")

    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["Content-Length"] == str(len(full.body))
    assert reply.headers["ETag"] == full.headers["ETag"]


async def test_options_names_the_methods(house: House) -> None:
    """OPTIONS needs no credential and answers Allow."""
    service = await house.start()

    reply = await service.get(method="OPTIONS", token=None)

    assert (reply.status, reply.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")


async def test_past_the_end_is_an_empty_page(house: House) -> None:
    """Past the end is a 200 with no badges, whose `prev` is the last page."""
    service = await house.start()

    reply = await service.get("/me/badges?size=10&page=9")

    assert (reply.status, reply.json["badges"]) == (200, [])
    assert '<?page=2&size=10>; rel="prev"' in reply.headers["Link"]
    assert 'rel="next"' not in reply.headers["Link"]


async def test_callers_at_the_same_time_share_one_call(house: House) -> None:
    """A hundred callers of one cold entry cause one call; those who joined say `collapsed`."""
    service = await house.start()
    house.gateway.latency = 0.05

    replies = await asyncio.gather(*(service.get() for _ in range(100)))

    assert len(house.gateway.badge_calls) == 1
    assert {reply.status for reply in replies} == {200}
    assert {reply.cache for reply in replies} >= {"fwd=uri-miss; stored", "fwd=uri-miss; collapsed"}


async def test_an_old_entry_is_fetched_anew(house: House) -> None:
    """Past its time the gateway is asked; the same badges give the same tag."""
    service = await house.start()
    first = await service.get()
    house.clock.advance(361)

    second = await service.get()

    assert second.cache == "fwd=stale; stored"
    assert second.headers["ETag"] == first.headers["ETag"]
    assert second.headers["Badges-As-Of"] > first.headers["Badges-As-Of"]


async def test_query_reaches_the_gateway_in_its_words(house: House) -> None:
    """Every parameter is mapped; defaults are sent explicitly."""
    service = await house.start()

    await service.get()
    await service.get(
        "/me/badges?view=earned&status=live&active=true&name=%20Caf%C3%A9%20&group=a_-1"
        "&owner=Loyalty_Promotion&claimedBy=journeys&startsAfter=2026-01-01T00:00:00%2B01:00"
        "&expiresBefore=2030-01-01t00:00:00.1239z&sort=lastEarnedAt&page=3&size=7"
    )

    assert house.gateway.badge_calls[0].params == {
        "badgeType": "AVAILABLE_TO_ISSUE",
        "sortOn": "EXPIRES_ON",
        "order": "DESC",
        "page": "0",
        "size": "10",
    }
    assert house.gateway.badge_calls[1].params == {
        "badgeType": "EARNED",
        "badgeStatus": "LIVE",
        "action": "ACTIVATED",
        "name": "Café",
        "groupId": "a_-1",
        "owner": "Loyalty_Promotion",
        "claimedBy": "Journeys",
        "startOn": "2025-12-31T23:00:00.000Z",
        "startOnOperator": "GREATER_THAN",
        "expiresOn": "2030-01-01T00:00:00.123Z",
        "expiresOnOperator": "LESS_THAN",
        "sortOn": "LAST_EARNED_ON_DATE",
        "order": "ASC",
        "page": "2",
        "size": "7",
    }
