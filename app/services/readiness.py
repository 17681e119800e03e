"""Whether this process wants traffic."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from app.services.pushback import Pushback

WARM_UP_LIMIT = 10.0


class Readiness:
    """Ready once keys and gateway token were *tried*, and as long as no token is refused.

    An unreachable gateway, issuer or store does not make it unready: stale entries can be served,
    and taking all replicas out of the balancer at once helps nobody.
    """

    def __init__(self, *, pushback: Pushback) -> None:
        self._pushback = pushback
        self._warm = False

    @property
    def ready(self) -> bool:
        """Whether the load balancer should send requests here."""
        return self._warm and not self._pushback.refused

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
