"""Admission: everything that comes before a customer's query, in the contract's order."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter

from aiohttp import web
from msgspec import Struct

from app.domain.identity import Customer, InvalidCredentialError, MissingCredentialError
from app.protocol.entries import EntryKeys
from app.services.authentication import Authenticator
from app.services.load import InFlight
from app.services.request_rate import WINDOW, RequestRate, RequestRateExceededError
from app.web.envelope import JOURNEY, Journey
from app.web.lean_response import Handler, LeanResponse
from app.web.negotiation import accepts_json
from app.web.problems import ProblemError

_SCHEME = "bearer "


class Admitted(Struct, frozen=True):
    """A request whose customer is known; `until` is its deadline, in the loop's time.

    `pulled`: the customer asked for what is there now.
    """

    customer: Customer
    until: float
    pulled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Lets requests in: Accept, load, credential and identity, request rate; then the handler.

    Without a request rate there is no limit to it. A request has `deadline` seconds in all, by
    `timer`, which tells the loop's time.
    """

    authenticator: Authenticator
    keys: EntryKeys
    in_flight: InFlight
    request_rate: RequestRate | None
    deadline: float
    timer: Callable[[], float]

    def handler(
        self, answer: Callable[[web.Request, Admitted], Awaitable[LeanResponse]]
    ) -> Handler:
        """Make a handler of what answers the requests that were let in."""

        async def handle(request: web.Request) -> LeanResponse:
            until = self.timer() + self.deadline
            if not accepts_json(request.headers.getall("Accept", ())):
                raise ProblemError("not-acceptable")
            with self.in_flight:
                started = perf_counter()
                token = _token(request)
                customer = self.authenticator.remembered(token)
                if customer is None:
                    customer = await self.authenticator.authenticate(token, until=until)
                self._note(customer, request[JOURNEY], perf_counter() - started)
                return await answer(request, Admitted(customer, until, _is_pulled(request)))

        return handle

    def _note(self, customer: Customer, journey: Journey, seconds: float) -> None:
        """Note who it is, which took so long to find out, and count the request."""
        journey.record.identity_duration = round(seconds, 6)
        journey.record.customer = self.keys.pseudonym(customer)
        if self.request_rate is not None:
            _take_one(self.request_rate, customer, journey)


def _token(request: web.Request) -> str:
    """Return the one bearer token of the request (RFC 6750 section 2.1)."""
    given = request.headers.getall("Authorization", ())
    if not given or not given[0][: len(_SCHEME)].lower().startswith(_SCHEME):
        raise MissingCredentialError
    if len(given) > 1:
        raise InvalidCredentialError("more than one")
    return given[0][len(_SCHEME) :].strip()


def _take_one(request_rate: RequestRate, customer: Customer, journey: Journey) -> None:
    """Count the request, and tell the customer in any case what is left of his quota.

    The fields are those of draft-ietf-httpapi-ratelimit-headers-11: `q` requests at once, restored
    evenly over `w` seconds; `r` are left now, and in `t` seconds the quota is whole again. The next
    request is admitted before that: when `Retry-After` says, which takes precedence (section 7).
    """
    remaining, whole_in, wait = request_rate.take(customer)
    journey.fields = (
        f'RateLimit-Policy: "customer";q={request_rate.quota};w={WINDOW}\r\n'
        f'RateLimit: "customer";r={remaining};t={whole_in}\r\n'
    )
    if wait:
        raise RequestRateExceededError(wait)


def _is_pulled(request: web.Request) -> bool:
    """Whether the caller pulled to refresh: `no-cache`, the one directive that is heeded."""
    if "Cache-Control" not in request.headers:
        return False
    given = ",".join(request.headers.getall("Cache-Control"))
    return any(item.strip().lower() == "no-cache" for item in given.split(","))
