"""A stand-in for the loyalty gateway: its badges call and its token endpoints, for tests too."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from app.sandbox.behaviour import Behaviour, consult
from app.sandbox.candidates import Candidate, as_seen_by
from app.sandbox.catalogue import RawBadge
from app.sandbox.customers import Customer, Earning
from app.sandbox.parameters import parse_search
from app.sandbox.tokens import (
    ClientCredentials,
    Form,
    IssuedTokens,
    Verdict,
    client_of,
    judge_headers,
)

IDENTIFIERS: Mapping[str, Callable[[Customer], str]] = {
    "customerId": lambda customer: customer.person.customer_id,
    "email": lambda customer: customer.person.email,
    "mobile": lambda customer: customer.person.mobile,
    "externalId": lambda customer: customer.person.external_id,
    "cardNumber": lambda customer: customer.person.card_number,
}
"""What a customer can be asked for by; the first needs no header."""

INVALID_CLIENT, UNKNOWN_CUSTOMER, MALFORMED = 320_001, 1026, 1028
"""Codes of the gateway's error bodies."""

_REFUSALS = {
    Verdict.INVALID: (401, "Invalid access token"),
    Verdict.EXPIRED: (498, "Access token has expired"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedCall:
    """A badges call as it arrived; `target` is the raw path and query, `at` is in Unix seconds.

    `headers` are looked up whatever their case.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    params: Mapping[str, str]
    at: float


@dataclass(kw_only=True, slots=True)
class StandInGateway:
    """The gateway. Its state is public and may be changed at any time, by tests above all.

    `latency` (seconds) delays badges calls. `token_lifetime` is in seconds. The `*_status` fields
    choose the HTTP statuses that the gateway's documentation leaves open; `refusal_status` None
    means the code of the refusal itself, 401 or 498.
    """

    client: ClientCredentials
    badges: list[RawBadge]
    customers: dict[str, Customer]
    clock: Callable[[], float] = time.time
    latency: float = 0.0
    token_lifetime: float = 300.0
    wrong_credentials_status: int = 200
    unknown_customer_status: int = 200
    refusal_status: int | None = None
    behaviour: Behaviour | None = None
    token_behaviour: Behaviour | None = None
    badge_calls: list[RecordedCall] = field(default_factory=list)
    token_calls: int = 0
    tokens: IssuedTokens = field(default_factory=IssuedTokens)

    def application(self) -> web.Application:
        """Return the gateway as an application; each has the same state behind it."""
        application = web.Application()
        application.router.add_post("/v3/oauth/token/generate", self._generate_token)
        application.router.add_post("/oauth/token", self._client_credentials)
        application.router.add_get(
            "/api_gateway/v1/badges/management/{customer}", self._badges, allow_head=False
        )
        application.on_response_prepare.append(_name_request)
        return application

    def revoke_tokens(self) -> None:
        """Make every token issued so far invalid."""
        self.tokens.revoke_all()

    def earn(self, customer_id: str, badge: str, *, at: float | None = None) -> None:
        """Let a customer earn a badge (by its id) once more, now or `at` in Unix seconds."""
        earnings = self.customers[customer_id].earnings
        count = earnings[badge].count + 1 if badge in earnings else 1
        moment = round(self.clock() if at is None else at, 3)
        earnings[badge] = Earning(count=count, last_earned_on=moment)

    async def _generate_token(self, request: web.Request) -> web.StreamResponse:
        """Answer the gateway's own form of a token request."""
        self.token_calls += 1
        special = await consult(self.token_behaviour, request)
        if special is not None:
            return special
        body = await _json_object(request)
        if not self.client.match(body.get("key"), body.get("secret")):
            return _failure(
                self.wrong_credentials_status, INVALID_CLIENT, "Invalid client key and secret"
            )
        token = self._issue(Form.CAPILLARY)
        data = {"accessToken": token, "ttlSeconds": int(self.token_lifetime)}
        return web.json_response({"data": data, "errors": None})

    async def _client_credentials(self, request: web.Request) -> web.StreamResponse:
        """Answer the standard form, RFC 6749, 4.4."""
        self.token_calls += 1
        special = await consult(self.token_behaviour, request)
        if special is not None:
            return special
        form = await request.post()
        if form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        if not self.client.match(*client_of(request.headers, form)):
            challenge = {"WWW-Authenticate": 'Basic realm="gateway"'}
            return web.json_response({"error": "invalid_client"}, status=401, headers=challenge)
        return web.json_response(
            {
                "access_token": self._issue(Form.BEARER),
                "token_type": "Bearer",
                "expires_in": int(self.token_lifetime),
            },
            headers={"Cache-Control": "no-store"},
        )

    def _issue(self, form: Form) -> str:
        return self.tokens.issue(form, now=self.clock(), lifetime=self.token_lifetime)

    async def _badges(self, request: web.Request) -> web.StreamResponse:
        """Answer a badges call, after the behaviour seam, the latency and the credential."""
        self._record(request)
        special = await consult(self.behaviour, request)
        if special is not None:
            return special
        await asyncio.sleep(self.latency)
        verdict = judge_headers(
            request.headers, tokens=self.tokens, client=self.client, now=self.clock()
        )
        if verdict is not Verdict.GOOD:
            code, message = _REFUSALS[verdict]
            return _failure(self.refusal_status or code, code, message)
        return self._answer(request)

    def _record(self, request: web.Request) -> None:
        self.badge_calls.append(
            RecordedCall(
                method=request.method,
                target=request.raw_path,
                headers=request.headers,
                params=dict(request.query),
                at=self.clock(),
            )
        )

    def _answer(self, request: web.Request) -> web.Response:
        identifier = request.headers.get("X-CAP-CUSTOMER-IDENTIFIER", "customerId")
        if identifier not in IDENTIFIERS:
            return _failure(400, MALFORMED, "Invalid identifier type")
        if len(request.query) != len(set(request.query)):
            return _failure(400, MALFORMED, "repeated parameter")
        try:
            search = parse_search(request.query)
            value = customer_segment(request.raw_path)
        except ValueError as fault:
            return _failure(400, MALFORMED, str(fault))
        customer = self._find(identifier, value)
        if customer is None:
            return _failure(self.unknown_customer_status, UNKNOWN_CUSTOMER, "Customer not found")
        data = search.answer(self._candidates(customer))
        return web.json_response({"data": data, "errors": [], "warnings": []})

    def _find(self, identifier: str, value: str) -> Customer | None:
        read = IDENTIFIERS[identifier]
        return next((one for one in self.customers.values() if read(one) == value), None)

    def _candidates(self, customer: Customer) -> list[Candidate]:
        now = self.clock()
        return [as_seen_by(customer, badge, now) for badge in self.badges]


def customer_segment(target: str) -> str:
    """Return the last path segment of a raw request target, decoded once.

    Raises ValueError where it is not UTF-8.
    """
    path, _, _ = target.partition("?")
    return unquote(path.rpartition("/")[2], errors="strict")


async def _json_object(request: web.Request) -> dict[str, Any]:
    """Return the request's JSON object, or an empty one where it holds none."""
    try:
        body = await request.json()
    except json.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _failure(status: int, code: int, message: str) -> web.Response:
    """Return an error in the gateway's form."""
    error = {"code": code, "message": message, "reference": None}
    return web.json_response({"data": None, "errors": [error], "warnings": []}, status=status)


async def _name_request(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Cap-Requestid"] = uuid.uuid4().hex
