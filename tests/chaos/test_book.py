"""The judge of the chaos run finds each kind of violation, and takes nothing else for one."""

from typing import Any

import pytest
from chaos.book import Book, Promise
from chaos.need import WINDOW, Need, calls_allowed
from chaos.reach import Reach
from chaos.samples import Sample
from chaos.schedule import KEY_COOL_DOWN, LONGEST, SHORTEST, schedule

NOW = 1_000_000.0
HIT = "badges-bff; hit; ttl=1"
STORED = "badges-bff; fwd=uri-miss; stored"


def sample(at: float, **changes: Any) -> Sample:
    """Make a request that began so many seconds after the start and was answered well at once."""
    took = changes.pop("took", 0.01)
    usual: dict[str, Any] = {
        "ended": NOW + at + took,
        "took": took,
        "customer": 1,
        "query": 0,
        "generation": 0,
        "status": 200,
        "cache": HIT,
        "as_of": NOW + at,
        "code": "",
        "fault": "",
        "lag": 0.0,
    }
    return Sample(**usual | changes)


def failure(at: float, code: str = "gateway-unavailable", **changes: Any) -> Sample:
    """Make a request that was answered with a 503."""
    return sample(at, **{"status": 503, "cache": "", "as_of": None, "code": code} | changes)


def kinds(book: Book) -> list[str]:
    """Return the kinds of the violations, in order."""
    return [violation.partition(":")[0] for violation in book.violations]


@pytest.fixture
def book() -> Book:
    """A book in which one entry is known to be in the store, fetched at 0."""
    book = Book(Promise(deadline=1.5, fresh_for=1.0, stale_for=10.0))
    book.judge(sample(0, cache=STORED, customer=7, as_of=NOW))
    book.judge(sample(0.1, cache=STORED, as_of=NOW + 0.1))
    assert not book.violations
    return book


def test_wrong_content_is_found(book: Book) -> None:
    """A body that is another customer's is a violation, whatever else is right."""
    book.judge(sample(1, fault="another customer's: [1002]"))

    assert kinds(book) == ["wrong content"]


def test_an_answer_past_the_deadline_is_found(book: Book) -> None:
    """The deadline has a tenth of a second of grace, and no more."""
    book.judge(sample(1, took=1.59))
    assert not book.violations

    book.judge(sample(1, took=1.61))
    assert kinds(book) == ["late"]


def test_what_the_run_itself_delayed_is_discarded_and_counted(book: Book) -> None:
    """Late while the load process was not scheduled, or the driver counted: not the service's."""
    book.disturbed(NOW + 5, NOW + 5.1)

    book.judge(sample(1, took=1.7, lag=0.2))
    book.judge(sample(4, took=1.7))
    assert not book.violations
    assert book.counted["late but for our own lag"] == 2

    book.judge(sample(1, took=1.9, lag=0.2))
    assert kinds(book) == ["late"]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_error_in_place_of_a_stale_entry_is_found(book: Book, status: int) -> None:
    """Until it is past its whole life, an entry in a store in reach is better than an error."""
    book.judge(failure(11.1, status=status))
    assert not book.violations

    book.judge(failure(10, status=status))
    assert kinds(book) == ["error in place of stale"]


def test_an_error_without_an_entry_is_none(book: Book) -> None:
    """Nobody is promised anything of an entry that was never there."""
    book.judge(failure(1, customer=2))
    book.judge(failure(1, query=2))

    assert not book.violations


def test_an_entry_counts_from_when_a_caller_had_it(book: Book) -> None:
    """A request that began before the entry was there may fail."""
    book.judge(sample(2.5, customer=2, cache=STORED))
    book.judge(failure(2, customer=2, took=1.0))

    assert not book.violations


def test_a_store_out_of_reach_excuses(book: Book) -> None:
    """From when something happens to the store until an answer shows that it is used again."""
    book.store_left(NOW + 2, emptied=False)
    book.judge(failure(1.9, took=0.3))
    book.judge(failure(3))
    book.reach.healed(NOW + 4)
    book.judge(failure(5))
    assert not book.violations

    book.judge(sample(6, customer=9, cache=STORED))
    book.judge(failure(7))
    assert kinds(book) == ["error in place of stale"]


def test_an_emptied_store_has_no_entries(book: Book) -> None:
    """What was there before is forgotten; what is there afterwards counts."""
    book.store_left(NOW + 2, emptied=True)
    book.reach.healed(NOW + 3)
    book.judge(sample(4, customer=9, cache=STORED))
    book.judge(sample(4.5, customer=9))
    book.judge(failure(5))
    assert not book.violations

    book.judge(failure(5, customer=9))
    assert kinds(book) == ["error in place of stale"]


