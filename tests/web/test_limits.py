"""Our own limits: how often a customer may ask, and how much is done at the same time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from house import House, Reply, Service

QUOTA = "BFF_LIMITS__REQUESTS_PER_MINUTE"
CAP = "BFF_SERVER__MAX_IN_FLIGHT"
SECRET = "a-secret-that-is-shared"
NOBODY = {"insufficient-scope": {"scope": "profile"}, "no-customer-identity": {"customer_id": ".."}}


def quota_of(reply: Reply) -> tuple[str | None, str | None]:
    """Return what an answer says of the quota: the policy, and what is left."""
    return reply.headers.get("RateLimit-Policy"), reply.headers.get("RateLimit")


async def disown(_: web.Request) -> web.Response:
    """Answer as a gateway that does not know the customer."""
    return web.json_response({"data": None, "errors": [{"code": 1026}], "warnings": []})


async def fail(_: web.Request) -> web.Response:
    """Answer as a gateway that is broken."""
    return web.Response(status=500)


async def garble(_: web.Request) -> web.Response:
    """Answer something of which no time can be made: a fault of the gateway's."""
    return web.Response(body=b"[", content_type="application/json")


async def test_an_answer_tells_what_is_left(house: House) -> None:
    """Policy and rest, the rest sinking with each request, whatever its method and outcome."""
    service = await house.start(**{QUOTA: "6"})
    first = await service.get()
    others = [
        await service.get(method="HEAD"),
        await service.get(headers={"If-None-Match": first.headers["ETag"]}),
        await service.get("/me/badges?size=0"),
    ]

    assert [reply.status for reply in (first, *others)] == [200, 200, 304, 400]
    assert [quota_of(reply) for reply in (first, *others)] == [
        ('"customer";q=6;w=60', f'"customer";r={6 - n};t={10 * n}') for n in range(1, 5)
    ]


@pytest.mark.parametrize(("behaviour", "status"), [(disown, 404), (fail, 502), (garble, 502)])
async def test_a_failure_tells_what_is_left(
    house: House, behaviour: Callable[[web.Request], Awaitable[web.Response]], status: int
) -> None:
    """What goes wrong behind the limit is told with the quota, as all else is."""
    service = await house.start(**{QUOTA: "6"})
    house.gateway.behaviour = behaviour

    reply = await service.get()

    assert reply.status == status
    assert quota_of(reply) == ('"customer";q=6;w=60', '"customer";r=5;t=10')


async def test_beyond_the_quota(house: House) -> None:
    """429 for this customer alone, who is served again when `Retry-After` says."""
    service = await house.start(**{QUOTA: "3"})
    statuses = [(await service.get()).status for _ in range(3)]

    refused = await service.get()

    assert [*statuses, refused.status] == [200, 200, 200, 429]
    assert refused.code == "rate-limited"
    assert quota_of(refused) == ('"customer";q=3;w=60', '"customer";r=0;t=60')
    assert refused.headers["Retry-After"] == "20"
    assert house.events("request")[-1]["problem"] == "rate-limited"
    assert (await service.get(token="bob")).status == 200

    house.clock.advance(20)
    assert [(await service.get()).status for _ in range(2)] == [200, 429]


async def test_a_new_token_is_no_new_customer(house: House) -> None:
    """The quota is the customer's, not his token's."""
    service = await house.start(**{QUOTA: "1"})

    replies = [await service.get(token=house.issuer.token("ada", jti=str(n))) for n in range(2)]

    assert [reply.status for reply in replies] == [200, 429]


async def test_the_rate_is_judged_before_the_query(house: House) -> None:
    """Beyond the quota a faulty query is 429; that it was faulty did not make it cheaper."""
    service = await house.start(**{QUOTA: "2"})

    codes = [(await service.get("/me/badges?size=0")).code for _ in range(3)]

    assert codes == ["invalid-query", "invalid-query", "rate-limited"]


@pytest.mark.parametrize("code", NOBODY)
async def test_the_rate_is_judged_after_identity(house: House, code: str) -> None:
    """Who is not known as a customer has no quota, uses up nobody's and is told of none."""
    service = await house.start(**{QUOTA: "1", "BFF_IDENTITY__SCOPE": "badges:read"})
    claims = {"scope": "badges:read"} | NOBODY[code]
    for _ in range(3):
        for reply, expected in (
            (await service.get(token=house.issuer.token("ada", **claims)), code),
            (await service.get(token=None), "unauthenticated"),
            (await service.get(headers={"Accept": "text/html"}), "not-acceptable"),
        ):
            assert reply.code == expected
            assert quota_of(reply) == (None, None)

    good = house.issuer.token("ada", scope="badges:read")
    assert (await service.get(token=good)).status == 200


async def test_what_has_no_customer_has_no_rate(house: House) -> None:
    """OPTIONS and health are never limited, nor do they tell of a quota."""
    service = await house.start(**{QUOTA: "1"})

    for _ in range(3):
        for method, target in (("OPTIONS", "/me/badges"), ("GET", "/livez"), ("GET", "/readyz")):
            reply = await service.get(target, method=method)
            assert reply.status < 300
            assert quota_of(reply) == (None, None)
    assert (await service.get()).status == 200


