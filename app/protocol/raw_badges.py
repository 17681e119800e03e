"""The gateway's badges as records: what of them is read, and of which kind each field has to be.

Field names are the gateway documentation's. What is not named here is not looked at.
"""

from typing import Any, TypeVar

from msgspec import Struct, convert
from msgspec.structs import fields

Identifier = str | int | None
Number = int | float | None


class RawImage(Struct, gc=False):
    """A picture of a badge."""

    url: str | None = None
    name: str | None = None
    tag: str | None = None


class RawClaim(Struct, rename="camel", gc=False):
    """Who uses a badge."""

    owner_type: str | None = None
    reference_id: Identifier = None
    is_active: bool | None = None


class RawOwnership(Struct, rename="camel", gc=False):
    """Who may use a badge, and who does."""

    restricted_to_owners: list[Any] | None = None
    claims: list[Any] | None = None


class RawBadge(Struct, rename="camel", gc=False):
    """A badge; what its ownership holds is read in its turn: few callers want it."""

    badge_meta_id: Identifier = None
    name: str | None = None
    description: str | None = None
    badge_type: str | None = None
    badge_status: str | None = None
    active: bool | None = None
    earn_count: Number = None
    last_earned_on: Number = None
    last_earn_event_date: Number = None
    issue_status: str | None = None
    starts_on: Number = None
    expires_on: Number = None
    created_on: Number = None
    last_updated_on: Number = None
    badge_rank: Number = None
    badge_group_id: Identifier = None
    badge_group_name: str | None = None
    images: list[RawImage] | None = None
    ownership: Any = None


_IMAGES = "images"

Record = TypeVar("Record", RawBadge, RawImage, RawOwnership, RawClaim)


def read(raw: Any, record: type[Record]) -> Record | None:
    """Read a part of the gateway's JSON; None if it is no object.

    What in it is of another kind is as if it were not there. Almost always all is as it should be:
    msgspec looks at that in one go.
    """
    try:
        return convert(raw, record)
    # A ValidationError, or of a lone surrogate a UnicodeEncodeError.
    except ValueError:
        return _read_by_field(raw, record) if isinstance(raw, dict) else None


def _read_by_field(raw: dict[str, Any], record: type[Record]) -> Record:
    readable = {}
    for field in fields(record):
        value = raw.get(field.encode_name)
        try:
            readable[field.name] = convert(value, field.type)
        except ValueError:
            if field.name == _IMAGES and isinstance(value, list):
                readable[_IMAGES] = [image for item in value if (image := read(item, RawImage))]
    return record(**readable)
