"""Where requests come from: what trusted proxies say counts, what anybody else says does not."""

from collections.abc import Sequence
from typing import Any

import pytest
from house import House
from multidict import CIMultiDict

BALANCER = "127.0.0.0/8"
FLEET = f"{BALANCER},10.0.0.0/8,2001:db8:ffff::/48"
Headers = Sequence[tuple[str, str]]


async def client_of(house: House, proxies: str, headers: Headers) -> tuple[Any, Any]:
    """Send a request without credential; return the log line's client and scheme."""
    service = await house.start(BFF_SERVER__TRUSTED_PROXIES=proxies)
    host, port = service.public
    url = f"http://{host}:{port}/me/badges"
    async with service.session.get(url, headers=CIMultiDict(headers)) as response:
        assert response.status == 401
    (line,) = (event for event in house.events("request") if event["route"] == "/me/badges")
    return line["client"], line["client_scheme"]


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https")],
        [("Forwarded", "for=6.6.6.6;proto=https")],
        [("X-Forwarded-For", "127.0.0.1, 10.0.0.1")],
    ],
)
@pytest.mark.parametrize("proxies", ["", "10.0.0.0/8"])
async def test_strangers_are_not_believed(house: House, proxies: str, headers: Headers) -> None:
    """A peer that is no trusted proxy is the origin, whatever it sends."""
    assert await client_of(house, proxies, headers) == ("127.0.0.1", "http")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], ("127.0.0.1", "http")),
        ([("X-Forwarded-For", "203.0.113.7")], ("203.0.113.7", None)),
        (
            [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "HTTPS")],
            ("203.0.113.7", "https"),
        ),
        ([("X-Forwarded-For", "203.0.113.7:4711")], ("203.0.113.7", None)),
        ([("X-Forwarded-For", "2001:db8::7")], ("2001:db8::7", None)),
        ([("X-Forwarded-For", "[2001:db8::7]:4711")], ("2001:db8::7", None)),
        ([("X-Forwarded-For", "::ffff:203.0.113.7")], ("203.0.113.7", None)),
        ([("Forwarded", "for=203.0.113.7;proto=https")], ("203.0.113.7", "https")),
        ([("Forwarded", 'proto=http;For="[2001:db8::7]:4711"')], ("2001:db8::7", "http")),
    ],
)
async def test_a_trusted_proxy_is_believed(
    house: House, headers: Headers, expected: tuple[str, str | None]
) -> None:
    """Both kinds of headers tell the address, with or without port, and the scheme."""
    assert await client_of(house, BALANCER, headers) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        # The caller wrote the left part, each proxy appended who it was asked by.
        ([("X-Forwarded-For", "6.6.6.6, 203.0.113.7, 10.0.0.1")], ("203.0.113.7", None)),
        ([("X-Forwarded-For", "10.0.0.9, 203.0.113.7")], ("203.0.113.7", None)),
        (
            [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.7")],
            ("203.0.113.7", None),
        ),
        ([("X-Forwarded-For", "10.0.0.9, 10.0.0.1")], ("10.0.0.9", None)),
        ([("X-Forwarded-For", "6.6.6.6, ::ffff:10.0.0.1")], ("6.6.6.6", None)),
        (
            [
                ("X-Forwarded-For", "6.6.6.6, 203.0.113.7, 2001:db8:ffff::1"),
                ("X-Forwarded-Proto", "https, http, https"),
            ],
            ("203.0.113.7", "http"),
        ),
        ([("Forwarded", "for=6.6.6.6, for=203.0.113.7, for=10.0.0.1")], ("203.0.113.7", None)),
        (
            [("Forwarded", "for=6.6.6.6;proto=https, for=203.0.113.7;proto=http")],
            ("203.0.113.7", "http"),
        ),
    ],
)
async def test_the_nearest_stranger_is_the_client(
    house: House, headers: Headers, expected: tuple[str, str | None]
) -> None:
    """Through several trusted proxies: what stands left of an untrusted address is his word."""
    assert await client_of(house, FLEET, headers) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("X-Forwarded-For", "unknown")], "127.0.0.1"),
        ([("X-Forwarded-For", "fe80::1%eth0")], "127.0.0.1"),
        ([("X-Forwarded-For", "fe80::1%\udcff")], "127.0.0.1"),
        ([("X-Forwarded-For", "6.6.6.6, _hidden, 10.0.0.1")], "10.0.0.1"),
        ([("X-Forwarded-For", "6.6.6.6, <script>")], "127.0.0.1"),
        ([("X-Forwarded-For", "")], "127.0.0.1"),
        ([("X-Forwarded-For", "1" * 4000)], "127.0.0.1"),
        ([("X-Forwarded-Proto", "https")], "127.0.0.1"),
        ([("Forwarded", "for=_hidden")], "127.0.0.1"),
        ([("Forwarded", "proto=https")], "127.0.0.1"),
        ([("Forwarded", 'for="6.6.6.6, for="203.0.113.7"')], "127.0.0.1"),
        ([("Forwarded", "for=6.6.6.6"), ("X-Forwarded-For", "203.0.113.7")], "127.0.0.1"),
    ],
)
async def test_what_nobody_knows(house: House, headers: Headers, expected: str) -> None:
    """Nonsense, hidden names and two headers that differ lead no further than to the last proxy."""
    assert (await client_of(house, FLEET, headers))[0] == expected


@pytest.mark.parametrize("token", ["ada", "expired", None])
async def test_no_line_names_customer_and_address(house: House, token: str | None) -> None:
    """Only a request whose credential is missing or bad has an address in its line."""
    service = await house.start(BFF_SERVER__TRUSTED_PROXIES=BALANCER)
    credential = house.issuer.token("ada", exp=1) if token == "expired" else token
    reply = await service.get(token=credential, headers={"X-Forwarded-For": "203.0.113.7"})

    (line,) = (event for event in house.events("request") if event["route"] == "/me/badges")
    assert ("client" in line) == (reply.status == 401)
    assert ("203.0.113.7" in house.log.getvalue().decode()) == (reply.status == 401)
    assert ("customer" in line) == (reply.status == 200)


async def test_wrong_secrets_of_a_webhook_are_noted(house: House) -> None:
    """Whoever tries secrets can be found."""
    service = await house.start(BFF_WEBHOOK__SECRET="s" * 20, BFF_SERVER__TRUSTED_PROXIES=BALANCER)
    headers = {"Authorization": "wrong", "X-Forwarded-For": "203.0.113.7"}

    reply = await service.get("/webhooks/loyalty", token=None, headers=headers, method="POST")

    assert reply.status == 401
    assert house.events("request")[-1]["client"] == "203.0.113.7"


async def test_framing_errors_name_the_peer(house: House) -> None:
    """Of the headers of a request that can't be read nothing is believed."""
    service = await house.start(BFF_SERVER__TRUSTED_PROXIES=BALANCER)

    reply = await service.get(
        "/" + "x" * 9000, token=None, headers={"X-Forwarded-For": "203.0.113.7"}
    )

    assert reply.status == 414
    assert house.events("request")[-1]["client"] == "127.0.0.1"
