"""What every server has to do before it is measured: the same checks, the same answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import ClientSession
from bench.compare.fill import Answer

# Of the protocol, the server and the connection: they differ, and nobody's work is the less.
_ASIDE = frozenset({"connection", "date", "keep-alive", "server", "transfer-encoding"})


class DishonestError(Exception):
    """A server does not do what is compared."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def names(self) -> set[str]:
        """The headers that count, by name."""
        return {name.lower() for name in self.headers} - _ASIDE


@dataclass(frozen=True, slots=True)
class Judge:
    """Asks a server and compares with what the service answered while the cache was filled."""

    name: str
    url: str
    session: ClientSession

    async def same_bytes(self, answer: Answer) -> None:
        """A customer has his badges, in the same bytes, under the same headers."""
        reply = await self._ask(answer.caller.token)
        self._expect(reply.status == 200, f"{reply.status} to {answer.caller.customer_id}")
        self._expect(reply.body == answer.body, "another body")
        self._expect(reply.headers["ETag"] == answer.tag, "another tag")
        wanted = {name.lower() for name in answer.headers} - _ASIDE
        self._expect(reply.names() == wanted, f"other headers: {reply.names() ^ wanted}")

    async def not_modified(self, answer: Answer) -> None:
        """Who has them already is told so, with a 200's headers but those of the body."""
        reply = await self._ask(answer.caller.token, {"If-None-Match": answer.tag})
        self._expect((reply.status, reply.body) == (304, b""), f"{reply.status}, not 304")
        of_body = {"content-type", "content-encoding", "content-length"}
        wanted = {name.lower() for name in answer.headers} - _ASIDE - of_body
        self._expect(reply.names() - of_body == wanted, f"others: {reply.names() ^ wanted}")

    async def refusals(self, tokens: Mapping[str, str]) -> None:
        """Bad tokens are refused, and their absence."""
        for what, token in {**tokens, "presence": None}.items():
            reply = await self._ask(token)
            self._expect(reply.status == 401, f"{reply.status}: the {what} is not checked")

    async def _ask(self, token: str | None, headers: Mapping[str, str] | None = None) -> Reply:
        sent = {"Accept-Encoding": "gzip", **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        async with self.session.get(f"{self.url}/me/badges", headers=sent) as response:
            return Reply(response.status, response.headers.copy(), await response.read())

    def _expect(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - an assertion's form
        if not holds:
            raise DishonestError(f"{self.name}: {otherwise}")


async def judge(name: str, url: str, answers: Sequence[Answer], refused: Mapping[str, str]) -> None:
    """Hold a server to what is compared; the bare handler, to the bytes of its one answer.

    Raises:
        DishonestError: it does something else.

    """
    async with ClientSession(auto_decompress=False) as session:
        one = Judge(name, url, session)
        await one.same_bytes(answers[0])
        if name == "bare":
            return
        await one.same_bytes(answers[-1])
        await one.not_modified(answers[0])
        # Twice: the second time from what was remembered of the first.
        await one.refusals(refused)
        await one.refusals(refused)
