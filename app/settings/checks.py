"""Checks of single values: numbers with their range and unit, texts with their pattern.

Each raises a `ValueError` that says what is allowed and never repeats the value.
"""

import re
from math import nan
from typing import TypeVar

from pydantic import AfterValidator, BeforeValidator, SecretStr

MIN_SEALING_BYTES = 32

T = TypeVar("T")


def whole(least: int, most: int, unit: str) -> BeforeValidator:
    """Allow an integer of `least` to `most` (in `unit`), and no boolean in its place."""

    def check(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise ValueError(f"must be a whole number from {least} to {most} ({unit})")

    return BeforeValidator(check)


def seconds(most: int, *, zero: bool = False) -> BeforeValidator:
    """Allow a finite number of seconds up to `most`; 0 only where `zero` has a meaning."""
    least = "0 to" if zero else "more than 0, at most"

    def check(value: object) -> float:
        # Compared before it is converted: not-a-number fails here, a huge integer as well.
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else nan
        if 0 < number <= most or (zero and number == 0):
            return float(number)
        raise ValueError(f"must be a number of seconds: {least} {most}")

    return BeforeValidator(check)


def matching(pattern: str, rule: str) -> AfterValidator:
    """Allow text that `pattern` matches from end to end; `rule` says the same in words."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise ValueError(f"must be {rule}")
        return value

    return AfterValidator(check)


def plain_text(value: str) -> str:
    """Allow text that is not empty, has no blank at either end and no control character."""
    if not value.isprintable() or not value or value != value.strip():
        raise ValueError("must be text: not empty, unpadded, without control characters")
    return value


def not_empty(values: tuple[T, ...]) -> tuple[T, ...]:
    """Allow a list with something in it."""
    if not values:
        raise ValueError("must be a list that is not empty")
    return values


def printable_secret(value: SecretStr) -> SecretStr:
    """Allow a secret that is not empty and holds no control character, such as a newline."""
    text = value.get_secret_value()
    if not text or not text.isprintable():
        raise ValueError("must be text: not empty, without control characters")
    return value


def sealing_secrets(
    values: tuple[SecretStr, ...], *, most: int, required: bool
) -> tuple[SecretStr, ...]:
    """Allow up to `most` secrets of 32 bytes or more; none only where they are not required."""
    rule = f"{MIN_SEALING_BYTES} bytes or more of UTF-8 text"
    if required and not values:
        raise ValueError(f"is required with Redis: {rule}")
    if len(values) > most:
        raise ValueError(f"must be at most {most} secrets")
    if any(_utf8_length(value) < MIN_SEALING_BYTES for value in values):
        raise ValueError(f"must be {rule}")
    return values


def header_secret(value: SecretStr, *, blanks: bool) -> SecretStr:
    """Allow a secret of 16 characters or more that a header can carry unchanged.

    Blanks are allowed inside where `blanks` says so (`Bearer abc`), never at an end: HTTP
    trims them there (RFC 9110, section 5.5), and the comparison would never succeed.
    """
    inner = r"[\x20-\x7e]" if blanks else r"[\x21-\x7e]"
    if not re.fullmatch(rf"[\x21-\x7e]{inner}{{14,}}[\x21-\x7e]", value.get_secret_value()):
        where = "no blank at either end" if blanks else "no blanks"
        raise ValueError(f"must be 16 or more printable ASCII characters with {where}")
    return value


def one_or_many(value: object) -> object:
    """Read a single text as a list of one; the contract allows either for a rolling secret."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple):
        return value
    raise ValueError("must be text or a list of texts")


def _utf8_length(value: SecretStr) -> int:
    """Count the bytes of a secret; 0 if the environment held bytes that are no UTF-8."""
    try:
        return len(value.get_secret_value().encode())
    except UnicodeEncodeError:
        return 0
