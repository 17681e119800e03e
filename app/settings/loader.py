"""From a file and the environment to settings, or to every fault at once.

pydantic-settings was considered. Comma-separated lists, secrets in files, the one identity from
the environment, unknown variables as faults and all faults in one go would each have needed a
source of its own, so the little that is left is ours.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.settings.environment import Override, read_environment
from app.settings.explaining import KeyPath, explain
from app.settings.faults import Fault, SettingsError, dotted
from app.settings.tables import Settings

FILE_KEY = "config"
"""The key of a fault that concerns the file as a whole."""


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the TOML file at `path`, if any, overlay the environment, and judge the result.

    Raises `SettingsError` with every fault; with one alone if the file can't be read.
    """
    document = _read_document(path)
    overrides, faults = read_environment(environ)
    sources, ambiguous = _overlay(document, overrides)
    faults += [*ambiguous, *_repeated_identities(document)]
    settings = None
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        known = {fault.key for fault in faults}
        faults += [fault for fault in explain(error, sources) if fault.key not in known]
    # Raised out here, so that the error carries none of pydantic's, which holds the input.
    if settings is None or faults:
        raise SettingsError(faults)
    return settings


def _read_document(path: Path | None) -> dict[str, Any]:
    fault, document = None, {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
    except OSError as error:
        fault = f"{path} can't be read: {error.strerror or 'unknown reason'}"
    except UnicodeDecodeError:
        fault = f"{path} must be UTF-8 text"
    except ValueError as error:
        place = re.search(r"at (line \d+, column \d+|end of document)", str(error))
        fault = f"{path} must be TOML; it is not {place[0] if place else ''}".rstrip()
    if fault:
        raise SettingsError([Fault(FILE_KEY, fault)])
    # An empty table lets each of its missing keys be named.
    return {"gateway": {}, "identity": [], **document}


def _overlay(
    document: dict[str, Any], overrides: Iterable[Override]
) -> tuple[dict[KeyPath, str], list[Fault]]:
    """Write the overrides into the document; return the variable behind each key, and faults."""
    sources: dict[KeyPath, str] = {}
    faults: list[Fault] = []
    for override in overrides:
        table = _table_to_override(document, override.table)
        if table is None:
            problem = f"{override.source} can't choose between several; allowed with one at most"
            faults.append(Fault(override.table, problem))
        elif isinstance(table, dict):  # anything else is a fault that validation finds
            table[override.key] = override.value
            sources[override.table, override.key] = override.source
    return sources, faults


def _table_to_override(document: dict[str, Any], name: str) -> object:
    """Return the table, made if absent; the only one of a list, or None if it has several."""
    table = document.setdefault(name, {})
    if name != "identity" or not isinstance(table, list):
        return table
    table[:] = table or [{}]
    return table[0] if len(table) == 1 else None


def _repeated_identities(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Judged on the raw tables: a faulty one among them must not hide this."""
    tables = document["identity"]
    seen: list[list[object]] = []
    for position, table in enumerate(tables if isinstance(tables, list) else []):
        named = isinstance(table, dict) and {"issuer", "audience"} <= table.keys()
        pair = [table["issuer"], table["audience"]] if named else []
        if pair and pair in seen:
            key = dotted(["identity", position, "issuer"])
            yield Fault(key, "must not repeat the issuer and audience of an earlier [[identity]]")
        seen.append(pair)
