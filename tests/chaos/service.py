"""The service of the chaos run, in the driver's process, and its log."""

import asyncio
import io
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession
from chaos.book import Promise
from chaos.neighbours import AUDIENCE, CLIENT_ID, CLIENT_SECRET

from app.adapters import logs
from app.bootstrap import running
from app.settings import load_settings

STORE_TIMEOUT = 0.3
"""Longer than by default: on a busy machine a store that is well may take 50 ms, too."""

SOFT_TIMEOUT = 0.2


class Log(io.BytesIO):
    """Counts the events of the service's log and keeps none; `store_unread` is told of failures."""

    def __init__(self, store_unread: Callable[[float], None]) -> None:
        super().__init__()
        self.events: Counter[str] = Counter()
        self._store_unread = store_unread

    def write(self, line: Any) -> int:
        """Take one line."""
        event = json.loads(bytes(line))
        self.events[event["event"]] += 1
        if event["event"] == "store_failed" and event["operation"] == "read":
            self._store_unread(time.time())
        return len(line)


@asynccontextmanager
async def serving(addresses: Mapping[str, str], promise: Promise, log: Log) -> AsyncIterator[str]:
    """Run the service between these neighbours; yields its address."""
    settings = load_settings(None, _environment(addresses, promise))
    lines = logs.Log(log_format="json", level="info", stream=log)
    async with running(settings, lines) as listening:
        host, port = listening.public
        yield f"http://{host}:{port}"


async def ready(address: str) -> None:
    """Wait until the service says that it is ready."""
    async with asyncio.timeout(10), ClientSession() as session:
        while True:
            async with session.get(f"{address}/readyz") as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.01)


def _environment(addresses: Mapping[str, str], promise: Promise) -> dict[str, str]:
    return {
        "BFF_SERVER__HOST": "127.0.0.1",
        "BFF_SERVER__PORT": "0",
        "BFF_SERVER__ADMIN_PORT": "0",
        "BFF_SERVER__SHUTDOWN_TIMEOUT": "2",
        "BFF_GATEWAY__BASE_URL": addresses["gateway"],
        "BFF_GATEWAY__AUTH": "capillary",
        "BFF_GATEWAY__TOKEN_URL": f"{addresses['token']}/v3/oauth/token/generate",
        "BFF_GATEWAY__CLIENT_ID": CLIENT_ID,
        "BFF_GATEWAY__CLIENT_SECRET": CLIENT_SECRET,
        "BFF_GATEWAY__TIMEOUT": str(promise.deadline),
        "BFF_GATEWAY__SOFT_TIMEOUT": str(SOFT_TIMEOUT),
        "BFF_IDENTITY__ISSUER": addresses["keys"],
        "BFF_IDENTITY__AUDIENCE": AUDIENCE,
        "BFF_CACHE__URL": addresses["redis"],
        "BFF_CACHE__NAME_SECRET": "n" * 32,
        "BFF_CACHE__SECRET": "s" * 32,
        "BFF_CACHE__TIMEOUT": str(STORE_TIMEOUT),
        "BFF_CACHE__FRESH_FOR": str(promise.fresh_for),
        "BFF_CACHE__REVALIDATE_FOR": str(promise.fresh_for),
        "BFF_CACHE__STALE_FOR": str(promise.stale_for),
        "BFF_LIMITS__REQUESTS_PER_MINUTE": "0",
        "BFF_LIMITS__GATEWAY_CALLS_PER_MINUTE": "0",
    }
