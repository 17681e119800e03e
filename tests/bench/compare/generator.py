"""The load where wrk is missing: raw sockets, prepared requests, answers counted by their heads.

`python -m bench.compare.generator URL REQUESTS CONNECTIONS SECONDS` prints what load.lua prints.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import uvloop
from yarl import URL

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"
_ERRORS_FROM = 400


def prepared(lines: list[str], host: str, path: str) -> list[bytes]:
    """Return the requests; a line is a token, and after a blank a tag if there is one."""
    requests = []
    for line in lines:
        token, _, tag = line.partition(" ")
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n"
        condition = f"If-None-Match: {tag}\r\n" if tag else ""
        requests.append(f"{head}Authorization: Bearer {token}\r\n{condition}\r\n".encode())
    return requests


@dataclass(slots=True)
class Tally:
    """What was counted; times in seconds."""

    times: list[float] = field(default_factory=list)
    received: int = 0
    failed: Counter[str] = field(default_factory=Counter)


class Connection(asyncio.Protocol):
    """Asks, reads the whole answer, asks again."""

    def __init__(self, requests: "cycle[bytes]", tally: Tally) -> None:
        self._requests = requests
        self._tally = tally
        self._buffer = b""
        self._asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Count an answer once it is whole."""
        self._buffer += data
        end = self._buffer.find(_END)
        if end < 0:
            return
        head = self._buffer[: end + 2]
        length = _LENGTH.search(head)
        whole = end + len(_END) + (int(length[1]) if length and b" 304 " not in head[:16] else 0)
        if len(self._buffer) < whole:
            return
        self._tally.times.append(time.perf_counter() - self._asked)
        self._tally.received += whole
        self._tally.failed["status"] += int(head[9:12]) >= _ERRORS_FROM
        self._buffer = self._buffer[whole:]
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that the server ended."""
        self._tally.failed["read"] += exc is not None

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(next(self._requests))


async def load(url: str, lines: list[str], connections: int, seconds: float) -> dict[str, Any]:
    """Put a server under load and return what was counted; times in microseconds."""
    address = URL(url)
    host, port = str(address.host), address.port or 80
    requests = cycle(prepared(lines, address.authority, address.raw_path))
    tally = Tally()
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    transports = [
        (await loop.create_connection(lambda: Connection(requests, tally), host, port))[0]
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    duration = time.perf_counter() - began
    for transport in transports:
        transport.abort()
    times = sorted(tally.times) or [0.0]
    return {
        "requests": len(tally.times),
        "bytes": tally.received,
        "duration": round(duration * 1e6),
        "p50": round(times[len(times) // 2] * 1e6),
        "p99": round(times[len(times) * 99 // 100] * 1e6),
        "failed": dict(tally.failed),
    }


def main() -> None:
    """Run the load and print one line of JSON."""
    url, requests, connections, seconds = sys.argv[1:]
    lines = Path(requests).read_text().splitlines()
    sys.stdout.write(
        json.dumps(uvloop.run(load(url, lines, int(connections), float(seconds)))) + "\n"
    )


if __name__ == "__main__":
    main()
