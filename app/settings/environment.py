"""What the environment says: `BFF_<TABLE>__<KEY>`, and `..._FILE` for every secret.

Lists are separated by commas; numbers, booleans and tables are JSON. In the file of a list of
secrets each line is one, so that a secret may hold a comma there.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import get_args, get_origin

from pydantic import SecretStr

from app.settings.faults import Fault, printable
from app.settings.tables import TABLES
from app.settings.upstream import AttributionSettings

PREFIX = "BFF_"
CONFIG_VARIABLE = "BFF_CONFIG"
"""Names the configuration file; read by whoever calls `load_settings`."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A key that the environment may override, and the type that its text is read for."""

    table: str
    key: str
    annotation: object

    @property
    def name(self) -> str:
        """The variable that holds the value itself."""
        return f"{PREFIX}{self.table}__{self.key}".upper()

    @property
    def file_name(self) -> str:
        """The variable that names a file with the value; for secrets only."""
        return f"{self.name}_FILE"

    @property
    def is_secret(self) -> bool:
        """Whether the value, or each value of the list, is secret."""
        return SecretStr in {self.annotation, *get_args(self.annotation)}

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return get_origin(self.annotation) is tuple

    @property
    def is_json(self) -> bool:
        """Whether the value is a number, a boolean or a table."""
        return self.annotation in {int, float, bool, AttributionSettings}

    @property
    def names(self) -> tuple[str, ...]:
        """Every name by which the key may be set."""
        return (self.name, self.file_name) if self.is_secret else (self.name,)


@dataclass(frozen=True, slots=True)
class Override:
    """A value for a key, and the name of the variable that it came from."""

    table: str
    key: str
    value: object
    source: str


def read_environment(environ: Mapping[str, str]) -> tuple[list[Override], list[Fault]]:
    """Return what the environment overrides, and what is wrong in it."""
    variables = [
        Variable(table, key, field.annotation)
        for table, model in TABLES.items()
        for key, field in model.model_fields.items()
    ]
    overrides: list[Override] = []
    faults = list(_unknown_variables(environ, variables))
    for variable in variables:
        try:
            overrides += _overrides(variable, environ)
        except ValueError as error:
            faults.append(Fault(f"{variable.table}.{variable.key}", str(error)))
    return overrides, faults


def _unknown_variables(environ: Mapping[str, str], variables: list[Variable]) -> Iterator[Fault]:
    known = {CONFIG_VARIABLE, *(name for variable in variables for name in variable.names)}
    for name in sorted(environ.keys() - known):
        if name.startswith(PREFIX):
            nearest = get_close_matches(name.upper(), known, n=1)
            hint = f"the nearest is {nearest[0]}" if nearest else "allowed: BFF_<TABLE>__<KEY>"
            yield Fault(printable(name), f"is not a known variable; {hint}")


def _overrides(variable: Variable, environ: Mapping[str, str]) -> Iterator[Override]:
    given = [name for name in variable.names if name in environ]
    if len(given) > 1:
        raise ValueError(f"must be set by one of {' and '.join(given)}, not by both")
    for name in given:
        read = _from_text if name == variable.name else _from_file
        yield Override(variable.table, variable.key, read(variable, environ[name]), name)


def _from_text(variable: Variable, text: str) -> object:
    if variable.is_list:
        return [part.strip() for part in text.split(",") if part.strip()]
    return _from_json(text) if variable.is_json else text


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # left as it is: the rule of the key then says what is allowed


def _from_file(variable: Variable, path: str) -> object:
    # The path is not repeated either: it may be the secret itself, put there by mistake.
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise ValueError(f"the file of {variable.file_name} can't be read: {reason}") from None
    except ValueError:
        raise ValueError(f"{variable.file_name} must name a file of UTF-8 text") from None
    if variable.is_list:
        return [line for line in text.split("\n") if line]
    return text.removesuffix("\n")
