"""What came of a chaos run: what it found in all, and in a few lines for people."""

from collections import Counter
from dataclasses import dataclass

from chaos.book import Book, Promise
from chaos.census import Census

CALLERS = 40
PROMISE = Promise(deadline=1.5, fresh_for=1.0, stale_for=10.0)

REDIS_POOL = 3 * CALLERS
"""How many connections to Redis may stay open: a request has up to three commands at once."""

MEMORY_GROWTH = 8 * 2**20
"""By how many bytes the process may grow between the middle and the end of a run."""

EXCUSED_SHARE = 0.02
"""How many answers may be late while this run itself was held up, before it measures nothing."""

UNPROVOKED_SHARE = 0.005
"""How often, by requests, a store that is well may be too slow: the machine may be busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the process held: without a service, with an idle one, halfway, and afterwards."""

    before: Census
    idle: Census
    middle: Census
    settled: Census
    after: Census


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run. `calls` is how often the badges call was made."""

    seed: int
    seconds: float
    book: Book
    calls: int
    left: int
    faults: Counter[str]
    events: Counter[str]
    held: Held


def judge(outcome: Outcome) -> None:
    """Enter what only the whole run shows."""
    book, held = outcome.book, outcome.held
    requests = book.counted["requests"]
    for kind, what in (
        ("left while idle", held.settled.more_than(held.idle, sockets=REDIS_POOL)),
        ("left behind", held.after.more_than(held.before)),
    ):
        if what:
            book.note(kind, what)
    grown = held.settled.memory - held.middle.memory
    if grown > MEMORY_GROWTH:
        book.note("memory", f"{grown / 2**20:.1f} MiB more than halfway")
    worst = book.need.worst
    if worst.share > 1:
        book.note("too many calls", str(worst))
    excused = book.counted["late but for our own lag"]
    if excused > EXCUSED_SHARE * requests:
        book.note("not measured", f"{excused} of {requests} were held up by us")
    if book.reach.unprovoked > UNPROVOKED_SHARE * requests:
        book.note("store lost", f"{book.reach.unprovoked} times while it was well")
    for event in ("internal_error", "entry_rejected"):
        if outcome.events[event]:
            book.note("logged", f"{event}, {outcome.events[event]} times")


def describe(outcome: Outcome) -> str:
    """Say in a few lines what came of a run."""
    book, held = outcome.book, outcome.held
    latencies = ", ".join(
        f"p{share * 100:g} {book.percentile(share) * 1000:.0f} ms" for share in (0.5, 0.99)
    )
    counted = {name: number for name, number in book.counted.items() if "violation" not in name}
    lines = (
        f"seed {outcome.seed}, {outcome.seconds:g} s; {outcome.left} callers left early",
        f"counted: {counted}, store lost while well: {book.reach.unprovoked}",
        f"statuses: {dict(sorted(book.statuses.items()))}; problems: {dict(book.codes)}",
        f"cache: {dict(book.kinds.most_common())}",
        f"latency: {latencies}, most {book.latest * 1000:.0f} ms of {PROMISE.deadline:g} s",
        f"gateway calls: {outcome.calls}, needed {book.need.calls}; {book.need.worst}",
        f"faults: {dict(sorted(outcome.faults.items()))}",
        f"log: {dict(outcome.events.most_common())}",
        f"before: {held.before}; idle: {held.idle}; halfway: {held.middle}",
        f"load over: {held.settled}; service closed: {held.after}",
        f"violations: {_violations(book)}",
    )
    return "\n".join((*lines, *book.violations))


def _violations(book: Book) -> dict[str, int]:
    prefix = "violations: "
    return {
        name.removeprefix(prefix): number
        for name, number in book.counted.items()
        if name.startswith(prefix)
    }
