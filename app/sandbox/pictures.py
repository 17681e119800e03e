"""Medals drawn on the spot: one for each badge, in one form for each image tag."""

import colorsys
import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

TAGS = ("EARNED", "UN_EARNED", "IN_PROGRESS")
"""The image tags that can be drawn."""

_GREY = "#9aa3af"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Medal:
    """What tells one medal from another, all of it taken from the badge's id."""

    points: int
    depth: float
    sides: int
    light: str
    dark: str
    ribbon: str


def badge_picture(badge_id: str, tag: str) -> str:
    """Return the picture of a badge as SVG, the same for the same id and tag.

    Raises ValueError for a tag that can't be drawn.
    """
    draw = _DRAWINGS.get(tag)
    if draw is None:
        raise ValueError(f"{tag} is not one of {', '.join(TAGS)}")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 120" width="240" height="240">'
        f"{draw(_medal(badge_id))}</svg>"
    )


def _medal(badge_id: str) -> _Medal:
    digest = hashlib.sha256(badge_id.encode()).digest()
    hue = digest[0] / 256
    return _Medal(
        points=(12, 16, 20, 28)[digest[1] % 4],
        depth=(0.80, 0.86, 0.92)[digest[2] % 3],
        sides=(4, 5, 6, 8)[digest[3] % 4],
        light=_colour(hue, 0.66),
        dark=_colour(hue, 0.42),
        ribbon=_colour(hue + 0.07, 0.34),
    )


def _colour(hue: float, lightness: float) -> str:
    channels = colorsys.hls_to_rgb(hue % 1, lightness, 0.68)
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in channels)


def _earned(medal: _Medal) -> str:
    """Draw the medal in full colour."""
    return (
        f'<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop stop-color="{medal.light}"'
        f'/><stop offset="1" stop-color="{medal.dark}"/></linearGradient></defs>'
        f'<path d="M42 70 30 116l18-9 10 13 6-40zM78 70l12 46-18-9-10 13-6-40z"'
        f' fill="{medal.ribbon}"/>'
        f'<polygon points="{_rosette(medal)}" fill="url(#g)"/>'
        '<circle cx="60" cy="50" r="31" fill="none" stroke="#fff" stroke-opacity=".55"'
        ' stroke-width="2.5"/>'
        f'<polygon points="{_star(medal)}" fill="#fff" fill-opacity=".92"/>'
    )


def _unearned(medal: _Medal) -> str:
    """Draw no more than the medal's outline."""
    return (
        f'<g fill="none" stroke="{_GREY}" stroke-width="2" stroke-linejoin="round">'
        '<path d="M40 88 32 114l16-7 10 11 2-10 2 10 10-11 16 7-8-26"/>'
        f'<polygon points="{_rosette(medal)}"/>'
        f'<polygon points="{_star(medal)}"/></g>'
    )


def _in_progress(medal: _Medal) -> str:
    """Draw the outline, and the left half of the medal over it."""
    return (
        '<clipPath id="h"><path d="M0 0h60v120H0z"/></clipPath>'
        f'{_unearned(medal)}<g clip-path="url(#h)">{_earned(medal)}</g>'
    )


_DRAWINGS: Mapping[str, Callable[[_Medal], str]] = {
    "EARNED": _earned,
    "UN_EARNED": _unearned,
    "IN_PROGRESS": _in_progress,
}


def _rosette(medal: _Medal) -> str:
    return _spiked(medal.points, outer=44, inner=44 * medal.depth)


def _star(medal: _Medal) -> str:
    return _spiked(medal.sides, outer=21, inner=9.5 if medal.sides < 6 else 12.5)  # noqa: PLR2004


def _spiked(points: int, *, outer: float, inner: float) -> str:
    """Return the corners of a star around (60, 50), its first point on top."""
    corners = []
    for corner in range(2 * points):
        radius = inner if corner % 2 else outer
        angle = math.pi * corner / points
        x, y = 60 + radius * math.sin(angle), 50 - radius * math.cos(angle)
        corners.append(f"{x:.1f},{y:.1f}")
    return " ".join(corners)