async def test_the_default_quota(house: House) -> None:
    """Unless configured it is 120 a minute."""
    service = await house.start(**{QUOTA: ""})

    assert quota_of(await service.get()) == ('"customer";q=120;w=60', '"customer";r=119;t=1')


async def test_without_a_quota(house: House) -> None:
    """0 is off: no limit, and nothing told."""
    service = await house.start(**{QUOTA: "0"})

    replies = [await service.get() for _ in range(150)]

    assert {(reply.status, *quota_of(reply)) for reply in replies} == {(200, None, None)}


class Gate:
    """A gateway that answers nobody before it is opened; knows how many are waiting."""

    def __init__(self) -> None:
        self.waiting = 0
        self._opened = asyncio.Event()

    async def __call__(self, _: web.Request) -> None:
        """Wait, then answer as usual."""
        self.waiting += 1
        await self._opened.wait()

    def open(self) -> None:
        """Let all pass, now and later."""
        self._opened.set()

    async def occupy(self, service: Service, number: int) -> list[asyncio.Task[Reply]]:
        """Send so many different requests, and return when the gateway has got them all."""
        async with asyncio.timeout(5):
            requests = [
                asyncio.create_task(service.get(f"/me/badges?size={n + 20}")) for n in range(number)
            ]
            while self.waiting < number:
                await asyncio.sleep(0.005)
        return requests


@pytest.fixture
def gate(house: House) -> Gate:
    """The gateway's gate, closed."""
    gate = Gate()
    house.gateway.behaviour = gate
    return gate


async def test_at_the_cap_the_next_is_refused_at_once(house: House, gate: Gate) -> None:
    """503 with `Retry-After`; who is under way is served, and then there is room again."""
    service = await house.start(**{CAP: "2"})
    under_way = await gate.occupy(service, 2)

    refused = await service.get()

    assert (refused.status, refused.code) == (503, "overloaded")
    assert refused.json["title"] == "Overloaded"
    assert refused.headers["Retry-After"] == "5"
    assert house.events("request")[-1]["problem"] == "overloaded"
    assert gate.waiting == 2

    gate.open()
    assert [reply.status for reply in await asyncio.gather(*under_way)] == [200, 200]
    assert (await service.get()).status == 200


async def test_the_cap_is_judged_between_accept_and_credential(house: House, gate: Gate) -> None:
    """Refused is who has no credential, too; but not who takes no JSON, nor another method."""
    service = await house.start(**{CAP: "1", QUOTA: "5"})
    under_way = await gate.occupy(service, 1)

    for token in (None, "no.good.token", "ada"):
        reply = await service.get(token=token)
        assert reply.code == "overloaded"
        assert quota_of(reply) == (None, None)
        assert "WWW-Authenticate" not in reply.headers
    assert (await service.get(headers={"Accept": "text/html"})).code == "not-acceptable"
    assert (await service.get(method="POST")).code == "method-not-allowed"

    gate.open()
    await asyncio.gather(*under_way)
    assert quota_of(await service.get())[1] == '"customer";r=3;t=24'


async def test_a_hit_is_refused_at_the_cap_too(house: House, gate: Gate) -> None:
    """The hard cap is the one case in which what is in the cache is not served."""
    gate.open()
    service = await house.start(**{CAP: "1"})
    assert (await service.get()).status == 200
    closed = Gate()
    house.gateway.behaviour = closed
    under_way = await closed.occupy(service, 1)

    assert (await service.get()).code == "overloaded"

    closed.open()
    await asyncio.gather(*under_way)
    assert (await service.get()).cache.startswith("hit")


async def test_other_routes_know_no_cap(house: House, gate: Gate) -> None:
    """Health, OPTIONS, the webhook and the admin port answer at the cap as ever."""
    service = await house.start(**{CAP: "1", "BFF_WEBHOOK__SECRET": SECRET})
    under_way = await gate.occupy(service, 1)

    replies = [
        await service.get("/livez", token=None),
        await service.get("/readyz", token=None),
        await service.get("/livez", token=None, admin=True),
        await service.get(method="OPTIONS", token=None),
        await service.get("/webhooks/loyalty", token=None, method="POST"),
        await service.get("/cache/invalidate", token=None, method="POST", admin=True),
    ]

    assert [reply.status for reply in replies] == [200, 200, 200, 204, 401, 400]
    gate.open()
    await asyncio.gather(*under_way)


async def test_failures_leave_room(house: House) -> None:
    """Whatever goes wrong with a request, it is no longer counted."""
    service = await house.start(**{CAP: "1"})
    house.gateway.behaviour = fail

    for _ in range(3):
        assert (await service.get(token=None)).status == 401
        assert (await service.get("/me/badges?size=0")).status == 400
        assert (await service.get()).status == 502


async def test_a_caller_who_goes_away_leaves_room(house: House, gate: Gate) -> None:
    """A request whose caller is gone counts until it is done, and not for ever."""
    service = await house.start(**{CAP: "1"})
    [gone] = await gate.occupy(service, 1)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    gate.open()

    async with asyncio.timeout(5):
        while (await service.get()).status == 503:
            await asyncio.sleep(0.005)
