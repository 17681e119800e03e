"""The header fields of requests and answers, as the OpenAPI document describes them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.web.cors import EXPOSED
from app.web.problems import REALM


@dataclass(frozen=True, slots=True)
class Header:
    """A header field of an answer; `always`: wherever it is listed, it is there."""

    description: str
    example: str | int
    always: bool = True

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its value."""
        whole = isinstance(self.example, int)
        return {"type": "integer", "minimum": 0} if whole else {"type": "string"}


ALWAYS: Mapping[str, Header] = {
    "X-Request-Id": Header(
        "The request's id: the caller's own if it was well-formed, else a new one. Quote it to "
        "support.",
        "4f8a1c5d2e9b47d0a6f3c8e1b5d7092f",
    ),
    "Server-Timing": Header("Durations by stage, in milliseconds.", "cache;dur=0.4, total;dur=0.9"),
    "X-Content-Type-Options": Header("The media type is as it is said.", "nosniff"),
    "Content-Security-Policy": Header(
        "What a browser may load for an answer that it shows as a page.",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    "Cross-Origin-Resource-Policy": Header(
        "Other sites may not embed answers. Reading them by CORS is not touched by it.",
        "same-origin",
    ),
    "Referrer-Policy": Header("Addresses are not told to other sites.", "no-referrer"),
    "Access-Control-Allow-Origin": Header(
        "The origin of the page that asked, if it is a listed one.",
        "https://shop.example",
        always=False,
    ),
    "Access-Control-Expose-Headers": Header(
        "The header fields that a page of a listed origin may read.",
        ", ".join(EXPOSED),
        always=False,
    ),
    "Vary": Header(
        "The request header fields that the answer depends on.",
        "Accept-Encoding, Origin",
        always=False,
    ),
}

CACHE_CONTROL: Mapping[str, Header] = {
    "Cache-Control": Header(
        "`private, no-cache`: keep the answer, and ask each time whether it is still right. "
        "`no-store` on problems and on summaries that are incomplete.",
        "private, no-cache",
    ),
}

VALIDATED: Mapping[str, Header] = {
    **CACHE_CONTROL,
    "ETag": Header(
        "A strong entity tag: a digest of the content and its coding, never of time.",
        '"5cF0m1jvXw2kzq9sUe3B"',
    ),
}

CODED: Mapping[str, Header] = {
    "Content-Encoding": Header("`gzip`, where the caller accepts it.", "gzip", always=False),
}

LIMITED: Mapping[str, Header] = {
    "RateLimit-Policy": Header(
        "`q` requests at once, restored evenly over `w` seconds; while the limit is on.",
        '"customer";q=120;w=60',
        always=False,
    ),
    "RateLimit": Header(
        "`r` requests are left; in `t` seconds it is all of them again.",
        '"customer";r=119;t=12',
        always=False,
    ),
}

CACHED: Mapping[str, Header] = {
    **VALIDATED,
    **LIMITED,
    "Age": Header("Seconds since the fetch from the loyalty programme began.", 12),
    "Badges-As-Of": Header("When that fetch began.", "2026-11-23T07:00:00.000Z"),
    "Cache-Status": Header(
        "Where the answer came from (RFC 9211): `hit`, or `fwd` with the reason. A negative "
        "`ttl` or `detail=stale-if-error` says that it is stale.",
        "badges-bff; hit; ttl=41",
    ),
}

LINKED: Mapping[str, Header] = {
    "Link": Header(
        "The other pages of the list, as references to resolve against the request's address: "
        "`next`, `prev`, `first`, `last` (RFC 8288).",
        '<?page=2&size=10>; rel="next", <?page=1&size=10>; rel="first"',
    ),
}

ALLOW: Mapping[str, Header] = {"Allow": Header("The methods that are taken.", "GET, HEAD, OPTIONS")}

CHALLENGE: Mapping[str, Header] = {
    "WWW-Authenticate": Header(
        "What is wanted (RFC 6750). `error` is there only where a credential was given.",
        f'Bearer realm="{REALM}", error="invalid_token"',
        always=False,
    ),
}

PAUSE: Mapping[str, Header] = {
    "Retry-After": Header("Whole seconds to wait, at least 1; add some at random.", 5),
}

_EVERY: Mapping[str, Header] = {
    **ALWAYS,
    **CODED,
    **CACHED,
    **LINKED,
    **ALLOW,
    **CHALLENGE,
    **PAUSE,
}

REQUEST: Mapping[str, tuple[str, str]] = {
    "If-None-Match": (
        (
            "The entity tag of the answer that the caller keeps. Leave this to the browser; "
            "elsewhere send `Cache-Control: max-age=0` with it: the Fetch Standard adds `no-cache` "
            "(pull to refresh) where nothing is said."
        ),
        '"5cF0m1jvXw2kzq9sUe3B"',
    ),
    "Cache-Control": (
        "`no-cache` (pull to refresh): fetch anew what is more than five seconds old.",
        "no-cache",
    ),
    "X-Request-Id": (
        "An id for the request: 1 to 128 of `A-Z a-z 0-9 . _ -`; another is replaced.",
        "4f8a1c5d2e9b47d0a6f3c8e1b5d7092f",
    ),
    "traceparent": (
        "The caller's place in a trace (W3C Trace Context).",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
}


def references(*groups: Mapping[str, Header]) -> dict[str, Any]:
    """Refer to header fields from an answer; those that all answers have come with them."""
    names = dict.fromkeys(name for group in (*groups, ALWAYS) for name in group)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def definitions() -> dict[str, Any]:
    """Describe every header field of answers."""
    return {
        name: {
            "description": header.description,
            "required": header.always,
            "schema": header.schema,
            "example": header.example,
        }
        for name, header in _EVERY.items()
    }


def request_references(names: Iterable[str] = REQUEST) -> list[dict[str, Any]]:
    """Refer to the header fields that a request may have."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def request_definitions() -> dict[str, Any]:
    """Describe the header fields that requests may have; any value of theirs is taken."""
    return {
        name: {
            "name": name,
            "in": "header",
            "description": description,
            "schema": {"type": "string", "examples": [example]},
        }
        for name, (description, example) in REQUEST.items()
    }
