"""What can go wrong at the gateway, and how each failure is treated: one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Failure(StrEnum):
    """The ways in which a call to the gateway fails, or is not made."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    LIMITED = "limited"
    TOKEN_REJECTED = "token-rejected"  # noqa: S105 - a name, not a secret
    CREDENTIALS_REFUSED = "credentials-refused"
    FORBIDDEN = "forbidden"
    CUSTOMER_UNKNOWN = "customer-unknown"
    UNEXPECTED = "unexpected"
    SERVER_ERROR = "server-error"
    UNREADABLE = "unreadable"
    WRONG_SHAPE = "wrong-shape"
    CIRCUIT_OPEN = "circuit-open"
    OVERLOADED = "overloaded"


class Retry(StrEnum):
    """How often a call may be made again: never, once, as often as is configured, or replayed."""

    NO = "no"
    ONCE = "once"
    YES = "yes, jittered, within the deadline"
    REPLAY = "once, at once, with a new token"


class Remembered(StrEnum):
    """Where a failure is remembered, and for how long."""

    NO = "no"
    ENTRY = "2 s, for this entry"
    MISSING = "`missing_for`; the stale entry is dropped"
    PROCESS = "30 s, process-wide, an alarm"
    FLEET = "the fleet pauses: as long as asked, 1 to 300 s; 5 s where absent"


class Answer(StrEnum):
    """What a caller without a stale entry gets; the codes of the public problems."""

    CUSTOMER_NOT_FOUND = "customer-not-found"
    BAD_ANSWER = "gateway-bad-answer"
    UNAVAILABLE = "gateway-unavailable"
    TIMEOUT = "gateway-timeout"
    OVERLOADED = "overloaded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """How a failure is treated.

    `when` says what counts as this failure; `circuit`, whether it is a sign that the gateway is
    down; `answer` is what a caller without a usable stale entry gets. Every retry and replay draws
    on one budget.
    """

    when: str
    retry: Retry = Retry.NO
    circuit: bool = False
    remembered: Remembered = Remembered.ENTRY
    answer: Answer


TREATMENTS: Mapping[Failure, Treatment] = MappingProxyType(
    {
        Failure.UNREACHABLE: Treatment(
            when="DNS, connect refused or reset, TLS, 502, 504, 520, 521, 503 without Retry-After",
            retry=Retry.YES,
            circuit=True,
            answer=Answer.UNAVAILABLE,
        ),
        Failure.TIMEOUT: Treatment(when="no answer in time", circuit=True, answer=Answer.TIMEOUT),
        Failure.LIMITED: Treatment(
            when="429, or 503 with Retry-After; body code 4001",
            remembered=Remembered.FLEET,
            answer=Answer.UNAVAILABLE,
        ),
        Failure.TOKEN_REJECTED: Treatment(
            when="401, 498, as status or body code",
            retry=Retry.REPLAY,
            remembered=Remembered.NO,
            answer=Answer.UNAVAILABLE,
        ),
        Failure.CREDENTIALS_REFUSED: Treatment(
            when="wrong credentials; a renewed token refused too; any 401 with `basic`",
            remembered=Remembered.PROCESS,
            answer=Answer.UNAVAILABLE,
        ),
        Failure.FORBIDDEN: Treatment(
            when="403, body code 4000",
            remembered=Remembered.PROCESS,
            answer=Answer.UNAVAILABLE,
        ),
        Failure.CUSTOMER_UNKNOWN: Treatment(
            when="codes 1026, 8015, whatever the status",
            remembered=Remembered.MISSING,
            answer=Answer.CUSTOMER_NOT_FOUND,
        ),
        Failure.UNEXPECTED: Treatment(
            when="a bare 404, 400, code 1028, other error bodies, 3xx, anything not named",
            answer=Answer.BAD_ANSWER,
        ),
        Failure.SERVER_ERROR: Treatment(
            when="500 and other 5xx", retry=Retry.ONCE, circuit=True, answer=Answer.BAD_ANSWER
        ),
        Failure.UNREADABLE: Treatment(
            when="not JSON, truncated, too large",
            retry=Retry.ONCE,
            circuit=True,
            answer=Answer.BAD_ANSWER,
        ),
        Failure.WRONG_SHAPE: Treatment(when="JSON of the wrong shape", answer=Answer.BAD_ANSWER),
        Failure.CIRCUIT_OPEN: Treatment(
            when="not asked: too many calls in a row failed",
            remembered=Remembered.NO,
            answer=Answer.UNAVAILABLE,
        ),
        Failure.OVERLOADED: Treatment(
            when="not asked: too many calls wait for their turn",
            remembered=Remembered.NO,
            answer=Answer.OVERLOADED,
        ),
    }
)


class GatewayError(Exception):
    """A call to the gateway failed. Carries no text of the gateway: that may hold anything.

    `retry_after` is the pause that the gateway asked for, or what is left of one, in seconds;
    `request_id` its own id of the failed call, where it gave one.
    """

    def __init__(
        self,
        failure: Failure,
        *,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(failure.value)
        self.failure = failure
        self.retry_after = retry_after
        self.request_id = request_id

    def anew(self) -> "GatewayError":
        """Make one that says the same, for remembering and for raising what is remembered.

        An exception keeps the frames of everybody whom it passed, with all that they hold.
        """
        return GatewayError(self.failure, retry_after=self.retry_after, request_id=self.request_id)

    @property
    def treatment(self) -> Treatment:
        """How this failure is treated."""
        return TREATMENTS[self.failure]


class BudgetExceededError(Exception):
    """A customer has no call to the gateway left; `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("no call left")
        self.retry_after = retry_after
