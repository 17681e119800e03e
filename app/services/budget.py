"""The gateway's quota is everybody's: what one customer may use up of it."""

from app.domain.failures import BudgetExceededError
from app.domain.identity import Customer
from app.protocol.entries import EntryKeys
from app.services.ports import Clock, EntryStore, Observer, StoreUnavailableError

_WINDOW = 60.0


class CallBudget:
    """Counts a customer's badges calls by the minute, in the store for the whole fleet.

    While that is away each process counts for itself. `calls` is a number per minute; 0 is no
    limit.
    """

    def __init__(
        self, *, store: EntryStore, keys: EntryKeys, calls: int, clock: Clock, observer: Observer
    ) -> None:
        self._store = store
        self._keys = keys
        self._calls = calls
        self._clock = clock
        self._observer = observer
        self._local_window = 0
        self._local: dict[str, int] = {}

    async def take(self, customer: Customer) -> None:
        """Take one call.

        Raises:
            BudgetExceededError: the customer has none left in this minute.

        """
        if not self._calls:
            return
        window, elapsed = divmod(self._clock(), _WINDOW)
        name = f"{self._keys.epoch_name(customer)}:calls:{window:.0f}"
        if await self._count(name, int(window)) > self._calls:
            raise BudgetExceededError(_WINDOW - elapsed)

    async def _count(self, name: str, window: int) -> int:
        try:
            return await self._store.count(name, window=_WINDOW)
        except StoreUnavailableError:
            self._observer.store_failed("count")
        if window != self._local_window:
            self._local_window, self._local = window, {}
        self._local[name] = self._local.get(name, 0) + 1
        return self._local[name]
