"""A storefront's server: the compiled client in Node, told by the test what to do."""

import asyncio
import json
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

Tokens = Callable[[str | None], str]
Pause = Callable[[float], Awaitable[None]]


@dataclass
class Shop:
    """Gives orders to the client; it asks back for tokens and for pauses.

    `tokens` is given the token that was refused, or None. `pause` is given seconds; it need not
    last so long.
    """

    process: Process
    tokens: Tokens
    pause: Pause
    pauses: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def answer(self, call: str, **order: Any) -> Any:
        """Return what a call gave."""
        told = await self._carry_out({"call": call, **order})
        assert "answer" in told, told
        return told["answer"]

    async def problem(self, call: str, **order: Any) -> Any:
        """Return the problem that a call ended in."""
        told = await self._carry_out({"call": call, **order})
        assert "problem" in told, told
        return told["problem"]

    async def _carry_out(self, order: dict[str, Any]) -> dict[str, Any]:
        self._write(order)
        async with asyncio.timeout(20):
            while not ({"answer", "problem"} & (told := await self._read()).keys()):
                self._write(await self._reply(told))
        return told

    async def _reply(self, question: dict[str, Any]) -> str | None:
        if "token" in question:
            if question["token"] is not None:
                self.refused.append(question["token"])
            return self.tokens(question["token"])
        self.pauses.append(question["pause"])
        await self.pause(question["pause"])
        return None

    def _write(self, message: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        assert line, "the client has ended"
        told = json.loads(line)
        assert isinstance(told, dict)
        return told


Open = Callable[[str], Awaitable[Shop]]
"""Starts a client of the service at an origin."""
