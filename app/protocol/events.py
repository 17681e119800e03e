"""The gateway's events: which customers an event is about.

The documentation shows two envelopes and leaves much open, so that identifiers are looked for
wherever an event may carry them. One that is found too much costs a fetch; one that is overlooked
leaves a customer with old badges.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from app.domain.identity import Customer, Identifier

_OF_INTEREST = frozenset({"badgeearned", "customerupdated", "loyaltycustomermerge"})
_MAX_DEPTH = 8
_MAX_CUSTOMERS = 64
_MAX_VALUE = 256
# By the end of a key's name: a merge names its customers `fromCustomerId` or the like.
_KEYS: Mapping[str, Identifier] = {
    "customerid": Identifier.CUSTOMER_ID,
    "email": Identifier.EMAIL,
    "mobile": Identifier.MOBILE,
    "externalid": Identifier.EXTERNAL_ID,
    "cardnumber": Identifier.CARD_NUMBER,
}


class MalformedEventError(Exception):
    """It is no event."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event: whether it concerns badges, and the customers that it names."""

    concerns_us: bool
    customers: tuple[Customer, ...]


def read_event(body: bytes) -> Event:
    """Read an event in either envelope.

    Raises:
        MalformedEventError: it is not JSON, or names no event.

    """
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise MalformedEventError from None
    name = _name(document)
    if name is None:
        raise MalformedEventError
    if name.lower() not in _OF_INTEREST:
        return Event(concerns_us=False, customers=())
    found = dict.fromkeys(_customers(document, _MAX_DEPTH))
    return Event(concerns_us=True, customers=tuple(found)[:_MAX_CUSTOMERS])


def _name(document: Any) -> str | None:
    """Return the event's name; `eventType` carries the organisation's number in front."""
    if not isinstance(document, dict):
        return None
    name = document.get("eventName") or document.get("eventType")
    return re.sub(r"^[0-9]+_", "", name) if isinstance(name, str) and name else None


def _customers(value: Any, depth: int) -> Iterator[Customer]:
    if depth == 0:
        return
    if isinstance(value, list):
        for item in value:
            yield from _customers(item, depth - 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _named(key, item)
            yield from _customers(item, depth - 1)


def _named(key: str, value: Any) -> Iterator[Customer]:
    """Yield the customers that a key names, by one value or a list of them."""
    lowered = key.lower()
    for ending, identifier in _KEYS.items():
        if lowered.endswith(ending):
            for item in value if isinstance(value, list) else [value]:
                text = str(item) if type(item) in (int, str) else ""
                if identifier is Identifier.MOBILE:
                    text = text.removeprefix("+")
                if 0 < len(text) <= _MAX_VALUE:
                    yield Customer(identifier, text)
