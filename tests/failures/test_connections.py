"""Gateways that can't be reached, or not safely; connections that are not to be used again."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from house import House, Service
from raw_gateway import answer, badges_of, raw_gateway

from app.adapters.http import client_session


async def assert_out_of_reach(service: Service) -> None:
    """Check that a caller is told that the gateway is unavailable for now."""
    reply = await service.get()
    assert (reply.status, reply.code) == (503, "gateway-unavailable")
    assert int(reply.headers["Retry-After"]) >= 1


def fail_to_resolve(*_: object, **__: object) -> None:
    """Answer as a resolver does that knows no such name."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def untrusted_server(folder: Path) -> ssl.SSLContext:
    """Make the TLS side of a server whose certificate nobody has vouched for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


async def test_a_closed_port(house: House) -> None:
    """Nobody listens where the gateway should be."""
    service = await house.start(BFF_GATEWAY__BASE_URL=f"http://127.0.0.1:{unused_port()}")

    await assert_out_of_reach(service)


async def test_a_name_that_nobody_knows(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's name does not resolve."""
    service = await house.start(BFF_GATEWAY__BASE_URL="https://gateway.invalid")
    # A real resolver may be slow to find out, or have no network to ask.
    monkeypatch.setattr(socket, "getaddrinfo", fail_to_resolve)

    await assert_out_of_reach(service)


async def test_a_plain_port_where_tls_should_be(house: House) -> None:
    """TLS that fails is no answer, and the credential is not sent in clear instead."""
    address = str(house.gateway_server.make_url("")).replace("http:", "https:")
    service = await house.start(BFF_GATEWAY__BASE_URL=address)

    await assert_out_of_reach(service)

    assert house.gateway.badge_calls == []


async def test_a_certificate_that_is_not_trusted(house: House, tmp_path: Path) -> None:
    """A server that can't prove who it is gets no request, so no credential."""
    async with raw_gateway(untrusted_server(tmp_path)) as gateway:
        service = await house.start(BFF_GATEWAY__BASE_URL=gateway.base_url)

        await assert_out_of_reach(service)

        assert gateway.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_elsewhere(house: House, status: int) -> None:
    """Neither call follows a redirect: token and secret never get to another origin."""
    visits: list[str] = []

    async def visited(request: web.Request) -> web.Response:
        visits.append(request.path)
        return web.json_response({})

    elsewhere = web.Application()
    elsewhere.router.add_route("*", "/{path:.*}", visited)
    async with TestServer(elsewhere) as server:

        async def redirect(_: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": str(server.make_url("/x"))})

        service = await house.start()
        house.gateway.behaviour = redirect
        badges = await service.get()
        house.gateway.behaviour, house.gateway.token_behaviour = None, redirect
        house.gateway.revoke_tokens()
        house.clock.advance(31)
        token = await service.get(token="bob")

    assert (badges.status, badges.code) == (502, "gateway-bad-answer")
    assert (token.status, token.code) == (502, "gateway-bad-answer")
    assert visits == []


async def test_what_waits_unread_in_a_connection() -> None:
    """A connection with bytes that nobody asked for is not used again, even if they are unread."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/ada"
        async with client_session(connect_timeout=1, max_connections=1) as session:
            first = asyncio.create_task(session.request("GET", url))
            gateway, _ = await loop.sock_accept(listener)
            with gateway:
                await loop.sock_recv(gateway, 65536)
                gateway.sendall(answer(badges_of("ada")))
                await (await first).read()
                # Sent, but the loop has had no chance yet to read it.
                gateway.sendall(answer(badges_of("somebody-else")))
                second = asyncio.create_task(session.request("GET", url))
                async with asyncio.timeout(2):
                    other, _ = await loop.sock_accept(listener)
            with other:
                await loop.sock_recv(other, 65536)
                other.sendall(answer(badges_of("bob")))
                assert await (await second).read() == badges_of("bob")
