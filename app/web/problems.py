"""Errors as callers see them: RFC 9457 problem details, made from one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from app.domain.failures import BudgetExceededError, GatewayError
from app.domain.identity import (
    IdentityUnavailableError,
    InsufficientScopeError,
    InvalidCredentialError,
    MissingCredentialError,
    NoCustomerIdentityError,
)
from app.domain.query import FaultCode, InvalidQueryError, QueryFault
from app.services.load import OverloadedError
from app.services.ports import StoreUnavailableError
from app.services.request_rate import RequestRateExceededError
from app.web.lean_response import LeanResponse
from app.web.problem_table import PROBLEMS

REALM = "badges"
_DEFAULT_PAUSE = 5.0
_LONGEST_PAUSE = 300.0


class Fault(msgspec.Struct, frozen=True):
    """One fault of a query: the parameter, what is wrong with it, and what would be right."""

    parameter: Annotated[str, Meta(examples=["size"])]
    code: Annotated[str, Meta(extra_json_schema={"x-extensible-enum": list(FaultCode)})]
    detail: Annotated[str, Meta(examples=["1 to 100."])]


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A problem (RFC 9457); decide by `code`, quote `requestId` to support."""

    type: Annotated[str, Meta(extra_json_schema={"format": "uri-reference"})]
    title: str
    status: Annotated[int, Meta(extra_json_schema={"minimum": 400, "maximum": 599})]
    detail: str
    code: Annotated[str, Meta(extra_json_schema={"x-extensible-enum": list(PROBLEMS)})]
    request_id: Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Za-z0-9._-]{1,128}$"})]
    errors: Annotated[list[Fault], Meta(description="Of `invalid-query` alone.")] | UnsetType = (
        UNSET
    )


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


def problem_response(answer: Answer, request_id: str) -> LeanResponse:
    """Make the response to a problem."""
    headers = {
        "Content-Type": "application/problem+json",
        "Cache-Control": "no-store",
        **answer.headers,
    }
    body = msgspec.json.encode(details(answer, request_id))
    return LeanResponse(PROBLEMS[answer.code].status, headers, body)


def details(answer: Answer, request_id: str) -> ProblemDetails:
    """Make the body of a problem."""
    problem = PROBLEMS[answer.code]
    return ProblemDetails(
        type=f"/problems/{problem.code}",
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        code=problem.code,
        request_id=request_id,
        **answer.members,
    )


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
    pauses = PROBLEMS[code].pauses
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


def _fault(fault: QueryFault) -> Fault:
    return Fault(fault.parameter, fault.code, fault.detail)
