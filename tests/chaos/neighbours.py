"""The process of the service's neighbours: gateway, token endpoint, issuer, Redis. They fail.

The driver says which fault is to be on and for how long; it is told when each has ended.
"""

import asyncio
import random
import sys
import time
from contextlib import AsyncExitStack
from typing import Any

import uvloop
from aiohttp import web
from chaos import customers
from chaos.children import messages, say
from chaos.misbehaviour import Fault, Manners
from chaos.store import Store

from app.sandbox.gateway import StandInGateway
from app.sandbox.identity import StandInIssuer
from app.sandbox.tokens import ClientCredentials

AUDIENCE, CLIENT_ID, CLIENT_SECRET = "badges", "till-1", "gateway-pass-word"
_HOST = "127.0.0.1"
_KEYS_KEPT = 3
_TELL_EVERY = 0.5


class Machine:
    """A stand-in on a port of its own, which can refuse connections."""

    def __init__(self, application: web.Application) -> None:
        self._runner = web.AppRunner(application, access_log=None)
        self._site: web.TCPSite | None = None
        self._port = 0
        self._refusals = 0

    async def listen(self) -> str:
        """Accept connections, always on the same port; returns the address."""
        self._site = web.TCPSite(self._runner, _HOST, self._port, reuse_address=True)
        await self._site.start()
        self._port = self._runner.addresses[0][1]
        return f"http://{_HOST}:{self._port}"

    async def start(self) -> str:
        """Start, and return the address."""
        await self._runner.setup()
        return await self.listen()

    async def refuse(self) -> None:
        """Close the listener and all connections."""
        self._refusals += 1
        if self._site is not None:
            await self._site.stop()
            self._site = None
        self.hang_up()

    async def relent(self) -> None:
        """Accept connections again, unless another fault is still on that refuses them."""
        self._refusals -= 1
        if not self._refusals:
            await self.listen()

    def hang_up(self) -> None:
        """Close all connections, whatever is under way on them."""
        if self._runner.server is not None:
            for connection in self._runner.server.connections:
                connection.force_close()


class Neighbourhood:
    """All neighbours, and the faults that are on."""

    def __init__(self) -> None:
        now = time.time()
        self.manners = {"gateway": Manners(), "token": Manners(), "keys": Manners()}
        self.store = Store()
        badges = customers.badges(now)
        self.gateway = StandInGateway(
            client=ClientCredentials(client_id=CLIENT_ID, client_secret=CLIENT_SECRET),
            badges=badges,
            customers=customers.customers(now, badges[0]["badgeMetaId"]),
            behaviour=self.manners["gateway"].behave,
            token_behaviour=self.manners["token"].behave,
        )
        self.issuer = StandInIssuer(
            issuer_url="",
            audience=AUDIENCE,
            algorithm="ES256",
            people=customers.people(),
            behaviour=self.manners["keys"].behave,
        )
        self.machines = {
            "gateway": Machine(self.gateway.application()),
            "token": Machine(self.gateway.application()),
            "keys": Machine(self.issuer.application()),
        }
        self.generation = 0
        self.tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Start, and tell the driver where everybody is."""
        addresses = {name: await machine.start() for name, machine in self.machines.items()}
        self.issuer.issuer_url = addresses["keys"]
        say(say="open", redis=f"redis://{_HOST}:{self.store.port}", **addresses)
        self._hand_out(range(customers.CUSTOMERS))

    async def obey(self, message: dict[str, Any]) -> None:
        """Do what the driver says."""
        match message["do"]:
            case "fault":
                self._keep(self._fault(message["party"], message["kind"], message["seconds"]))
            case "rotate":
                self._rotate()
            case "hang-up":
                for machine in self.machines.values():
                    machine.hang_up()

    async def tell(self) -> None:
        """Tell the driver again and again how often the gateway was called."""
        while True:
            await asyncio.sleep(_TELL_EVERY)
            self.gateway.badge_calls.clear()
            requests = {name: manners.requests for name, manners in self.manners.items()}
            say(say="calls", **requests)

    async def close(self) -> None:
        """End everything."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.store.end()

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _fault(self, party: str, kind: str, seconds: float) -> None:
        """Let a fault be on for a while."""
        async with AsyncExitStack() as stack:
            if party == "redis":
                await stack.enter_async_context(self.store.faults[kind]())
            elif kind == "refused":
                await self.machines[party].refuse()
                stack.push_async_callback(self.machines[party].relent)
            elif kind == "revoked":
                self.gateway.revoke_tokens()
            else:
                self._misbehave(party, kind, stack)
            await asyncio.sleep(seconds)
        say(say="over", party=party, kind=kind, at=time.time())

    def _misbehave(self, party: str, kind: str, stack: AsyncExitStack) -> None:
        fault, active = Fault(kind), self.manners[party].active
        active.append(fault)
        stack.callback(fault.over.set)
        stack.callback(active.remove, fault)

    def _rotate(self) -> None:
        """Sign with a new key; half of the customers, and all with old tokens, log in anew."""
        self.issuer.rotate(keep_old=True)
        del self.issuer.keys[_KEYS_KEPT:]
        self.generation += 1
        self._hand_out(range(self.generation % 2, customers.CUSTOMERS, 2))

    def _hand_out(self, numbers: range) -> None:
        tokens = {number: self.issuer.token(str(number)) for number in numbers}
        say(say="tokens", generation=self.generation, at=time.time(), tokens=tokens)


async def main() -> None:
    """Run until the driver closes its end."""
    neighbourhood = Neighbourhood()
    try:
        await neighbourhood.open()
        neighbourhood._keep(neighbourhood.tell())
        async for message in messages():
            await neighbourhood.obey(message)
    finally:
        await neighbourhood.close()


if __name__ == "__main__":
    random.seed(sys.argv[1])
    uvloop.run(main())
