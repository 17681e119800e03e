"""Content negotiation and conditional requests (RFC 9110 sections 12 and 13)."""

import re
from collections.abc import Sequence
from functools import lru_cache

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105
_PARAMETER = rf'[ \t]*;[ \t]*({_TOKEN})=({_TOKEN}|"[^"\\]*")'
_MEDIA_RANGE = re.compile(rf"[ \t]*({_TOKEN})/({_TOKEN})((?:{_PARAMETER})*)[ \t]*")
_CODING = re.compile(rf"[ \t]*({_TOKEN})(?:[ \t]*;[ \t]*[qQ]=([01](?:\.[0-9]{{0,3}})?))?[ \t]*")
_QUALITY = re.compile(r";[ \t]*[qQ]=([01](?:\.[0-9]{0,3})?)(?:[ \t]*$|[ \t]*;)")
# Clients send the same few fields with each request.
_REMEMBERED = 256
_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def accepts_json(values: Sequence[str]) -> bool:
    """Whether the Accept headers let `application/json` pass.

    They count only if they are present and well-formed; of the ranges that match, the most
    specific decides.
    """
    return _accepts_json(",".join(values))


@lru_cache(_REMEMBERED)
def _accepts_json(given: str) -> bool:
    qualities: dict[int, float] = {}
    for item in _items(given):
        match = _MEDIA_RANGE.fullmatch(item)
        if match is None:
            return True
        rank = _rank(match[1].lower(), match[2].lower())
        if rank:
            quality = _QUALITY.search(match[3])
            worth = float(quality[1]) if quality else 1.0
            qualities[rank] = max(qualities.get(rank, 0.0), worth)
    if not qualities:
        return not _items(given)
    return qualities[max(qualities)] > 0


def accepts_gzip(values: Sequence[str]) -> bool:
    """Whether gzip may be sent, by the Accept-Encoding headers; if there are none, it is not."""
    return _accepts_gzip(",".join(values))


@lru_cache(_REMEMBERED)
def _accepts_gzip(given: str) -> bool:
    qualities: dict[str, float] = {}
    for item in _items(given):
        match = _CODING.fullmatch(item)
        if match is not None:
            qualities[match[1].lower()] = float(match[2] or 1)
    identity = qualities.get("identity", 0.0)
    gzip = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return gzip > 0 and gzip >= identity


def matches(values: Sequence[str], tag: str) -> bool:
    """Whether If-None-Match headers hold this entity tag (quoted), by weak comparison."""
    joined = ",".join(values)
    return joined.strip() == "*" or tag.strip('"') in _ENTITY_TAG.findall(joined)


def _items(given: str) -> list[str]:
    return [item for item in given.split(",") if item.strip()]


def _rank(kind: str, subtype: str) -> int:
    """Rank a media range by how specifically it means `application/json`; 0 if it does not."""
    return {("application", "json"): 3, ("application", "*"): 2, ("*", "*"): 1}.get(
        (kind, subtype), 0
    )
