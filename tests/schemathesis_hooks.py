"""What Schemathesis has to be told of the API, since OpenAPI 3.1 can't say it."""

from typing import Any

import schemathesis

_CONFLICTS = (("startsAfter", "startsBefore"), ("expiresAfter", "expiresBefore"))


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: Any, __: dict[str, Any]) -> None:
    """Leave out one of two parameters of which only one may be given."""
    query = case.query or {}
    for one, other in _CONFLICTS:
        if one in query and other in query:
            del query[other]
