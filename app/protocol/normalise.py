"""From the gateway's badges to ours: tolerant of every field, strict about what goes out.

Whatever can't be read becomes null; a badge without an id is left out. Field meanings are the
gateway documentation's; what trips a naive reader is said where it is handled.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from msgspec import UNSET

from app.domain.badges import KNOWN_IMAGES, Badge, Claim, Group, Image
from app.protocol import instants

T = TypeVar("T")

# The same badges come for all customers. What is longer than this comes from whoever would like to
# fill our memory.
_REMEMBERED, _MEMORABLE = 4096, 512
_WEB_URL = re.compile(r"https?://[^\s\x00-\x1f\x7f\"'<>\\^`{|}]+", re.IGNORECASE | re.ASCII)


def _remembering(function: Callable[[str], T]) -> Callable[[str], T]:
    """Remember what a pure function says of texts that are not too long."""
    known = lru_cache(_REMEMBERED)(function)

    @wraps(function)
    def remember(text: str) -> T:
        return known(text) if len(text) <= _MEMORABLE else function(text)

    return remember


def normalise_badge(raw: Any, *, ownership: bool) -> Badge | None:
    """Make a badge of one element of `customerBadges`; None if it has no id."""
    if not isinstance(raw, dict) or (badge_id := _identifier(raw.get("badgeMetaId"))) is None:
        return None
    count = _count(raw.get("earnCount"))
    last_earned_at = _instant(raw.get("lastEarnedOn"))
    earned = bool(count) or last_earned_at is not None
    claimed = raw.get("ownership") if ownership else None
    return Badge(
        id=badge_id,
        name=_text(raw.get("name")),
        description=_text(raw.get("description")),
        kind=_enumerated(raw.get("badgeType")),
        status=_enumerated(raw.get("badgeStatus")),
        active=_flag(raw.get("active")),
        earned=earned,
        earn_count=0 if count is None and not earned else count,
        last_earned_at=last_earned_at,
        last_earned_event_at=_instant(raw.get("lastEarnEventDate")),
        issue_status=_enumerated(raw.get("issueStatus")),
        starts_at=_instant(raw.get("startsOn")),
        expires_at=_instant(raw.get("expiresOn")),
        created_at=_instant(raw.get("createdOn")),
        updated_at=_instant(raw.get("lastUpdatedOn")),
        rank=_integer(raw.get("badgeRank")),
        group=_group(raw),
        images=_images(raw.get("images")),
        owners=_owners(claimed) if ownership else UNSET,
        claims=_claims(claimed) if ownership else UNSET,
    )


def total_items(pagination: Any) -> int | None:
    """Read the number of badges in the whole list; None where it can't be read.

    `pagination.size` is of no use: on a short page it is the number of items returned.
    """
    return _count(pagination.get("total")) if isinstance(pagination, dict) else None


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    # A lone surrogate (JSON may escape one) can't be written as UTF-8.
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _identifier(value: Any) -> str | None:
    if type(value) is int:
        return str(value)
    return _text(value) or None


def _enumerated(value: Any) -> str | None:
    text = _text(value)
    return text.lower() if text else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _integer(value: Any) -> int | None:
    if type(value) is float and value.is_integer():
        value = int(value)
    # Beyond 2^53 a JSON number is not the same number for every reader (RFC 8259 section 6).
    return value if type(value) is int and abs(value) < 2**53 else None


def _count(value: Any) -> int | None:
    number = _integer(value)
    return number if number is not None and number >= 0 else None


def _instant(value: Any) -> str | None:
    instant = instants.from_unix(value)
    return None if instant is None else instants.to_text(instant)


def _group(raw: Mapping[str, Any]) -> Group | None:
    group_id = _identifier(raw.get("badgeGroupId"))
    return None if group_id is None else Group(group_id, _text(raw.get("badgeGroupName")))


def _images(raw: Any) -> dict[str, Image | None]:
    """Name the images by their tags in camel case; of equal tags the smallest usable url wins."""
    found: dict[str, Image] = {}
    for item in raw if isinstance(raw, list) else ():
        image = _image(item)
        tag = _tag(item.get("tag")) if image is not None else None
        if image is None or tag is None:
            continue
        other = found.get(tag)
        if other is None or _order(image) < _order(other):
            found[tag] = image
    images: dict[str, Image | None] = {tag: found.pop(tag, None) for tag in KNOWN_IMAGES}
    images.update(sorted(found.items()))
    return images


def _order(image: Image) -> tuple[str, str]:
    return image.url, image.name or ""


def _image(raw: Any) -> Image | None:
    """Read an image; None unless its url is one that a page may load."""
    url = _text(raw.get("url")) if isinstance(raw, dict) else None
    if url is None or not _is_web_url(url):
        return None
    return Image(url, _text(raw.get("name")) or None)


@_remembering
def _is_web_url(url: str) -> bool:
    if not _WEB_URL.fullmatch(url):
        return False
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _tag(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return _camel_case(value)


@_remembering
def _camel_case(value: str) -> str | None:
    if value.upper() == "UN_EARNED":
        return "unearned"
    first, *rest = re.findall(r"[a-z0-9]+", value.lower()) or [""]
    return "".join((first, *(word.capitalize() for word in rest))) or None


def _owners(ownership: Any) -> list[str]:
    raw = ownership.get("restrictedToOwners") if isinstance(ownership, dict) else None
    owners = (_enumerated(owner) for owner in raw) if isinstance(raw, list) else ()
    return sorted({owner for owner in owners if owner is not None})


def _claims(ownership: Any) -> list[Claim]:
    raw = ownership.get("claims") if isinstance(ownership, dict) else None
    claims = (
        [_claim(item) for item in raw if isinstance(item, dict)] if isinstance(raw, list) else []
    )
    return sorted(claims, key=_claim_order)


def _claim_order(claim: Claim) -> tuple[str, str, str]:
    """Order claims by all that they say: the gateway's own order must not show."""
    return claim.owner or "", claim.reference or "", str(claim.active)


def _claim(raw: Mapping[str, Any]) -> Claim:
    return Claim(
        _enumerated(raw.get("ownerType")),
        _identifier(raw.get("referenceId")),
        _flag(raw.get("isActive")),
    )
