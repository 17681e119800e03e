"""The summary: made of several answers, each an ordinary entry of the cache."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.badges import BadgesPage
from app.domain.failures import BudgetExceededError, Failure, GatewayError
from app.domain.identity import Customer
from app.domain.query import BadgesQuery, SortField, Status, View
from app.domain.summary import Summary, Totals, last_earned, next_to_expire
from app.protocol import instants
from app.protocol.content import decode_page
from app.protocol.query import MAX_SIZE
from app.services import deadlines
from app.services.badges import BadgesReader, Served
from app.services.load import OverloadedError
from app.services.ports import Clock

# Large pages, so that most customers' earned badges are all on the first.
_EARNED = BadgesQuery(view=View.EARNED, sort=SortField.LAST_EARNED_AT, size=MAX_SIZE)
_EXPIRING = BadgesQuery(view=View.EARNED, status=Status.LIVE, descending=False, size=MAX_SIZE)
_VIEWS = {view: BadgesQuery(view=view) for view in View} | {View.EARNED: _EARNED}

_FAILURES = (GatewayError, BudgetExceededError, OverloadedError)


@dataclass(frozen=True, slots=True)
class _Part:
    """One answer, or why there is none."""

    served: Served | None
    page: BadgesPage | None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Summarised:
    """A summary, and the answers that it was made of: at least one."""

    summary: Summary
    parts: list[Served]


class SummaryReader:
    """Makes summaries of what a `BadgesReader` answers to a few queries, asked side by side."""

    def __init__(self, *, reader: BadgesReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock

    async def read(self, customer: Customer, *, until: float, pulled: bool = False) -> Summarised:
        """Make a customer's summary; what can't be had by `until`, in the loop's time, is left out.

        Raises:
            GatewayError, BudgetExceededError, OverloadedError: nothing at all can be had, or the
                customer is unknown to the loyalty programme.

        """

        async def ask(query: BadgesQuery) -> _Part:
            try:
                served = await self._reader.read(customer, query, until=until, pulled=pulled)
            except _FAILURES as error:
                return _Part(None, None, error)
            return _Part(served, decode_page(served.entry.body or b""))

        await deadlines.in_task()
        async with asyncio.TaskGroup() as group:
            tasks = {view: group.create_task(ask(query)) for view, query in _VIEWS.items()}
        views = {view: task.result() for view, task in tasks.items()}
        _raise_if_hopeless(list(views.values()))
        earned = views[View.EARNED]
        expiring = earned if _holds_all(earned) else await ask(_EXPIRING)
        parts = [*views.values(), *([] if expiring is earned else [expiring])]
        return Summarised(
            self._summary(views, expiring),
            [part.served for part in parts if part.served is not None],
        )

    def _summary(self, views: dict[View, _Part], expiring: _Part) -> Summary:
        now = instants.to_text(int(self._clock() * 1000))
        totals = {view.value: _total(part) for view, part in views.items()}
        earned = views[View.EARNED].page
        return Summary(
            totals=Totals(**totals),
            last_earned=None if earned is None else last_earned(earned.badges),
            next_to_expire=(
                None if expiring.page is None else next_to_expire(expiring.page.badges, now=now)
            ),
            incomplete=list(_incomplete(totals, views[View.EARNED], expiring)),
        )


def _incomplete(totals: dict[str, int | None], earned: _Part, expiring: _Part) -> Iterator[str]:
    yield from (f"totals.{name}" for name, total in totals.items() if total is None)
    if earned.page is None:
        yield "lastEarned"
    if expiring.page is None:
        yield "nextToExpire"


def _total(part: _Part) -> int | None:
    return None if part.page is None else part.page.page.total_items


def _holds_all(earned: _Part) -> bool:
    """Whether the page of earned badges is all there is; if it failed, asking again helps not."""
    if earned.page is None:
        return True
    number, total = len(earned.page.badges), _total(earned)
    return number < MAX_SIZE if total is None else total <= number


def _raise_if_hopeless(parts: list[_Part]) -> None:
    """Raise if there is no part, or if one says that there is no such customer."""
    errors = [part.error for part in parts if part.error is not None]
    for error in errors:
        if isinstance(error, GatewayError) and error.failure is Failure.CUSTOMER_UNKNOWN:
            raise error
    if len(errors) == len(parts):
        raise errors[0]
