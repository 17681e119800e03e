"""JSON of somebody else's making: one thing in it that is broken is to spoil no other."""

import json
from typing import Any

import msgspec

NOT_JSON = object()
_MAX_DIGITS = 400


def parse_json(body: bytes) -> Any:
    """Parse JSON; `NOT_JSON` if it is none.

    The strict and fast parser first. What it refuses may still hold a page of badges, or a set of
    keys, with one `NaN`, one number out of range, one lone surrogate or one broken character, which
    the standard library's reads.
    """
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        try:
            return json.loads(body.decode("utf-8-sig", "replace"), parse_int=_parse_int)
        except (ValueError, RecursionError):
            return NOT_JSON


def _parse_int(text: str) -> int | None:
    """Read a whole number; one of thousands of digits, which Python refuses, is none."""
    return int(text) if len(text) < _MAX_DIGITS else None
