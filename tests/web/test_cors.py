"""CORS: what pages of other origins may read, on every answer."""

import asyncio

import pytest
from aiohttp import web
from house import House, Reply, Service

SHOP = "https://shop.example"
EXPOSED = (
    "Age, Badges-As-Of, Cache-Status, ETag, Link, RateLimit, RateLimit-Policy, Retry-After, "
    "WWW-Authenticate, X-Request-Id"
)
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": (
        "Authorization, Cache-Control, If-None-Match, X-Request-Id, traceparent"
    ),
    "Access-Control-Max-Age": "7200",
}


def asked(*, origin: str = SHOP, method: str = "GET") -> dict[str, str]:
    """Return the header fields of a preflight."""
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,if-none-match",
    }


def granted(reply: Reply) -> dict[str, str]:
    """Return what an answer grants to pages of other origins."""
    return {name: value for name, value in reply.headers.items() if name.startswith("Access-")}


def varies(reply: Reply) -> set[str]:
    """Return the request header fields that an answer depends on."""
    return set(reply.headers.get("Vary", "").split(", "))


@pytest.fixture
async def service(house: House) -> Service:
    """A service with two origins."""
    return await house.start(
        BFF_SERVER__CORS_ORIGINS=f"{SHOP},http://localhost:3000",
        BFF_LIMITS__REQUESTS_PER_MINUTE="2",
    )


@pytest.mark.parametrize("origin", [SHOP, "http://localhost:3000"])
async def test_a_listed_origin_may_read(service: Service, origin: str) -> None:
    """A 200 and a 304 name the origin and what may be read, and never allow credentials mode."""
    for headers, status in (({}, 200), ({"If-None-Match": "*"}, 304)):
        reply = await service.get(headers={"Origin": origin} | headers)

        assert reply.status == status
        assert granted(reply) == {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": EXPOSED,
        }
        assert varies(reply) == {"Accept-Encoding", "Origin"}


@pytest.mark.parametrize(
    ("target", "status", "headers"),
    [
        ("/me/badges?foo=1", 400, {}),
        ("/me/badges", 401, {"Authorization": "Bearer x.y.z"}),
        ("/nothing", 404, {}),
        ("/problems/nothing", 404, {}),
        ("/me/badges", 406, {"Accept": "text/html"}),
        ("/nothing", 400, {"Expect": "the-unexpected"}),
    ],
)
async def test_problems_may_be_read(
    service: Service, target: str, status: int, headers: dict[str, str]
) -> None:
    """Whatever goes wrong, the page can tell what."""
    reply = await service.get(target, headers={"Origin": SHOP} | headers)

    assert reply.status == status
    assert granted(reply)["Access-Control-Allow-Origin"] == SHOP
    assert "Origin" in varies(reply)


async def test_too_many_requests_may_be_read(service: Service) -> None:
    """So is a 429 and its Retry-After."""
    for _ in range(3):
        reply = await service.get(headers={"Origin": SHOP})

    assert (reply.status, reply.headers["Retry-After"]) == (429, "30")
    assert granted(reply)["Access-Control-Expose-Headers"] == EXPOSED


async def test_the_gateways_failures_may_be_read(house: House, service: Service) -> None:
    """So is what becomes of a gateway that fails."""

    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=500)

    house.gateway.behaviour = fail
    reply = await service.get(headers={"Origin": SHOP})

    assert (reply.code, varies(reply)) == ("gateway-bad-answer", {"Origin"})
    assert granted(reply)["Access-Control-Allow-Origin"] == SHOP


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://shop.example.evil.example",
        "http://shop.example",
        "https://SHOP.example",
        "https://shop.example:8443",
        "null",
        "",
        f"{SHOP}, {SHOP}",
    ],
)
async def test_another_origin_gets_nothing(service: Service, origin: str) -> None:
    """Neither on an answer nor on a preflight; caches are told that it depends on the origin."""
    for reply in (
        await service.get(headers={"Origin": origin}),
        await service.get(headers=asked(origin=origin), method="OPTIONS", token=None),
    ):
        assert granted(reply) == {}
        assert "Origin" in varies(reply)


async def test_a_preflight(service: Service) -> None:
    """204 without credential, body, or a share of the request rate."""
    for _ in range(5):
        reply = await service.get(headers=asked(), method="OPTIONS", token=None)

        assert (reply.status, reply.body) == (204, b"")
        assert granted(reply) == {
            "Access-Control-Allow-Origin": SHOP,
            "Access-Control-Expose-Headers": EXPOSED,
            **PREFLIGHT,
        }
    assert (await service.get()).headers["RateLimit"].startswith('"customer";r=1;')


async def test_a_preflight_of_no_route_grants_nothing(service: Service) -> None:
    """404 is not a yes, whatever else it says."""
    reply = await service.get("/nothing", headers=asked(), method="OPTIONS", token=None)

    assert reply.status == 404
    assert PREFLIGHT.keys().isdisjoint(reply.headers)


async def test_options_is_no_preflight(service: Service) -> None:
    """Without the method that is to be asked for, it only names the methods."""
    reply = await service.get(headers={"Origin": SHOP}, method="OPTIONS", token=None)

    assert (reply.status, reply.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert PREFLIGHT.keys().isdisjoint(reply.headers)


async def test_without_origin_only_vary_is_added(service: Service) -> None:
    """Apps and servers see nothing of it, but caches must know."""
    reply = await service.get()

    assert (granted(reply), varies(reply)) == ({}, {"Accept-Encoding", "Origin"})


async def test_without_configured_origins_there_is_none(house: House) -> None:
    """As delivered, no page of another origin reads anything, and Vary does not speak of it."""
    service = await house.start()

    for reply in (
        await service.get(headers={"Origin": SHOP}),
        await service.get(headers=asked(), method="OPTIONS", token=None),
    ):
        assert (granted(reply), "Origin" in varies(reply)) == ({}, False)


async def test_the_admin_port_knows_no_cors(service: Service) -> None:
    """It is not for pages."""
    reply = await service.get("/livez", headers={"Origin": SHOP}, admin=True)

    assert (granted(reply), "Vary" in reply.headers) == ({}, False)


async def test_framing_errors_tell_caches(service: Service) -> None:
    """Below the application nothing is known of the request; what is said of caches is."""
    reader, writer = await asyncio.open_connection(*service.public)
    writer.write(f"GET / HTTP/1.1\r\nOrigin: {SHOP}\r\nBad Field: x\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()

    assert b"\r\nVary: Origin\r\n" in answer
