"""The keys of one issuer: at hand for verification, refreshed behind, kept through an outage."""

import asyncio
from dataclasses import dataclass, replace

from app.domain.identity import IdentityUnavailableError
from app.protocol.key_sets import KeySet, read_key_set
from app.services.flights import Flights
from app.services.load import InFlight, OverloadedError
from app.services.ports import Clock, KeyDocument, KeyDocuments, KeysUnavailableError, Observer

CHECK_EVERY = 60.0
REVALIDATE_AFTER = 3600.0
OUTLIVES_OUTAGE = 86400.0
COOL_DOWN = 10.0
_FIRST_COOL_DOWN = 1.0
# Two kinds of flight: who needs the set as it is now must not join one that began before.
_RENEWAL = "renewal"
_CHECK = "check"
# How long a request waits for keys, in seconds; the fetch goes on for those who come later.
_PATIENCE = 2.0
# How many requests wait for keys at a time: strangers with unknown key ids must not take the room
# of those whose tokens are known.
_MOST_WAITING = 64


@dataclass(frozen=True, slots=True)
class _Held:
    """A key set, the document it was made of, and when the issuer last gave it out.

    `turn` is the number of the fetch that brought it.
    """

    keys: KeySet
    document: bytes
    seen_at: float
    turn: int


@dataclass(slots=True)
class _CoolDown:
    """A rest between attempts of one kind: its length and its end, in seconds."""

    length: float
    until: float = 0.0


class IssuerKeys:
    """Holds the key set of an issuer.

    The documents' own cache decides by Cache-Control whether a check costs a request: it is asked
    every `CHECK_EVERY` seconds, and told to revalidate after `REVALIDATE_AFTER`. While the issuer
    is away, the last good set serves for `OUTLIVES_OUTAGE`. A cool-down starts *before* each
    attempt that a caller's unknown key id or the lack of keys causes, so that a storm of such
    credentials costs the issuer one request. The two have cool-downs of their own: keys that came
    at last may already lack an id, and a stranger's id must not keep those away that are missing.
    `timer` tells monotonic time in seconds: a clock that is set must not outdate keys.
    """

    def __init__(
        self, *, issuer: str, documents: KeyDocuments, timer: Clock, observer: Observer
    ) -> None:
        self._issuer = issuer
        self._documents = documents
        self._timer = timer
        self._observer = observer
        self._held: _Held | None = None
        self._check_at = 0.0
        self._lacking = _CoolDown(_FIRST_COOL_DOWN)
        self._unknown = _CoolDown(COOL_DOWN)
        self._turns = 0
        self._waiting = InFlight(_MOST_WAITING)
        self._flights: Flights[str, None] = Flights()

    @property
    def at_hand(self) -> KeySet | None:
        """The key set in hand, if it may still be used."""
        held = self._held
        outlived = held is not None and self._timer() - held.seen_at > OUTLIVES_OUTAGE
        return None if held is None or outlived else held.keys

    async def current(self) -> KeySet:
        """Return the key set; refresh it behind if it is due, wait only if there is none.

        Raises:
            IdentityUnavailableError: there is none, and it can't be had now.

        """
        keys = self.at_hand
        if keys is None:
            return await self._attempt(self._lacking)
        if self._timer() >= self._check_at:
            self._check_at = self._timer() + CHECK_EVERY
            self._launch_refresh()
        return keys

    async def renewed(self) -> KeySet:
        """Return the key set as the issuer publishes it now, for a key id that is unknown.

        Raises:
            IdentityUnavailableError: the issuer can't be asked now, or was asked a moment ago.

        """
        return await self._attempt(self._unknown)

    async def close(self) -> None:
        """End a fetch that is under way."""
        await self._flights.close()

    async def _attempt(self, cool_down: _CoolDown) -> KeySet:
        """Fetch the set anew, unless a fetch was tried within the cool-down."""
        now = self._timer()
        if _RENEWAL not in self._flights:
            if now < cool_down.until:
                raise IdentityUnavailableError(cool_down.until - now)
            cool_down.until = now + cool_down.length
        try:
            with self._waiting:
                async with asyncio.timeout(_PATIENCE):
                    await self._flights.join(_RENEWAL, lambda: self._fetch(revalidate=True))
        except (KeysUnavailableError, OverloadedError, TimeoutError):
            raise IdentityUnavailableError(cool_down.length) from None
        keys = self.at_hand
        if keys is None:
            raise IdentityUnavailableError(cool_down.length)
        return keys

    def _launch_refresh(self) -> None:
        held = self._held
        too_old = held is None or self._timer() - held.seen_at > REVALIDATE_AFTER
        self._flights.launch(_CHECK, lambda: self._fetch(revalidate=too_old))

    async def _fetch(self, *, revalidate: bool) -> None:
        """Fetch the document and, if it changed, import its keys."""
        self._turns += 1
        turn = self._turns
        try:
            document = await self._documents.fetch(revalidate=revalidate)
            if document.remembered and self._differs(document):
                # What the documents' cache remembers may be older than the set in hand.
                document = await self._documents.fetch(revalidate=True)
            self._accept(document, turn)
        except KeysUnavailableError:
            self._observer.keys_failed(self._issuer)
            raise

    def _differs(self, document: KeyDocument) -> bool:
        return self._held is not None and self._held.document != document.body

    def _accept(self, document: KeyDocument, turn: int) -> None:
        now = self._timer()
        held = self._held
        if held is None or held.turn < turn:
            if held is None or held.document != document.body:
                self._held = _Held(_usable(document.body), document.body, now, turn)
            elif not document.remembered:
                self._held = replace(held, seen_at=now, turn=turn)
        self._check_at = now + CHECK_EVERY


def _usable(document: bytes) -> KeySet:
    try:
        keys = read_key_set(document)
    except ValueError as error:
        raise KeysUnavailableError from error
    if not keys.keys:
        raise KeysUnavailableError
    return keys
