"""The service as a process of its own, with a gateway and an issuer in this one."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiohttp.test_utils import TestServer
from house import House, TestClock

from app.sandbox.catalogue import sample_badges
from app.sandbox.customers import sample_customers
from app.sandbox.gateway import StandInGateway
from app.sandbox.identity import StandInIssuer, new_signing_key
from app.sandbox.tokens import ClientCredentials

ROOT = Path(__file__).parent.parent.parent


@asynccontextmanager
async def neighbours() -> AsyncIterator[House]:
    """Run a gateway and an issuer."""
    now = time.time()
    gateway = StandInGateway(
        client=ClientCredentials(client_id="till-1", client_secret="gateway-pass-word"),
        badges=sample_badges(now, "http://pictures.test"),
        customers=sample_customers(now),
    )
    keys = [new_signing_key("RS256")]
    issuer = StandInIssuer(issuer_url="", audience="badges", keys=keys)
    async with (
        TestServer(gateway.application()) as gateway_server,
        TestServer(issuer.application()) as issuer_server,
        AsyncExitStack() as stack,
    ):
        issuer.issuer_url = str(issuer_server.make_url("")).rstrip("/")
        yield House(gateway, gateway_server, issuer, TestClock(), stack)


@asynccontextmanager
async def service(house: House, **overrides: str) -> AsyncIterator[str]:
    """Run the service in a process of its own, and return its address."""
    environment = house.environment(BFF_LOG__LEVEL="info", **overrides)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "serve"),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
    )
    output = process.stdout
    assert output is not None
    draining: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(20):
            address = json.loads(await output.readline())["public"]
        # A log that nobody reads would stop the service.
        draining = asyncio.create_task(output.read())
        yield f"http://{address}"
    finally:
        process.terminate()
        await process.wait()
        if draining is not None:
            await draining
