"""What a caller saw of one request, as the load process tells the driver."""

from typing import NamedTuple


class Sample(NamedTuple):
    """One request from the caller's side.

    `ended` is in Unix seconds, `took` in seconds. `status` is 0 where no answer came: `code` says
    why then, else it is that of a problem. `as_of` (Unix seconds) is None where the answer has
    none. `fault` says what is wrong with the content. For `lag` seconds of it the load process
    itself was not scheduled: so much of `took` may not be the service's.
    """

    ended: float
    took: float
    customer: int
    query: int
    generation: int
    status: int
    cache: str
    as_of: float | None
    code: str
    fault: str
    lag: float

    @property
    def started(self) -> float:
        """When the request was sent."""
        return self.ended - self.took

    @property
    def good(self) -> bool:
        """Whether the caller has his badges."""
        return self.status in {200, 304}

    @property
    def kind(self) -> str:
        """The kind of its Cache-Status, without the times."""
        parts = [part.strip() for part in self.cache.split(";")[1:]]
        return " ".join(
            "stale" if part.startswith("ttl=-") else part
            for part in parts
            if not part.startswith("ttl=") or part.startswith("ttl=-")
        )

    @property
    def stored(self) -> bool:
        """Whether the answer shows that the entry is in the store, if that was in reach."""
        return self.good and any(
            part in self.cache for part in (" hit", " stored", "stale-if-error")
        )

    @property
    def reached(self) -> bool:
        """Whether the answer shows that the store was in reach."""
        return self.good and any(
            part in self.cache for part in ("fwd=uri-miss", "fwd=stale", "ttl=-")
        )
