"""What pydantic found, in our words: which key, what is wrong, what is allowed.

Never built from pydantic's own message or input, which may repeat a secret.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.settings.faults import Fault, dotted
from app.settings.tables import TABLES, Settings
from app.settings.upstream import AttributionSettings
from app.settings.values import Table

KeyPath: TypeAlias = tuple[str, ...]
"""Where a key stands, without list positions: `("identity", "issuer")`."""

PROBLEMS: Mapping[str, str] = {
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "model_type": "must be a table",
}


def explain(error: ValidationError, sources: Mapping[KeyPath, str]) -> Iterator[Fault]:
    """Yield a fault for each error; `sources` names the variable that set a key, if one did."""
    for detail in error.errors(include_url=False, include_input=False):
        # A default that depends on another key is not worked out once anything is wrong.
        if detail["type"] != "default_factory_not_called":
            path = tuple(step for step in detail["loc"] if isinstance(step, str))
            source = sources.get(path[:2])
            origin = f" (set by {source})" if source else ""
            yield Fault(dotted(detail["loc"]), _problem(detail, path) + origin)


def _problem(detail: ErrorDetails, path: KeyPath) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            field = _table_at(path[:-1]).model_fields[path[-1]]
            return f"is required: {field.description}"
        case "extra_forbidden":
            return _unknown_key(path)
        case "literal_error":
            return f"must be one of {context['expected']}"
        case "value_error":
            return str(context["error"])
        case other:
            return PROBLEMS.get(other, "is not allowed")


def _unknown_key(path: KeyPath) -> str:
    known = list(_table_at(path[:-1]).model_fields)
    nearest = get_close_matches(path[-1], known, n=1)
    hint = f"the nearest is {nearest[0]}" if nearest else f"allowed: {', '.join(known)}"
    return f"is not a known key; {hint}"


def _table_at(path: KeyPath) -> type[Table]:
    if not path:
        return Settings
    return TABLES[path[0]] if len(path) == 1 else AttributionSettings
