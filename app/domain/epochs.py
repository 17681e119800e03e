"""Epochs: what makes the entries of a customer valid, all at once or not at all."""

import secrets
from enum import StrEnum

HALF = 16
"""The bytes of `erase`, which come first, and of `fresh`."""


class Standing(StrEnum):
    """How an entry stands to the epoch of its customer."""

    CURRENT = "current"
    INVALIDATED = "invalidated"
    ERASED = "erased"


def new_epoch() -> bytes:
    """Make an epoch: two random halves of 128 bits, `erase` and `fresh`."""
    return secrets.token_bytes(2 * HALF)


def invalidated(epoch: bytes | None) -> bytes:
    """Make the epoch that follows an invalidation: `erase` stays, `fresh` is new.

    Where there was none, nothing can match: both are new.
    """
    if epoch is None:
        return new_epoch()
    return epoch[:HALF] + secrets.token_bytes(HALF)


def standing(epoch_of_entry: bytes, current: bytes | None) -> Standing:
    """Say how an entry stands: an absent epoch never matches, neither does another `erase`."""
    if current == epoch_of_entry:
        return Standing.CURRENT
    if current is None or current[:HALF] != epoch_of_entry[:HALF]:
        return Standing.ERASED
    return Standing.INVALIDATED
