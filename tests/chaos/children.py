"""Processes of the chaos run, which talk with their driver in lines of JSON."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
_LONGEST_LINE = 4 * 1024 * 1024
_END_WITHIN = 10.0


class Child:
    """The driver's side of a process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._to = process.stdin
        self._from = process.stdout

    async def tell(self, **message: object) -> None:
        """Send a message; a process that has ended is told nothing."""
        with suppress(ConnectionError):
            self._to.write(json.dumps(message).encode() + b"\n")
            await self._to.drain()

    async def hear(self) -> dict[str, Any]:
        """Wait for the next message.

        Raises:
            EOFError: the process has ended.

        """
        line = await self._from.readline()
        if not line:
            raise EOFError
        heard: dict[str, Any] = json.loads(line)
        return heard

    async def end(self) -> None:
        """Close its input, at which it ends; kill it where it does not."""
        self._to.close()
        try:
            async with asyncio.timeout(_END_WITHIN):
                while await self._from.read(65536):
                    continue
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncIterator[Child]:
    """Run a module in a process of its own until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        cwd=TESTS.parent,
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    started = Child(process)
    try:
        yield started
    finally:
        await started.end()


async def messages() -> AsyncIterator[dict[str, Any]]:
    """Yield what the driver tells this process, until it closes its end."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


def say(**message: object) -> None:
    """Tell the driver something."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
