"""Pushback: how long the gateway is left alone because it said so."""

from dataclasses import dataclass
from types import TracebackType

from app.domain.failures import Failure, GatewayError, Remembered
from app.services.flights import Flights
from app.services.ports import Clock, EntryStore, Observer, StoreUnavailableError

REFUSED_FOR = 30.0
DEFAULT_PAUSE = 5.0
LOOK_EVERY = 0.1
_SHORTEST_PAUSE = 1.0
_LONGEST_PAUSE = 300.0


@dataclass(frozen=True, slots=True)
class _Hold:
    """Why, and until when, the gateway is not asked."""

    failure: Failure
    until: float


class Pushback:
    """Keeps calls from being made while the gateway does not want them.

    A call is made inside of `async with`: it is not made during a pause, and a pause that it brings
    is kept. A pause that the gateway asks for (of 1 to 300 seconds, `DEFAULT_PAUSE` where it does
    not say how long) is shared with the fleet through the store, under `name`, where each process
    looks before a call, unless it did so within `LOOK_EVERY` seconds; while the store is away each
    process keeps what it heard itself. That the gateway refuses us holds up this process for
    `REFUSED_FOR` seconds: it is our configuration that is wrong, and asking on would change
    nothing. `timer` tells monotonic time in seconds.
    """

    def __init__(self, *, store: EntryStore, name: str, timer: Clock, observer: Observer) -> None:
        self._store = store
        self._name = name
        self._timer = timer
        self._observer = observer
        self._hold: _Hold | None = None
        self._look_at = 0.0
        self._looks: Flights[None, None] = Flights()

    @property
    def refused(self) -> bool:
        """Whether the gateway said a short while ago that our credentials are wrong."""
        hold = self._current()
        return hold is not None and hold.failure is Failure.CREDENTIALS_REFUSED

    @property
    def left(self) -> float:
        """How long the gateway is still to be left alone, in seconds."""
        hold = self._current()
        return 0.0 if hold is None else hold.until - self._timer()

    def reason(self) -> GatewayError | None:
        """Return why the gateway is not to be asked now, as far as this process knows."""
        hold = self._current()
        if hold is None:
            return None
        return GatewayError(hold.failure, retry_after=hold.until - self._timer())

    async def __aenter__(self) -> None:
        """Begin a call.

        Raises:
            GatewayError: the gateway is not to be asked now.

        """
        if self._timer() >= self._look_at:
            await self._looks.join(None, self._look)
        reason = self.reason()
        if reason is not None:
            raise reason

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Keep what the call has brought."""
        if isinstance(error, GatewayError):
            await self._note(error)

    async def close(self) -> None:
        """End a look that is under way."""
        await self._looks.close()

    async def _look(self) -> None:
        """Learn of a pause that another process was asked for; calls meanwhile wait for it."""
        began = self._timer()
        try:
            left = await self._store.pause_left(self._name)
        except StoreUnavailableError:
            self._observer.store_failed("pause_left")
            left = 0.0
        self._look_at = began + LOOK_EVERY
        if left:
            self._hold_up(Failure.LIMITED, left)

    async def _note(self, error: GatewayError) -> None:
        if error.treatment.remembered is Remembered.PROCESS:
            self._observer.gateway_refused(error)
            self._hold_up(error.failure, REFUSED_FOR)
        elif error.treatment.remembered is Remembered.FLEET:
            await self._pause(_clamped(error.retry_after))

    async def _pause(self, seconds: float) -> None:
        self._observer.gateway_paused(seconds)
        self._hold_up(Failure.LIMITED, seconds)
        try:
            await self._store.pause(self._name, seconds=seconds)
        except StoreUnavailableError:
            self._observer.store_failed("pause")

    def _hold_up(self, failure: Failure, seconds: float) -> None:
        until = self._timer() + seconds
        hold = self._current()
        if hold is None or hold.until < until:
            self._hold = _Hold(failure, until)

    def _current(self) -> _Hold | None:
        hold = self._hold
        return hold if hold is not None and self._timer() < hold.until else None


def _clamped(seconds: float | None) -> float:
    asked = DEFAULT_PAUSE if seconds is None else seconds
    return min(max(asked, _SHORTEST_PAUSE), _LONGEST_PAUSE)
