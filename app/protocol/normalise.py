"""From the gateway's badges to ours: tolerant of every field, strict about what goes out.

Whatever can't be read becomes null; a badge without an id is left out. Field meanings are the
gateway documentation's; what trips a naive reader is said where it is handled.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from msgspec import UNSET

from app.domain.badges import KNOWN_IMAGES, Badge, Claim, Group, Image
from app.protocol.instants import unix_to_text
from app.protocol.raw_badges import RawBadge, RawClaim, RawImage, RawOwnership, read

# The same badges come for all customers. What is longer than this comes from whoever would like to
# fill our memory.
_REMEMBERED, _MEMORABLE = 4096, 512
_WEB_URL = re.compile(r"https?://[^\s\x00-\x1f\x7f\"'<>\\^`{|}]+", re.IGNORECASE | re.ASCII)


def normalise_badge(raw: Any, *, ownership: bool) -> Badge | None:
    """Make a badge of one element of `customerBadges`; None if it has no id."""
    badge = read(raw, RawBadge)
    if badge is None or (badge_id := _identifier(badge.badge_meta_id)) is None:
        return None
    count = _count(badge.earn_count)
    last_earned_at = unix_to_text(badge.last_earned_on)
    earned = bool(count) or last_earned_at is not None
    claimed = read(badge.ownership, RawOwnership) if ownership else None
    return Badge(
        id=badge_id,
        name=_text(badge.name),
        description=_text(badge.description),
        kind=_enumerated(badge.badge_type),
        status=_enumerated(badge.badge_status),
        active=badge.active,
        earned=earned,
        earn_count=0 if count is None and not earned else count,
        last_earned_at=last_earned_at,
        last_earned_event_at=unix_to_text(badge.last_earn_event_date),
        issue_status=_enumerated(badge.issue_status),
        starts_at=unix_to_text(badge.starts_on),
        expires_at=unix_to_text(badge.expires_on),
        created_at=unix_to_text(badge.created_on),
        updated_at=unix_to_text(badge.last_updated_on),
        rank=_integer(badge.badge_rank),
        group=_group(badge),
        images=_images(badge.images or ()),
        owners=_owners(claimed) if ownership else UNSET,
        claims=_claims(claimed) if ownership else UNSET,
    )


def total_items(pagination: Any) -> int | None:
    """Read the number of badges in the whole list; None where it can't be read.

    `pagination.size` is of no use: on a short page it is the number of items returned.
    """
    return _count(pagination.get("total")) if isinstance(pagination, dict) else None


def _text(value: str | None) -> str | None:
    return None if value is None else _clean(value)


def _clean(text: str) -> str:
    # A lone surrogate (JSON may escape one) can't be written as UTF-8.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _identifier(value: str | int | None) -> str | None:
    return str(value) if isinstance(value, int) else _text(value) or None


def _enumerated(value: str | None) -> str | None:
    return _text(value.lower()) if value else None


def _integer(value: Any) -> int | None:
    if type(value) is float and value.is_integer():
        value = int(value)
    # Beyond 2^53 a JSON number is not the same number for every reader (RFC 8259 section 6).
    return value if type(value) is int and abs(value) < 2**53 else None


def _count(value: Any) -> int | None:
    number = _integer(value)
    return number if number is not None and number >= 0 else None


def _group(badge: RawBadge) -> Group | None:
    group_id = _identifier(badge.badge_group_id)
    return None if group_id is None else Group(group_id, _text(badge.badge_group_name))


def _images(raw: Iterable[RawImage]) -> dict[str, Image | None]:
    """Name the images by their tags in camel case; of equal tags the smallest usable url wins."""
    found: dict[str, Image | None] = dict.fromkeys(KNOWN_IMAGES)
    for item in raw:
        tag, image = _image(item)
        if image is not None and tag is not None:
            other = found.get(tag)
            found[tag] = image if other is None else min(image, other, key=_order)
    if len(found) == len(KNOWN_IMAGES):
        return found
    known = {tag: found.pop(tag) for tag in KNOWN_IMAGES}
    return known | dict(sorted(found.items()))


def _order(image: Image) -> tuple[str, str]:
    return image.url, image.name or ""


def _image(raw: RawImage) -> tuple[str | None, Image | None]:
    """Read an image and the name of its tag."""
    if raw.url is None or raw.tag is None:
        return None, None
    url, name, tag = raw.url, raw.name or "", raw.tag
    if len(url) + len(name) + len(tag) > _MEMORABLE:
        return _named_image.__wrapped__(url, name, tag)
    return _named_image(url, name, tag)


@lru_cache(_REMEMBERED)
def _named_image(url: str, name: str, tag: str) -> tuple[str | None, Image | None]:
    """Name an image by its tag; it is one only if its url is one that a page may load."""
    image = Image(_clean(url), _clean(name) or None)
    return _camel_case(tag), image if _is_web_url(image.url) else None


def _is_web_url(url: str) -> bool:
    if not _WEB_URL.fullmatch(url):
        return False
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _camel_case(value: str) -> str | None:
    if value.upper() == "UN_EARNED":
        return "unearned"
    first, *rest = re.findall(r"[a-z0-9]+", value.lower()) or [""]
    return "".join((first, *(word.capitalize() for word in rest))) or None


def _owners(ownership: RawOwnership | None) -> list[str]:
    raw = ownership.restricted_to_owners if ownership is not None else None
    owners = (_enumerated(owner) for owner in raw or () if isinstance(owner, str))
    return sorted({owner for owner in owners if owner is not None})


def _claims(ownership: RawOwnership | None) -> list[Claim]:
    raw = ownership.claims if ownership is not None else None
    claims = (read(item, RawClaim) for item in raw or ())
    return sorted((_claim(claim) for claim in claims if claim is not None), key=_claim_order)


def _claim_order(claim: Claim) -> tuple[str, str, str]:
    """Order claims by all that they say: the gateway's own order must not show."""
    return claim.owner or "", claim.reference or "", str(claim.active)


def _claim(raw: RawClaim) -> Claim:
    return Claim(_enumerated(raw.owner_type), _identifier(raw.reference_id), raw.is_active)
