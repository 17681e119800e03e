"""The OpenAPI document: made once at the start, from what parses queries and encodes answers."""

from typing import Any

import msgspec

from app.domain.badges import KNOWN_IMAGES, BadgesPage
from app.domain.summary import Summary
from app.web.openapi import headers, problems
from app.web.openapi.operations import paths
from app.web.problems import ProblemDetails

_VERSION = "1.0.0"  # of the API, not of the program
_DESCRIPTION = """\
The loyalty badges of whoever is logged in, quickly, in a clean form.

Callers show a bearer token of their identity provider; it alone says whose badges are meant.
Answers may be kept and asked for again with `If-None-Match`, which costs a 304. Enumerations in
answers are open (`x-extensible-enum`): expect values that are not listed. Errors are problems
(RFC 9457) with a stable `code`; `/problems/{code}` says what to do about each.
"""
_TAGS = {
    "Badges": "What customers' apps and the storefront ask.",
    "Events": "What the loyalty gateway tells.",
    "Operation": "What load balancers ask.",
    "Documentation": "What developers read.",
}


def make_document(*, webhook_header: str) -> dict[str, Any]:
    """Make the document; the gateway shows the webhook's shared secret in `webhook_header`."""
    responses = problems.Responses()
    operations = paths(responses)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Badges",
            "version": _VERSION,
            "description": _DESCRIPTION,
            "contact": {"name": "Whoever runs this service"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "Where this document came from."}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": operations,
        "components": {
            "schemas": _schemas(),
            "parameters": headers.request_definitions(),
            "headers": headers.definitions(),
            "responses": responses.definitions,
            "examples": problems.examples(),
            "links": problems.links(),
            "securitySchemes": _security(webhook_header),
        },
    }


def document_bytes(*, webhook_header: str) -> bytes:
    """Encode the document."""
    return msgspec.json.encode(make_document(webhook_header=webhook_header))


def _schemas() -> dict[str, Any]:
    _, components = msgspec.json.schema_components(
        [BadgesPage, Summary, ProblemDetails], ref_template="#/components/schemas/{name}"
    )
    health = {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"type": "string"}},
    }
    _name_images(components["Badge"]["properties"]["images"])
    return components | {"Health": health}


def _name_images(images: dict[str, Any]) -> None:
    """Name the pictures that are always there; a record's type can't say that."""
    images["properties"] = dict.fromkeys(KNOWN_IMAGES, images["additionalProperties"])
    images["required"] = list(KNOWN_IMAGES)


def _security(webhook_header: str) -> dict[str, Any]:
    return {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A token of the configured issuer; a claim names the customer.",
        },
        "webhookSecret": {
            "type": "apiKey",
            "in": "header",
            "name": webhook_header,
            "description": "The secret that the gateway and this service share.",
        },
    }
