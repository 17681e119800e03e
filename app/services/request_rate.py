"""How many requests a customer may send to this process: a bucket of so many a minute."""

from typing import NamedTuple

from app.domain.identity import Customer
from app.services.ports import Clock

WINDOW = 60
"""The time, in seconds, in which an empty bucket becomes full again."""

_MAX_CUSTOMERS = 50_000
_MICROSECONDS = 1_000_000
_REQUEST = WINDOW * _MICROSECONDS


class RequestRateExceededError(Exception):
    """A customer has no request left; `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("no request left")
        self.retry_after = retry_after


class Allowance(NamedTuple):
    """What a customer has left after a request: `remaining` requests, and more with time.

    `whole_in` is until the quota is whole again, `wait` until the next request will be admitted: 0
    if this one was. Both are whole seconds, rounded up.
    """

    remaining: int
    whole_in: int
    wait: int


class RequestRate:
    """Admits at most `quota` requests of a customer at once, and `quota` a minute in the long run.

    This is the generic cell rate algorithm (ITU-T I.371, annex A): a customer's state is one
    number, the time at which his quota will be whole again. Each request admitted moves it, none
    that is refused does.

    Times are integers, so that nothing is lost to rounding: a microsecond counts `quota`, a request
    `_REQUEST`. They come of a clock of our own that ignores backward steps of the given one. Else a
    step would leave customers without a request until the old time is reached again.

    A quota that is whole needs no entry. Entries are kept by generations: after a window the
    younger becomes the older, and all that is in the older is whole. A generation holds at most
    `max_customers`; with more it ends early, and who asked nothing in all of it starts afresh.
    """

    def __init__(self, *, quota: int, clock: Clock, max_customers: int = _MAX_CUSTOMERS) -> None:
        self.quota = quota
        self._clock = clock
        self._max_customers = max_customers
        self._passed = 0
        self._last_reading = int(clock() * _MICROSECONDS)
        self._generation_ends = WINDOW * _MICROSECONDS
        self._young: dict[Customer, int] = {}
        self._old: dict[Customer, int] = {}

    def __len__(self) -> int:
        """Return the number of entries kept."""
        return len(self._young) + len(self._old)

    def take(self, customer: Customer) -> Allowance:
        """Count a request of a customer, unless it is one too many: then `wait` is not 0."""
        quota = self.quota
        now = self._now() * quota
        whole_at = max(self._young.get(customer) or self._old.get(customer, 0), now)
        excess = whole_at + _REQUEST - now - quota * _REQUEST
        if excess > 0:
            self._young[customer] = whole_at
            return Allowance(0, self._seconds(whole_at - now), self._seconds(excess))
        self._young[customer] = whole_at = whole_at + _REQUEST
        return Allowance(-excess // _REQUEST, self._seconds(whole_at - now), 0)

    def _now(self) -> int:
        """Tell the time that has passed, in microseconds, and begin a generation if it is due."""
        reading = int(self._clock() * _MICROSECONDS)
        if reading > self._last_reading:
            self._passed += reading - self._last_reading
        self._last_reading = reading
        if self._passed >= self._generation_ends or len(self._young) >= self._max_customers:
            self._young, self._old = {}, self._young
            self._generation_ends = self._passed + WINDOW * _MICROSECONDS
        return self._passed

    def _seconds(self, counted: int) -> int:
        """Bring what was counted into whole seconds, rounded up."""
        return -(-counted // (self.quota * _MICROSECONDS))
