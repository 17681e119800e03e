"""Whether this process wants traffic."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from app.services.pushback import Pushback

# The contract says 10; an answer takes a moment, too.
WARM_UP_LIMIT = 9.5


class Readiness:
    """Ready once keys and gateway token were *tried*, while no token is refused and nothing ends.

    An unreachable gateway, issuer or store does not make it unready: stale entries can be served,
    and taking all replicas out of the balancer at once helps nobody.
    """

    def __init__(self, *, pushbacks: Sequence[Pushback]) -> None:
        self._pushbacks = pushbacks
        self._warm = False
        self._draining = False

    @property
    def ready(self) -> bool:
        """Whether the load balancer should send requests here."""
        refused = any(pushback.refused for pushback in self._pushbacks)
        return self._warm and not refused and not self._draining

    @property
    def draining(self) -> bool:
        """Whether this process is about to end: it still answers, and wants nothing new."""
        return self._draining

    def drain(self) -> None:
        """Never be ready again."""
        self._draining = True

    async def warm_up(self, attempts: Sequence[Callable[[], Awaitable[object]]]) -> None:
        """Make the first attempts side by side, for at most `WARM_UP_LIMIT` seconds."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(WARM_UP_LIMIT):
                    await asyncio.gather(
                        *(attempt() for attempt in attempts), return_exceptions=True
                    )
        finally:
            self._warm = True
