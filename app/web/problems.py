"""Errors as callers see them: RFC 9457 problem details, made from one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from app.domain.failures import BudgetExceededError, GatewayError
from app.domain.identity import (
    IdentityUnavailableError,
    InsufficientScopeError,
    InvalidCredentialError,
    MissingCredentialError,
    NoCustomerIdentityError,
)
from app.domain.query import InvalidQueryError, QueryFault
from app.services.load import OverloadedError
from app.services.ports import StoreUnavailableError
from app.services.request_rate import RequestRateExceededError

REALM = "badges"
_DEFAULT_PAUSE = 5.0
_LONGEST_PAUSE = 300.0


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of problem: its code is the last part of its type."""

    code: str
    status: int
    title: str
    detail: str


PROBLEMS: Mapping[str, Problem] = {
    problem.code: problem
    for problem in (
        Problem("bad-request", 400, "Bad request", "The request or its body is malformed."),
        Problem(
            "invalid-query",
            400,
            "Invalid query",
            "The query string has faults; errors names each of them.",
        ),
        Problem(
            "unauthenticated",
            401,
            "Not authenticated",
            "A valid bearer token is needed. Get a new one, and try once more.",
        ),
        Problem(
            "insufficient-scope",
            403,
            "Insufficient scope",
            "The token is good, but lacks a scope that is needed here.",
        ),
        Problem(
            "no-customer-identity",
            403,
            "No customer identity",
            "The token is good, but names no customer in a way that can be used.",
        ),
        Problem("not-found", 404, "Not found", "There is nothing here."),
        Problem(
            "customer-not-found",
            404,
            "Customer not found",
            "The loyalty programme does not know this customer.",
        ),
        Problem(
            "method-not-allowed",
            405,
            "Method not allowed",
            "This resource does not take that method; Allow names those it takes.",
        ),
        Problem("not-acceptable", 406, "Not acceptable", "Only application/json is to be had."),
        Problem("content-too-large", 413, "Content too large", "The body is too large."),
        Problem("uri-too-long", 414, "URI too long", "The request line is too long."),
        Problem(
            "header-fields-too-large",
            431,
            "Header fields too large",
            "There are too many header fields, or one of them is too long.",
        ),
        Problem(
            "rate-limited",
            429,
            "Too many requests",
            "This customer has used up what is allowed. Try again after Retry-After.",
        ),
        Problem("internal-error", 500, "Internal error", "Something went wrong on our side."),
        Problem(
            "gateway-bad-answer",
            502,
            "Bad answer",
            "The loyalty programme answered something that is not a list of badges.",
        ),
        Problem(
            "gateway-unavailable",
            503,
            "Loyalty programme unavailable",
            "The loyalty programme can't be asked now. Try again after Retry-After.",
        ),
        Problem(
            "cache-unavailable",
            503,
            "Cache unavailable",
            "What is kept can't be invalidated now. Try again after Retry-After.",
        ),
        Problem(
            "identity-unavailable",
            503,
            "Identity unavailable",
            "Tokens can't be verified now. Keep the token, and try again after Retry-After.",
        ),
        Problem(
            "overloaded",
            503,
            "Overloaded",
            "There is too much to do here now. Try again after Retry-After.",
        ),
        Problem(
            "gateway-timeout",
            504,
            "No answer in time",
            "The loyalty programme did not answer in time.",
        ),
    )
}


class ProblemError(Exception):
    """A handler's way to answer with a problem and headers of its own."""

    def __init__(self, code: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Answer:
    """A problem to be answered: its code, its own headers and further members."""

    code: str
    headers: Mapping[str, str]
    members: Mapping[str, Any]


def answer_to(error: Exception) -> Answer | None:
    """Find the problem that tells a caller of an error; None if it is a fault of ours."""
    answers = (
        _own_answer(error),
        _limit_answer(error),
        _identity_answer(error),
        _http_answer(error),
    )
    return next((answer for answer in answers if answer is not None), None)


def problem_response(answer: Answer, request_id: str) -> web.Response:
    """Make the response to a problem."""
    problem = PROBLEMS[answer.code]
    body = msgspec.json.encode(
        {
            "type": f"/problems/{problem.code}",
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            "code": problem.code,
            "requestId": request_id,
            **answer.members,
        }
    )
    headers = CIMultiDict(
        {"Content-Type": "application/problem+json", "Cache-Control": "no-store", **answer.headers}
    )
    return web.Response(status=problem.status, body=body, headers=headers)


def _own_answer(error: Exception) -> Answer | None:
    match error:
        case ProblemError():
            return Answer(error.code, error.headers, {})
        case InvalidQueryError():
            return Answer("invalid-query", {}, {"errors": [_fault(f) for f in error.faults]})
        case GatewayError():
            return _gateway_answer(error)
        case StoreUnavailableError():
            return Answer("cache-unavailable", _pause(None), {})
    return None


def _limit_answer(error: Exception) -> Answer | None:
    match error:
        case BudgetExceededError() | RequestRateExceededError():
            return Answer("rate-limited", _pause(error.retry_after), {})
        case OverloadedError():
            return Answer("overloaded", _pause(None), {})
    return None


def _identity_answer(error: Exception) -> Answer | None:
    match error:
        case MissingCredentialError():
            return Answer("unauthenticated", _challenge(), {})
        case InvalidCredentialError():
            return Answer("unauthenticated", _challenge(error="invalid_token"), {})
        case InsufficientScopeError():
            challenge = _challenge(error="insufficient_scope", scope=error.scope)
            return Answer("insufficient-scope", challenge, {})
        case NoCustomerIdentityError():
            return Answer("no-customer-identity", {}, {})
        case IdentityUnavailableError():
            return Answer("identity-unavailable", _pause(error.retry_after), {})
    return None


def _gateway_answer(error: GatewayError) -> Answer:
    code = error.treatment.answer.value
    pauses = PROBLEMS[code].status == 503  # noqa: PLR2004
    return Answer(code, _pause(error.retry_after) if pauses else {}, {})


def _http_answer(error: Exception) -> Answer | None:
    """Bring aiohttp's own errors into the contract's form."""
    match error:
        case web.HTTPNotFound():
            return Answer("not-found", {}, {})
        case web.HTTPMethodNotAllowed():
            return Answer("method-not-allowed", {"Allow": error.headers["Allow"]}, {})
        case web.HTTPRequestEntityTooLarge():
            return Answer("content-too-large", {}, {})
        case web.HTTPClientError():
            return Answer("bad-request", {}, {})
    return None


def _pause(seconds: float | None) -> dict[str, str]:
    """Write Retry-After in whole seconds, at least 1."""
    clamped = min(max(_DEFAULT_PAUSE if seconds is None else seconds, 1.0), _LONGEST_PAUSE)
    return {"Retry-After": str(ceil(clamped))}


def _challenge(**parameters: str) -> dict[str, str]:
    """Write WWW-Authenticate (RFC 6750 section 3)."""
    listed = "".join(f', {name}="{value}"' for name, value in parameters.items())
    return {"WWW-Authenticate": f'Bearer realm="{REALM}"{listed}'}


def _fault(fault: QueryFault) -> dict[str, str]:
    return {"parameter": fault.parameter, "code": fault.code, "detail": fault.detail}
