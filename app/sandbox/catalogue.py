"""The badges of the sandbox, in the gateway's own raw JSON shape, with its known oddities."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from app.sandbox.designs import DESIGNS, Design

RawBadge = dict[str, Any]
"""A badge as the gateway's JSON has it."""

DAY = 86_400
"""Seconds in a day."""

_TAGS = {"E": "EARNED", "U": "UN_EARNED", "I": "IN_PROGRESS"}
_CREATED_BEFORE_START = 30 * DAY


def badge_id(name: str) -> str:
    """Return the id, 24 hexadecimal digits, of the sample badge of this name."""
    return hashlib.sha256(f"badge {name}".encode()).hexdigest()[:24]


def sample_badges(now: float, pictures_url: str) -> list[RawBadge]:
    """Return the sample badges; `now` is in Unix seconds, `pictures_url` where pictures live.

    No customer is in them: the gateway adds what somebody has earned as it answers.
    """
    badges = {design.name: _raw_badge(design, now, pictures_url) for design in DESIGNS}
    _add_oddities(badges)
    return list(badges.values())


def _raw_badge(design: Design, now: float, pictures_url: str) -> RawBadge:
    identifier = badge_id(design.name)
    return {
        "name": design.name,
        "description": design.description,
        "badgeMetaId": identifier,
        "badgeType": str(design.kind),
        "badgeGroupId": None if design.group is None else _group_id(design.group),
        "badgeGroupName": design.group,
        "badgeRank": design.rank,
        "createdOn": round(now + design.starts * DAY - _CREATED_BEFORE_START, 3),
        "lastUpdatedOn": round(now + min(design.starts, -1) * DAY - len(design.name) * 600, 3),
        "images": [_image(identifier, _TAGS[letter], pictures_url) for letter in design.pictures],
        "badgeStatus": _status(design),
        "lastEarnedOn": None,
        "startsOn": round(now + design.starts * DAY, 9),
        "expiresOn": _moment(now + design.expires * DAY, whole=float(design.expires).is_integer()),
        "earnCount": 0,
        "ownership": _ownership(design),
        "issueStatus": None,
        "active": design.owner is not None,
    }


def _group_id(group: str) -> str:
    return hashlib.sha256(f"group {group}".encode()).hexdigest()[:24]


def _image(identifier: str, tag: str, pictures_url: str) -> dict[str, str]:
    handle = hashlib.sha256(f"{identifier} {tag}".encode()).hexdigest()
    return {
        "name": "",
        "fileSvcHandle": f"{handle[:8]}-{handle[8:12]}-{handle[12:16]}",
        "url": f"{pictures_url}/pictures/{identifier}/{tag}.svg",
        "tag": tag,
    }


def _status(design: Design) -> str:
    if design.starts > 0:
        return "UPCOMING"
    return "LIVE" if design.expires > 0 else "EXPIRED"


def _moment(seconds: float, *, whole: bool) -> float:
    """Return a time as the gateway writes it: now an integer, now a float."""
    return int(seconds) if whole else round(seconds, 3)


def _ownership(design: Design) -> dict[str, Any]:
    if design.owner is None:
        return {"restrictedToOwners": [], "claims": []}
    claims = [
        {"ownerType": design.owner, "referenceId": str(626 + 13 * nth), "isActive": nth != 1}
        for nth in range(design.claims)
    ]
    return {"restrictedToOwners": [design.owner], "claims": claims}


def _add_oddities(badges: dict[str, RawBadge]) -> None:
    """Give single badges what the gateway's documented samples show now and then."""
    upcoming = badges["Anniversary"]
    upcoming["startsOn"] = int(upcoming["startsOn"] * 1000)  # milliseconds, as a newer sample has
    badges["Fuel Master"]["earnCount"] = None
    badges["Sorry!"]["images"][0] |= {"name": "string", "fileSvcHandle": "string", "url": "string"}
    birthday = badges["Birthday Badge"]
    birthday["createdOnISO"] = datetime.fromtimestamp(birthday["createdOn"], UTC).isoformat()
    birthday["surprise"] = {"kind": "a field that no reader knows yet"}
    badges["Bag for Life"]["active"] = False
