"""The medals."""

from xml.etree import ElementTree as ET

import pytest

from app.sandbox.designs import DESIGNS
from app.sandbox.pictures import TAGS, badge_picture


@pytest.mark.parametrize("tag", TAGS)
def test_every_picture_is_well_formed(tag: str) -> None:
    """Each badge has a picture for each tag, in SVG's namespace."""
    for design in DESIGNS:
        root = ET.fromstring(badge_picture(design.name, tag))  # noqa: S314  our own drawing
        assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_a_picture_stays_the_same() -> None:
    """Badge and tag alone decide."""
    assert badge_picture("abc", "EARNED") == badge_picture("abc", "EARNED")


def test_badges_and_tags_differ() -> None:
    """One badge is told from another, and earned from not earned."""
    pictures = {badge_picture(one, tag) for one in ("abc", "abd") for tag in TAGS}
    assert len(pictures) == 6


def test_what_is_not_earned_has_no_colour() -> None:
    """The grey outline fills nothing."""
    assert "linearGradient" not in badge_picture("abc", "UN_EARNED")
    assert "linearGradient" in badge_picture("abc", "IN_PROGRESS")


def test_an_id_can_put_nothing_into_the_picture() -> None:
    """An id is only hashed: nothing of it is drawn."""
    assert "script" not in badge_picture("<script>", "EARNED")


def test_a_tag_that_nobody_draws() -> None:
    """It is a ValueError that says which there are."""
    with pytest.raises(ValueError, match="UN_EARNED"):
        badge_picture("abc", "HOLOGRAM")