def test_an_answer_from_the_process_proves_no_entry_in_the_store(book: Book) -> None:
    """While the store is away, a hit may come from the process: it is not promised to stay."""
    book.store_left(NOW + 2, emptied=True)
    book.judge(sample(2.5, customer=3))
    book.reach.healed(NOW + 3)
    book.judge(sample(4, customer=9, cache=STORED))
    book.judge(failure(5, customer=3))

    assert not book.violations


def test_an_answer_past_its_whole_life_is_found(book: Book) -> None:
    """Stale has an end, however bad things are."""
    book.judge(sample(11, as_of=NOW + 0.1, cache="badges-bff; fwd=stale; detail=stale-if-error"))
    assert not book.violations

    book.judge(sample(12, as_of=NOW + 0.1, cache="badges-bff; fwd=stale; detail=stale-if-error"))
    assert kinds(book) == ["too old"]


@pytest.mark.parametrize("status", [0, 401, 404, 429, 500])
def test_other_answers_are_found(book: Book, status: int) -> None:
    """No fault of a neighbour logs anybody out, loses an answer, or is an error of ours."""
    book.judge(failure(1, status=status, code="odd"))

    assert kinds(book) == ["unexpected answer"]


def test_a_known_key_is_always_judged(book: Book) -> None:
    """A token whose key was accepted before is judged, even while the issuer is away."""
    book.issuer_left()
    book.handed_out(1, NOW + 1)
    book.judge(failure(2, "identity-unavailable", generation=1))
    assert not book.violations

    book.judge(failure(2, "identity-unavailable", generation=0))
    assert kinds(book) == ["known key not judged"]


def test_a_new_key_is_found_in_time(book: Book) -> None:
    """Once the issuer gives it out and the cool-down is over, it has to be known."""
    book.issuer_left()
    book.handed_out(1, NOW + 1)
    book.issuer_healed(NOW + 3)
    book.judge(failure(3 + KEY_COOL_DOWN, "identity-unavailable", generation=1))
    assert not book.violations

    book.judge(failure(5 + KEY_COOL_DOWN, "identity-unavailable", generation=1))
    assert kinds(book) == ["new key not found"]


def test_a_store_that_is_well_is_used(book: Book) -> None:
    """A circuit breaker that never closes again is found."""
    book.store_left(NOW + 1, emptied=False)
    book.reach.healed(NOW + 2)
    book.store_failed(NOW + 13)
    assert not book.violations

    book.store_failed(NOW + 15)
    assert kinds(book) == ["store not used again"]


def test_in_the_calm_all_is_well(book: Book) -> None:
    """When all faults are over and rests are slept out, everybody is answered."""
    book.calm_from = NOW + 5
    book.judge(failure(4.9, customer=2))
    book.judge(sample(5))
    assert not book.violations

    book.judge(failure(5.1, customer=2))
    assert kinds(book) == ["not recovered"]


def test_failed_reads_of_a_store_that_was_in_reach_are_counted() -> None:
    """One for each spell that they end: they have to be rare."""
    reach = Reach()
    reach.reached(NOW, NOW + 1)
    reach.failed(NOW + 2)
    reach.failed(NOW + 3)
    reach.left(NOW + 4)
    reach.failed(NOW + 5)

    assert reach.unprovoked == 1


def test_the_need_is_that_of_a_cache_whose_gateway_always_answers() -> None:
    """A call for each entry and life, and one more when the store has lost it."""
    need = Need(fresh_for=1.0)
    for at in (0.0, 0.5, 0.89, 0.91, 1.5):
        need.asked((1, 0), NOW + at)
    need.asked((2, 0), NOW + 1.5)
    need.lost()
    need.asked((1, 0), NOW + 1.6)

    assert need.calls == 4


def test_a_storm_is_found_whatever_lull_follows() -> None:
    """The bound holds in every window, not only in all."""
    need = Need(fresh_for=1.0)
    for second in range(10 * WINDOW):
        for customer in range(100):
            need.asked((customer, 0), NOW + second)
        need.called(NOW + second, 400 if second < WINDOW else 0)

    assert need.calls == 10 * WINDOW * 100
    assert need.worst.calls == WINDOW * 400
    assert need.worst.share > 1


def test_the_bound_of_calls() -> None:
    """The need and three tenths of it, or three calls a second where that is more."""
    assert calls_allowed(1000, 10.0) == 1300
    assert calls_allowed(10, 10.0) == 40


def test_a_seed_decides_the_schedule() -> None:
    """The same seed gives the same faults; all are over when the calm begins."""
    assert schedule(1, 60.0) == schedule(1, 60.0)
    assert schedule(1, 60.0).events != schedule(2, 60.0).events

    plan = schedule(3, 600.0)
    lasting = [event for event in plan.events if event.seconds]
    assert {event.party for event in lasting} == {"gateway", "token", "keys", "redis"}
    assert all(SHORTEST <= event.seconds <= LONGEST for event in lasting)
    assert all(event.at + event.seconds <= plan.healed_at for event in lasting)
