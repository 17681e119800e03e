"""A gateway on a bare socket, which can say what no HTTP library would."""

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from urllib.parse import urlsplit

Speech = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Says something instead of the right answer; the connection stays open unless it closes it."""

_END_OF_HEAD = b"\r\n\r\n"


def badges_of(customer: str) -> bytes:
    """Make the body of a right answer: one badge, named for the customer."""
    badge = {"badgeMetaId": f"badge-{customer}", "name": f"Badge of {customer}"}
    pagination = {"page": 0, "size": 1, "total": 1, "totalPages": 1}
    data = {"customerBadges": [badge], "pagination": pagination}
    return json.dumps({"data": data, "errors": [], "warnings": []}).encode()


def answer(
    body: bytes, *headers: bytes, status: bytes = b"HTTP/1.1 200 OK", length: int | None = None
) -> bytes:
    """Make a whole answer; `length` lies about the body's, and -1 says nothing of it."""
    told = len(body) if length is None else length
    lines = [status, *headers, *([] if told == -1 else [b"Content-Length: %d" % told])]
    return b"\r\n".join(lines) + _END_OF_HEAD + body


def says(*parts: bytes) -> Speech:
    """Say this and keep the connection open."""

    async def speak(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)

    return speak


def says_and_closes(*parts: bytes) -> Speech:
    """Say this and close the connection."""
    speak = says(*parts)

    async def speak_and_close(writer: asyncio.StreamWriter) -> None:
        await speak(writer)
        writer.close()

    return speak_and_close


def says_and_resets(*parts: bytes) -> Speech:
    """Say this and reset the connection."""
    speak = says(*parts)

    async def speak_and_reset(writer: asyncio.StreamWriter) -> None:
        await speak(writer)
        # A linger time of zero makes closing a reset (RST), not an orderly end (FIN).
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    return speak_and_reset


def goes_on(head: bytes, part: bytes, *, every: float) -> Speech:
    """Say a part again and again, for ever, with a pause (in seconds) before each."""

    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(every)

    return speak


def truncated_gzip(body: bytes) -> bytes:
    """Compress a body and lose the second half."""
    packed = gzip.compress(body)
    return packed[: len(packed) // 2]


@dataclass
class RawGateway:
    """Answers badges calls rightly, customer by customer, unless `speech` says otherwise.

    `unasked` speaks as soon as a connection is made, before the request is read.
    """

    base_url: str = ""
    speech: Speech | None = None
    unasked: Speech | None = None
    requests: list[str] = field(default_factory=list)
    connections: int = 0

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side closes it."""
        self.connections += 1
        try:
            if self.unasked is not None:
                await self.unasked(writer)
            while not writer.is_closing():
                head = await reader.readuntil(_END_OF_HEAD)
                await self._reply(head.decode("latin-1"), writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _reply(self, head: str, writer: asyncio.StreamWriter) -> None:
        self.requests.append(head)
        if self.speech is not None:
            await self.speech(writer)
            return
        target = urlsplit(head.split(" ")[1])
        writer.write(answer(badges_of(target.path.rpartition("/")[2])))
        await writer.drain()


@asynccontextmanager
async def raw_gateway(tls: SSLContext | None = None) -> AsyncIterator[RawGateway]:
    """Run a gateway on a bare socket, and end all of its conversations with it."""
    gateway = RawGateway()
    talks: set[asyncio.Task[None]] = set()

    def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(gateway.converse(reader, writer))
        talks.add(talk)
        talk.add_done_callback(talks.discard)

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=tls)
    try:
        scheme = "http" if tls is None else "https"
        gateway.base_url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield gateway
    finally:
        server.close()
        for talk in tuple(talks):
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
