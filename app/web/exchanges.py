"""Handlers that are driven from outside, without a task for as long as they need none.

A coroutine is driven to the first thing that it waits for, and on when that is there. That is how
far a cached answer goes. Whoever waits again goes on in a task; Python 3.12 has eager tasks for
this. Until then no task is current, so that `asyncio.timeout` can't be used:
`app.services.deadlines` sees to that.
"""

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any, Protocol

from aiohttp import web

from app.web.lean_response import LeanResponse

Answering = Coroutine[Any, Any, LeanResponse]

_ENDED = object()


class Party(Protocol):
    """Who is told how an exchange ended: by an answer, a fault of ours, or not at all."""

    def deliver(self, exchange: "Exchange", response: LeanResponse) -> None: ...  # noqa: D102
    def fail(self, exchange: "Exchange", error: Exception) -> None: ...  # noqa: D102
    def drop(self, exchange: "Exchange") -> None: ...  # noqa: D102


class Exchange:
    """A request, and the coroutine that answers it, which is driven.

    All of it runs in one context, a copy of the current one (PEP 567), as it would in a task.
    """

    __slots__ = ("_answering", "_awaited", "_context", "_party", "_task", "request")

    def __init__(self, party: Party, request: web.BaseRequest, answering: Answering) -> None:
        self.request = request
        self._party = party
        self._answering = answering
        self._context = copy_context()
        self._awaited: Any = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Drive the coroutine to the first thing that it waits for, and on when that is there."""
        awaited = self._context.run(self._advance)
        if awaited is None:
            self._go_on_in_task(None)
        elif awaited is not _ENDED:
            self._awaited = awaited
            awaited.add_done_callback(self._go_on, context=self._context)

    def in_task(self) -> asyncio.Task[None]:
        """Go on in a task in any case, and return it."""
        return self._task or self._go_on_in_task(self._awaited)

    def _go_on(self, _: asyncio.Future[Any]) -> None:
        if self._task is not None:
            return
        awaited = self._advance()
        if awaited is not _ENDED:
            self._go_on_in_task(awaited)

    def _advance(self) -> Any:  # noqa: ANN401 - a future of any kind
        """Drive it until it waits; return what for (None: for another turn), or `_ENDED`."""
        try:
            return self._answering.send(None)
        except StopIteration as end:
            self._party.deliver(self, end.value)
        except asyncio.CancelledError:
            self._party.drop(self)
        except Exception as error:  # noqa: BLE001 - the border
            self._party.fail(self, error)
        return _ENDED

    def _go_on_in_task(self, awaited: object) -> asyncio.Task[None]:
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._finish(awaited), context=self._context)
        return self._task

    async def _finish(self, awaited: object) -> None:
        try:
            response = await _Rest(self._answering, awaited)
        except asyncio.CancelledError:
            self._party.drop(self)
            raise
        except Exception as error:  # noqa: BLE001 - the border
            self._party.fail(self, error)
        else:
            self._party.deliver(self, response)


class _Rest:
    """The rest of a coroutine that was begun and waits for something: an iterator for `await`.

    What it waits for is handed out once more, to whoever goes on with it now.
    """

    __slots__ = ("_awaited", "_coroutine")

    def __init__(self, coroutine: Answering, awaited: object) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, LeanResponse]:
        return self  # type: ignore[return-value] # it has what is needed of one

    def __iter__(self) -> "_Rest":
        return self

    def __next__(self) -> object:
        awaited, self._awaited = self._awaited, None
        return self._coroutine.send(None) if awaited is None else awaited

    def throw(self, *error: Any) -> object:  # noqa: ANN401 - Python's
        return self._coroutine.throw(*error)


class UnderWay:
    """The exchanges of a listener that have not ended."""

    def __init__(self) -> None:
        self._exchanges: set[Exchange] = set()
        self._waiter: asyncio.Future[None] | None = None

    def add(self, exchange: Exchange) -> None:
        """Note that one begins."""
        self._exchanges.add(exchange)

    def remove(self, exchange: Exchange) -> None:
        """Note that one has ended."""
        self._exchanges.discard(exchange)
        if self._waiter is not None and not self._waiter.done() and not self._exchanges:
            self._waiter.set_result(None)

    async def ended(self) -> None:
        """Wait until all have ended; one at a time may wait."""
        if self._exchanges:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def cut(self) -> None:
        """Leave those unanswered that have not ended."""
        tasks = [exchange.in_task() for exchange in self._exchanges]
        await asyncio.sleep(0)  # a task that is cancelled before its first step runs nothing at all
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
