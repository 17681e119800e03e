"""A process of the service, as an operator has it: started, signalled, waited for, its log read."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 20.0


class Replica:
    """A running process; its log is read all the time, since a full pipe would stop it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._reading = asyncio.create_task(self._read())
        self._news = asyncio.Event()
        self.log: list[dict[str, Any]] = []

    @property
    def public(self) -> tuple[str, int]:
        """Host and port of the public listener, once it listens."""
        return self._address("public")

    @property
    def admin(self) -> tuple[str, int]:
        """Host and port of the admin listener, once it listens."""
        return self._address("admin")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def says(self, event: str) -> dict[str, Any]:
        """Wait for an event in its log, and return it."""
        async with asyncio.timeout(PATIENCE):
            while not (found := self.events(event)):
                self._news.clear()
                await self._news.wait()
        return found[0]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events of that name so far."""
        return [event for event in self.log if event["event"] == name]

    async def ended(self, *, within: float = PATIENCE) -> tuple[int, str]:
        """Wait until it has ended: its exit code, and what it wrote on standard error."""
        assert self._process.stderr is not None
        async with asyncio.timeout(within):
            errors = await self._process.stderr.read()
            code = await self._process.wait()
            await self._reading
        return code, errors.decode()

    async def kill(self) -> None:
        """End it by force, unless it has ended."""
        if self._process.returncode is None:
            self._process.kill()
        await self.ended()

    def _address(self, name: str) -> tuple[str, int]:
        host, _, port = self.events("listening")[0][name].rpartition(":")
        return host, int(port)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.log.append(json.loads(line))
            self._news.set()


async def start(environment: Mapping[str, str]) -> Replica:
    """Start a process and wait until it listens."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "app", "serve"),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    replica = Replica(process)
    try:
        await replica.says("listening")
    except BaseException:
        await replica.kill()
        raise
    return replica


@asynccontextmanager
async def started(environment: Mapping[str, str]) -> AsyncIterator[Replica]:
    """Start a process; at the end it is no more."""
    replica = await start(environment)
    try:
        yield replica
    finally:
        await replica.kill()
