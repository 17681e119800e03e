"""The sample badges and customers."""

import json
import math

from app.sandbox.catalogue import RawBadge, badge_id, sample_badges
from app.sandbox.customers import sample_customers, sample_people

NOW = 1_795_000_000.25


def badges() -> dict[str, RawBadge]:
    """The sample badges by name."""
    return {badge["name"]: badge for badge in sample_badges(NOW, "http://pictures.test")}


def test_the_same_moment_makes_the_same_badges() -> None:
    """The catalogue is deterministic: only `now` moves its times."""
    assert badges() == badges()
    assert badges()["Early Bird"]["badgeMetaId"] == badge_id("Early Bird")


def test_there_are_a_few_dozen_badges_of_every_status() -> None:
    """Upcoming, live and expired badges are all there, each with an id of its own."""
    found = badges().values()
    assert len({badge["badgeMetaId"] for badge in found}) == len(found) == 36
    assert {badge["badgeStatus"] for badge in found} == {"UPCOMING", "LIVE", "EXPIRED"}


def test_every_badge_has_all_documented_fields() -> None:
    """No field of the gateway's documented badge is missing."""
    documented = {
        *("name", "description", "badgeMetaId", "badgeType", "badgeGroupId", "badgeGroupName"),
        *("badgeRank", "createdOn", "lastUpdatedOn", "images", "badgeStatus", "lastEarnedOn"),
        *("startsOn", "expiresOn", "earnCount", "ownership", "issueStatus", "active"),
    }
    assert all(documented <= badge.keys() for badge in badges().values())


def test_the_oddities_of_the_samples_occur() -> None:
    """Milliseconds, junk urls, missing pictures, unknown fields, lone ranks, both number types."""
    found = badges()
    assert found["Anniversary"]["startsOn"] == int((NOW + 5.5 * 86_400) * 1000)
    assert found["Sorry!"]["images"][0]["url"] == "string"
    assert found["Bare Necessities"]["images"] == []
    assert "surprise" in found["Birthday Badge"]
    assert found["Fuel Master"]["earnCount"] is None
    assert (found["Gold Member"]["badgeRank"], found["Gold Member"]["badgeGroupId"]) == (2, None)
    assert {type(badge["expiresOn"]) for badge in found.values()} == {int, float}


def test_pictures_live_where_they_are_said_to() -> None:
    """Image urls point to the page server's pictures, in differing order of tags."""
    images = badges()["Early Bird"]["images"]
    assert [image["tag"] for image in images] == ["UN_EARNED", "EARNED", "IN_PROGRESS"]
    identifier = badge_id("Early Bird")
    assert images[1]["url"] == f"http://pictures.test/pictures/{identifier}/EARNED.svg"


def test_it_is_json() -> None:
    """Every number is finite, so that the body is JSON in the strict sense."""
    body = json.dumps(list(badges().values()), allow_nan=False)
    assert math.isfinite(json.loads(body)[0]["startsOn"])


def test_customers_hold_badges_that_exist() -> None:
    """Whatever is earned or enrolled for is in the catalogue; chen has nothing."""
    known = {badge["badgeMetaId"] for badge in badges().values()}
    customers = sample_customers(NOW)
    for customer in customers.values():
        assert customer.earnings.keys() | customer.enrolments.keys() <= known
    earned = {one.person.name: len(one.earnings) for one in customers.values()}
    assert earned == {"ada": 12, "bob": 3, "chen": 0}


def test_the_ghost_can_log_in_but_is_no_member() -> None:
    """The identity provider knows one person more than the loyalty programme."""
    members = {customer.person.name for customer in sample_customers(NOW).values()}
    assert {person.name for person in sample_people()} - members == {"ghost"}
