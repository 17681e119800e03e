"""The driver's book: what callers were promised, and whether they got it."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from chaos.need import Need
from chaos.reach import Reach
from chaos.samples import Sample
from chaos.schedule import KEY_COOL_DOWN

GRACE = 0.1
"""By how many seconds an answer may pass the deadline."""

STORE_USED_AGAIN_WITHIN = 12.0
"""The longest pause of the store's circuit breaker, and a request that ends it, in seconds."""

_FAILURES = frozenset({502, 503, 504})
_UNJUDGED = "identity-unavailable"
_MARGIN = 0.05
_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The configuration that the promises rest on; seconds."""

    deadline: float
    fresh_for: float
    stale_for: float

    @property
    def whole_life(self) -> float:
        """For how long after its fetch an answer may be served."""
        return self.fresh_for + self.stale_for


class Book:
    """Judges what callers saw. All times are Unix seconds."""

    def __init__(self, promise: Promise) -> None:
        self._promise = promise
        self.reach = Reach()
        self.need = Need(fresh_for=promise.fresh_for)
        self._entries: dict[tuple[int, int], deque[tuple[float, float]]] = {}
        self._emptied_at = 0.0
        self._handed_out: dict[int, float] = {}
        self._accepted: dict[int, float] = {}
        self._issuer_well_since: float | None = 0.0
        self._disturbed: deque[tuple[float, float]] = deque(maxlen=100)
        self.calm_from: float | None = None
        self.on: list[str] = []
        self.counted: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.codes: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.milliseconds: Counter[int] = Counter()
        self.latest = 0.0
        self.violations: list[str] = []

    # What the driver does, and is told.

    def store_left(self, at: float, *, emptied: bool) -> None:
        """Something begins to happen to the store that keeps it from being read."""
        self.reach.left(at)
        self.need.lost()
        if emptied:
            self._emptied_at = at

    def store_failed(self, at: float) -> None:
        """The service could not read the store."""
        missed = self.reach.missed_for(at)
        if missed > STORE_USED_AGAIN_WITHIN:
            self.note("store not used again", f"well for {missed:.1f} s")
        if self.reach.failed(at):
            self.need.lost()

    def issuer_left(self) -> None:
        """The issuer does not give out its keys."""
        self._issuer_well_since = None

    def issuer_healed(self, at: float) -> None:
        """It does again."""
        self._issuer_well_since = at

    def handed_out(self, generation: int, at: float) -> None:
        """Customers have tokens under a new key."""
        self._handed_out[generation] = at

    def disturbed(self, since: float, until: float) -> None:
        """The driver kept the service's process busy: what was late meanwhile says nothing."""
        self._disturbed.append((since, until))

    # What callers saw.

    def judge(self, sample: Sample) -> None:
        """Enter a request, and every promise that it breaks."""
        self._count(sample)
        for kind, what in self._broken(sample):
            on = ", ".join(self.on) or "none"
            self.note(kind, f"{what}; {_describe(sample)}; faults on: {on}")
        self.need.asked((sample.customer, sample.query), sample.started)
        self._learn(sample)

    def note(self, kind: str, what: str) -> None:
        """Enter a violation; of each kind the first few are kept in full."""
        self.counted[f"violations: {kind}"] += 1
        if self.counted[f"violations: {kind}"] <= _SHOWN:
            self.violations.append(f"{kind}: {what}")

    def percentile(self, share: float) -> float:
        """Return the latency that this share of requests does not pass, in seconds."""
        wanted, seen = share * self.milliseconds.total(), 0
        for milliseconds in sorted(self.milliseconds):
            seen += self.milliseconds[milliseconds]
            if seen >= wanted:
                return milliseconds / 1000
        return 0.0

    def _broken(self, sample: Sample) -> Iterator[tuple[str, str]]:
        if sample.fault:
            yield "wrong content", sample.fault
        if self._is_late(sample):
            yield (
                f"late {sample.code}".strip(),
                f"{sample.took - self._promise.deadline:.3f} s past the deadline",
            )
        if sample.code == _UNJUDGED:
            yield from self._wrongly_unjudged(sample)
        elif sample.status in _FAILURES:
            yield from self._had_stale(sample)
        elif not sample.good:
            yield "unexpected answer", sample.code
        elif self._is_too_old(sample):
            yield "too old", f"fetched {sample.ended - (sample.as_of or 0.0):.2f} s ago"
        if self.calm_from is not None and sample.started >= self.calm_from and not sample.good:
            yield "not recovered", "all faults are over"

    def _is_late(self, sample: Sample) -> bool:
        latest = self._promise.deadline + GRACE
        if sample.took <= latest:
            return False
        disturbed = any(
            since < sample.ended and sample.started < until for since, until in self._disturbed
        )
        excused = disturbed or sample.took - sample.lag <= latest
        self.counted["late but for our own lag"] += excused
        return not excused

    def _is_too_old(self, sample: Sample) -> bool:
        """Whether the answer was past its whole life when it was asked for."""
        whole_life = self._promise.whole_life
        return sample.as_of is None or sample.started - _MARGIN > sample.as_of + whole_life

    def _had_stale(self, sample: Sample) -> Iterator[tuple[str, str]]:
        """A 5xx while a usable entry was in a store in reach, and callers knew it before."""
        if not self.reach.held(sample.started, sample.ended):
            self.counted["errors without a store in reach"] += 1
            return
        self.counted["errors with a store in reach"] += 1
        whole_life = self._promise.whole_life
        for known_at, as_of in self._entries.get((sample.customer, sample.query), ()):
            known = self._emptied_at < known_at <= sample.started
            if known and sample.ended + _MARGIN < as_of + whole_life:
                age = sample.ended - as_of
                yield "error in place of stale", f"an entry {age:.2f} s old was usable"
                return

    def _wrongly_unjudged(self, sample: Sample) -> Iterator[tuple[str, str]]:
        """A token that can't be judged, though its key was known, or could be for long enough."""
        accepted_at = self._accepted.get(sample.generation)
        if accepted_at is not None and accepted_at <= sample.started:
            yield "known key not judged", f"generation {sample.generation} was accepted before"
        well_since = self._issuer_well_since
        if well_since is None:
            return
        possible_at = max(well_since, self._handed_out.get(sample.generation, 0.0))
        if sample.started > possible_at + KEY_COOL_DOWN + self._promise.deadline:
            yield "new key not found", f"the issuer is well for {sample.started - well_since:.1f} s"

    def _learn(self, sample: Sample) -> None:
        """Take from an answer what it shows of the service's state."""
        if sample.status and sample.code != _UNJUDGED:
            self._accepted.setdefault(sample.generation, sample.ended)
        if sample.reached and self.reach.reached(sample.started, sample.ended):
            self.need.lost()
        if sample.as_of is None or not sample.stored:
            return
        if self.reach.held(sample.started, sample.ended):
            key = sample.customer, sample.query
            entries = self._entries.setdefault(key, deque(maxlen=8))
            if not entries or sample.as_of > entries[-1][1] or entries[-1][0] <= self._emptied_at:
                entries.append((sample.ended, sample.as_of))

    def _count(self, sample: Sample) -> None:
        self.counted["requests"] += 1
        self.statuses[sample.status] += 1
        if sample.code:
            self.codes[sample.code] += 1
        if sample.kind:
            self.kinds[sample.kind] += 1
        self.milliseconds[round(sample.took * 1000)] += 1
        self.latest = max(self.latest, sample.took - sample.lag)


def _describe(sample: Sample) -> str:
    return (
        f"customer {sample.customer}, query {sample.query}, generation {sample.generation}: "
        f"{sample.status} {sample.code} {sample.cache} after {sample.took:.3f} s"
    )
