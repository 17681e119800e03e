"""The problems in the OpenAPI document: which an operation may answer, and an example of each."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import msgspec

from app.domain.failures import TREATMENTS
from app.domain.query import FaultCode
from app.web.openapi import headers
from app.web.problem_table import PROBLEMS, Problem
from app.web.problems import Answer, Fault, details

# What every route may answer, below and around its handler.
EVERYWHERE = (
    "bad-request",
    "method-not-allowed",
    "uri-too-long",
    "header-fields-too-large",
    "internal-error",
)
# What admission and the gateway's answer may come to, in the order in which they are judged.
CUSTOMER = (
    "not-acceptable",
    "overloaded",
    "unauthenticated",
    "identity-unavailable",
    "insufficient-scope",
    "no-customer-identity",
    "rate-limited",
    "invalid-query",
    *dict.fromkeys(treatment.answer.value for treatment in TREATMENTS.values()),
)
_REQUEST_ID = "4f8a1c5d2e9b47d0a6f3c8e1b5d7092f"


class Responses:
    """The answers that are problems; each kind is described once, and referred to."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}

    def of(self, codes: Iterable[str], *, body: bool = True) -> dict[str, Any]:
        """Return the answers of an operation that may end in these problems, by status."""
        unique = sorted({PROBLEMS[code] for code in codes}, key=_place)
        return {
            str(status): self._one(status, list(group), body=body)
            for status, group in groupby(unique, key=lambda problem: problem.status)
        }

    def _one(self, status: int, problems: Sequence[Problem], *, body: bool) -> dict[str, Any]:
        name = "Or".join(_camel(problem.code) for problem in problems) + ("" if body else "Head")
        if name not in self.definitions:
            self.definitions[name] = _response(status, problems, body=body)
        return {"$ref": f"#/components/responses/{name}"}


def links() -> dict[str, Any]:
    """Say where a problem leads: to its page."""
    page = {
        "operationId": "getProblem",
        "parameters": {"code": "$response.body#/code"},
        "description": "What the problem means, and what to do.",
    }
    return {"page": page}


def examples() -> dict[str, Any]:
    """Show every problem once."""
    return {code: _example(problem) for code, problem in PROBLEMS.items()}


def _response(status: int, problems: Sequence[Problem], *, body: bool) -> dict[str, Any]:
    response = {
        "description": "\n".join(f"- `{problem.code}`: {problem.detail}" for problem in problems),
        "headers": headers.references(headers.CACHE_CONTROL, *_headers(status)),
    }
    if body:
        response["content"] = {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/ProblemDetails"},
                "examples": {
                    problem.code: {"$ref": f"#/components/examples/{problem.code}"}
                    for problem in problems
                },
            }
        }
        response["links"] = {"page": {"$ref": "#/components/links/page"}}
    return response


def _headers(status: int) -> list[Any]:
    groups = {
        401: [headers.CHALLENGE],
        403: [headers.CHALLENGE],
        405: [headers.ALLOW],
        429: [headers.LIMITED, headers.PAUSE],
        503: [headers.PAUSE],
    }
    return groups.get(status, [])


def _example(problem: Problem) -> dict[str, Any]:
    fault = Fault("size", FaultCode.OUT_OF_RANGE, "1 to 100.")
    members = {"errors": [fault]} if problem.code == "invalid-query" else {}
    value = details(Answer(problem.code, {}, members), _REQUEST_ID)
    return {"summary": problem.title, "value": msgspec.to_builtins(value)}


def _place(problem: Problem) -> tuple[int, int]:
    return problem.status, list(PROBLEMS).index(problem.code)


def _camel(code: str) -> str:
    return "".join(word.capitalize() for word in code.split("-"))
