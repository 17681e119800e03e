"""The operations of the OpenAPI document, by path."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.protocol.parameters import TABLE
from app.web.openapi import examples, headers
from app.web.openapi.problems import CUSTOMER, EVERYWHERE, Responses
from app.web.problem_table import PROBLEMS

_OPEN: dict[str, Any] = {"security": []}
_CALLER: dict[str, Any] = {"security": [{"bearer": []}]}
_KNOWN = "The caller has the answer already."


def paths(problems: Responses) -> dict[str, Any]:
    """Describe every route of the public port."""
    return {
        "/me/badges": _customers(
            problems,
            name="Badges",
            summary="The badges of the customer who is logged in",
            description="Whose badges they are is decided by the token alone.",
            parameters=query_parameters(),
            schema="BadgesPage",
            shown=examples.pages(),
            own=(headers.CACHED, headers.LINKED),
        ),
        "/me/badges/summary": _customers(
            problems,
            name="Summary",
            summary="What a home screen shows, in one call",
            description="Totals, the badge that was earned last, and the one that expires next. "
            "What can't be had now is null and named in `incomplete`; null and not named there "
            "means that there is none.",
            parameters=[],
            schema="Summary",
            shown=examples.summaries(),
            own=(headers.CACHED,),
        ),
        "/webhooks/loyalty": {"post": _webhook(problems)},
        "/livez": {"get": _health(problems, "getLive", "Whether the process runs", "live", None)},
        "/readyz": {
            "get": _health(
                problems, "getReady", "Whether the process wants traffic", "ready", "not ready"
            )
        },
        "/openapi.json": {"get": _document(problems)},
        "/docs": {"get": _page(problems, "getDocs", "A page to read and try the API")},
        "/problems/{code}": {"get": _problem_page(problems)},
    }


def query_parameters() -> list[dict[str, Any]]:
    """Describe the query, from the table that parses it.

    Examples stand in the schemas: an example of the parameter itself would be sent by everybody who
    tries the operation in a page, all at once.
    """
    return [
        {
            "name": name,
            "in": "query",
            "description": parameter.description,
            "schema": {**parameter.schema, "examples": [parameter.example]},
        }
        for name, parameter in TABLE.items()
    ]


def _customers(
    problems: Responses,
    *,
    name: str,
    summary: str,
    description: str,
    parameters: list[dict[str, Any]],
    schema: str,
    shown: Mapping[str, Any],
    own: tuple[Mapping[str, headers.Header], ...],
) -> dict[str, Any]:
    """Describe a route that answers for a customer, by GET and by HEAD."""
    content = {
        "application/json": {
            "schema": {"$ref": f"#/components/schemas/{schema}"},
            "examples": dict(shown),
        }
    }
    coded = headers.references(*own, headers.CODED)
    known = {"description": _KNOWN, "headers": headers.references(*own)}
    codes = (*EVERYWHERE, *CUSTOMER)
    common = _CALLER | {"tags": ["Badges"], "description": description}
    return {
        "parameters": [*parameters, *headers.request_references()],
        "get": common
        | {
            "operationId": f"get{name}",
            "summary": summary,
            "responses": {
                "200": {"description": summary, "headers": coded, "content": content},
                "304": known,
                **problems.of(codes),
            },
        },
        "head": common
        | {
            "operationId": f"head{name}",
            "summary": f"{summary}: the header fields alone",
            "responses": {
                "200": {"description": summary, "headers": coded},
                "304": known,
                **problems.of(codes, body=False),
            },
        },
    }


def _webhook(problems: Responses) -> dict[str, Any]:
    name = {"type": "string", "minLength": 1}
    event = {
        "description": "An event of the gateway, named by `eventName` or `eventType`. It reaches "
        "every customer whose identifier it carries, wherever it does.",
        "type": "object",
        "anyOf": [
            {"required": ["eventName"], "properties": {"eventName": name}},
            {
                "required": ["eventType"],
                "properties": {"eventType": name},
                "not": {"required": ["eventName"], "properties": {"eventName": {}}},
            },
        ],
    }
    example = {
        "eventName": "badgeEarned",
        "data": {"customerIdentifiers": {"customerId": 381921157}},
    }
    codes = ("unauthenticated", "not-found", "content-too-large", "cache-unavailable")
    return {
        "tags": ["Events"],
        "operationId": "postEvent",
        "summary": "The gateway tells that a customer's badges changed",
        "description": "What is kept of the customers is fetched anew the next time. Nothing is "
        "there (404) unless a shared secret is configured.",
        "security": [{"webhookSecret": []}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": event, "example": example}},
        },
        "responses": {
            "204": {"description": "Done, or not for us.", "headers": headers.references()},
            **problems.of((*EVERYWHERE, *codes)),
        },
    }


def _health(
    problems: Responses, operation: str, summary: str, good: str, bad: str | None
) -> dict[str, Any]:
    answers = {"200": good} if bad is None else {"200": good, "503": bad}
    return _OPEN | {
        "tags": ["Operation"],
        "operationId": operation,
        "summary": summary,
        "description": "For load balancers and orchestrators.",
        "responses": {
            **{
                status: {
                    "description": text.capitalize(),
                    "headers": headers.references(headers.CACHE_CONTROL),
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/Health"},
                            "example": {"status": text},
                        }
                    },
                }
                for status, text in answers.items()
            },
            **problems.of(EVERYWHERE),
        },
    }


def _document(problems: Responses) -> dict[str, Any]:
    return _open_document(
        problems,
        operation="getOpenapi",
        summary="This document",
        content={
            "application/json": {
                "schema": {"type": "object", "additionalProperties": True},
                "example": {
                    "openapi": "3.1.0",
                    "info": {"title": "...", "version": "1"},
                    "paths": {},
                },
            }
        },
    )


def _page(
    problems: Responses, operation: str, summary: str, *, codes: Iterable[str] = ()
) -> dict[str, Any]:
    content = {
        "text/html": {"schema": {"type": "string"}, "example": "<!doctype html><title>...</title>"}
    }
    return _open_document(
        problems, operation=operation, summary=summary, content=content, codes=codes
    )


def _problem_page(problems: Responses) -> dict[str, Any]:
    code = {
        "name": "code",
        "in": "path",
        "required": True,
        "description": "The code of a problem.",
        "schema": {"type": "string", "enum": list(PROBLEMS)},
        "example": "rate-limited",
    }
    summary = "What a problem means, and what to do"
    page = _page(problems, "getProblem", summary, codes=("not-found",))
    return page | {"parameters": [code, *page["parameters"]]}


def _open_document(
    problems: Responses,
    *,
    operation: str,
    summary: str,
    content: dict[str, Any],
    codes: Iterable[str] = (),
) -> dict[str, Any]:
    """Describe a document that is the same for everybody."""
    return _OPEN | {
        "tags": ["Documentation"],
        "operationId": operation,
        "summary": summary,
        "description": "Public, and kept for a while by browsers and proxies.",
        "parameters": headers.request_references(["If-None-Match"]),
        "responses": {
            "200": {
                "description": summary,
                "headers": headers.references(headers.VALIDATED, headers.CODED),
                "content": content,
            },
            "304": {"description": _KNOWN, "headers": headers.references(headers.VALIDATED)},
            **problems.of((*EVERYWHERE, *codes)),
        },
    }
