"""What a gateway may do on the wire: each fault has its answer, and spoils no later one."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
from house import House, Service
from raw_gateway import (
    RawGateway,
    Speech,
    answer,
    badges_of,
    goes_on,
    raw_gateway,
    says,
    says_and_closes,
    says_and_resets,
    truncated_gzip,
)

GOOD = badges_of("ada")
CHUNKED = b"Transfer-Encoding: chunked"
GZIP = b"Content-Encoding: gzip"
UNAVAILABLE, LATE = (503, "gateway-unavailable"), (504, "gateway-timeout")
BAD = (502, "gateway-bad-answer")


def of_length(length: int, body: bytes = GOOD) -> bytes:
    """Make an answer that lies about the length of its body."""
    return answer(body, length=length)


def chunks(*parts: bytes) -> bytes:
    """Make a chunked answer of parts that need not be chunks."""
    return answer(b"".join(parts), CHUNKED, length=-1)


def chunk(data: bytes) -> bytes:
    """Make a chunk (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def spoilt(packed: bytes) -> bytes:
    """Spoil the check sum of a gzip body."""
    return packed[:-8] + bytes(byte ^ 0xFF for byte in packed[-8:-4]) + packed[-4:]


FAULTS: dict[str, tuple[Speech, tuple[int, str]]] = {
    "closed without a word": (says_and_closes(), UNAVAILABLE),
    "reset without a word": (says_and_resets(), UNAVAILABLE),
    "reset in the head": (says_and_resets(b"HTTP/1.1 200 OK\r\nContent-"), UNAVAILABLE),
    "reset in the body": (says_and_resets(of_length(len(GOOD) + 9)), BAD),
    "trickling head": (goes_on(b"HTTP/1.1 200 OK\r\nX-A: ", b"a", every=0.05), LATE),
    "trickling body": (goes_on(answer(b"", length=-1), b" ", every=0.05), LATE),
    "trickling chunks": (goes_on(chunks(), chunk(b" "), every=0.05), LATE),
    "body without end": (goes_on(answer(b"", length=-1), b" " * 65536, every=0.0), BAD),
    "chunks without end": (goes_on(chunks(), chunk(b" " * 65536), every=0.0), BAD),
    "headers without end": (goes_on(b"HTTP/1.1 200 OK\r\n", b"X-A: a\r\n" * 99, every=0.0), BAD),
    "interim answers without end": (
        goes_on(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", every=0.01),
        LATE,
    ),
    "length too long, then closed": (says_and_closes(of_length(len(GOOD) + 9)), BAD),
    "length too long, then silence": (says(of_length(len(GOOD) + 9)), LATE),
    "length too short": (says(of_length(len(GOOD) - 9)), BAD),
    "length too short, in two pieces": (says(of_length(len(GOOD) - 9, GOOD[:-9]), GOOD[-9:]), BAD),
    "length negative": (says(of_length(-7)), BAD),
    "two lengths": (says(answer(GOOD, b"Content-Length: 7")), BAD),
    "length and chunks": (says(answer(chunk(GOOD) + chunk(b""), CHUNKED)), BAD),
    "gzip that is none": (says(answer(GOOD, GZIP)), BAD),
    "gzip truncated": (says(answer(truncated_gzip(GOOD), GZIP)), BAD),
    "gzip with a wrong check sum": (says(answer(spoilt(gzip.compress(GOOD)), GZIP)), BAD),
    "coding that was not asked for": (says(answer(GOOD, b"Content-Encoding: br")), BAD),
    "body in UTF-16": (says(answer(GOOD.decode().encode("utf-16"))), BAD),
    "one long header": (says(answer(GOOD, b"X-Long: " + b"a" * 100_000)), BAD),
    "a thousand headers": (says(answer(GOOD, *[b"X-A: " + b"a" * 95] * 1000)), BAD),
    "chunk size that is none": (says(chunks(b"xyz\r\n", GOOD)), BAD),
    "chunk longer than said": (says(chunks(b"5\r\n", GOOD, b"\r\n0\r\n\r\n")), BAD),
    "chunks cut off": (says_and_closes(chunks(chunk(GOOD[:50]))), BAD),
    "chunks without the last": (says_and_closes(chunks(chunk(GOOD))), BAD),
    "other protocol": (says(b"SSH-2.0-OpenSSH_9.9\r\n"), BAD),
    "header without a name": (says(answer(GOOD, b": x")), BAD),
    "NUL in a header": (says(answer(GOOD, b"X-A: a\x00b")), BAD),
    "protocol switched unasked": (says(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), BAD),
    "not modified, unasked": (says(b"HTTP/1.1 304 Not Modified\r\n\r\n"), BAD),
    "HTTP/1.0, cut off": (
        says_and_closes(answer(GOOD[:-9], status=b"HTTP/1.0 200 OK", length=-1)),
        BAD,
    ),
    "nested without end": (says(answer(b"[" * 100_000)), BAD),
}

OF_TOKEN_CALLS = (
    "closed without a word",
    "reset in the body",
    "trickling body",
    "body without end",
    "length too long, then silence",
    "gzip truncated",
    "one long header",
    "chunks cut off",
    "other protocol",
    "protocol switched unasked",
)

ODDITIES: dict[str, Speech] = {
    "charset that is wrong": says(answer(GOOD, b"Content-Type: application/json; charset=utf-16")),
    "media type that is wrong": says(answer(GOOD, b"Content-Type: text/html")),
    "byte order mark": says(answer(b"\xef\xbb\xbf" + GOOD)),
    "cookie that is none": says(answer(GOOD, b"Set-Cookie: \xff=;;=,; Max-Age=x")),
    "media type that is none": says(answer(GOOD, b"Content-Type: ;;\xff; charset")),
    "reason in another charset": says(answer(GOOD, status=b"HTTP/1.1 200 Tr\xe8s bien")),
    "header beyond ASCII": says(answer(GOOD, b"X-Cap-Requestid: \xff\xfe")),
    "in pieces": says(answer(b"", length=len(GOOD)), GOOD[:7], GOOD[7:]),
    "HTTP/1.0": says_and_closes(answer(GOOD, status=b"HTTP/1.0 200 OK", length=-1)),
    "body to the end": says_and_closes(answer(GOOD, length=-1)),
    "interim answers": says(
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        answer(GOOD),
    ),
    "closing": says_and_closes(answer(GOOD, b"Connection: close")),
    "chunks with trailers": says(chunks(chunk(GOOD), b"0\r\nX-Sum: 1\r\n\r\n")),
    "coding that is none": says(answer(GOOD, b"Content-Encoding: utf-8")),
    "gzip": says(answer(gzip.compress(GOOD), GZIP)),
}


@pytest.fixture
async def gateway() -> AsyncIterator[RawGateway]:
    """A gateway on a bare socket."""
    async with raw_gateway() as gateway:
        yield gateway


async def start(house: House, gateway: RawGateway) -> Service:
    """Run a service whose badges come from that gateway, and its tokens from the stand-in."""
    return await house.start(BFF_GATEWAY__BASE_URL=gateway.base_url, BFF_GATEWAY__TIMEOUT="0.6")


async def assert_right_answers(house: House, service: Service, gateway: RawGateway) -> None:
    """Check that the gateway, once it is well, serves each customer what is theirs."""
    gateway.speech = gateway.unasked = None
    house.clock.advance(31)
    # What is still on its way when the next request goes out can't be told from its answer.
    await asyncio.sleep(0.1)
    for name, customer in sorted(customers(house).items()):
        reply = await service.get("/me/badges?view=earned", token=name)
        assert reply.status == 200, reply.body
        assert [badge["name"] for badge in reply.json["badges"]] == [f"Badge of {customer}"]


def customers(house: House) -> dict[str, str]:
    """Return the ids of the sample customers, by name."""
    return {person.name: person.customer_id for person in house.issuer.people}


@pytest.mark.parametrize(("speech", "problem"), FAULTS.values(), ids=FAULTS)
async def test_faults_on_the_wire(
    house: House, gateway: RawGateway, speech: Speech, problem: tuple[int, str]
) -> None:
    """A fault is the problem of its row of the table; later calls get their own right answers."""
    service = await start(house, gateway)
    gateway.speech = speech

    reply = await service.get()

    assert (reply.status, reply.code) == problem
    await assert_right_answers(house, service, gateway)


@pytest.mark.parametrize("fault", OF_TOKEN_CALLS)
async def test_faults_of_token_calls(house: House, gateway: RawGateway, fault: str) -> None:
    """Without a token callers get the problem of the token call's own fault."""
    speech, problem = FAULTS[fault]
    gateway.speech = speech

    service = await house.start(
        BFF_GATEWAY__TOKEN_URL=f"{gateway.base_url}/token", BFF_GATEWAY__TIMEOUT="0.6"
    )
    reply = await service.get()

    assert (reply.status, reply.code) == problem
    assert house.gateway.badge_calls == []


@pytest.mark.parametrize("speech", ODDITIES.values(), ids=ODDITIES)
async def test_oddities_on_the_wire(house: House, gateway: RawGateway, speech: Speech) -> None:
    """What is odd and yet to be understood is answered; later calls get their own answers."""
    service = await start(house, gateway)
    gateway.speech = speech

    reply = await service.get()

    assert (reply.status, reply.json["badges"][0]["name"]) == (200, "Badge of ada")
    await assert_right_answers(house, service, gateway)


async def test_letters_of_another_charset(house: House, gateway: RawGateway) -> None:
    """A body in Latin-1 costs its letters beyond ASCII, not the page."""
    service = await start(house, gateway)
    gateway.speech = says(answer(GOOD.replace(b"Badge of", b"Caf\xe9 of")))

    reply = await service.get()

    assert reply.json["badges"][0]["name"] == "Caf\ufffd of ada"


async def test_an_answer_before_the_request(house: House, gateway: RawGateway) -> None:
    """A gateway that turns us away before it has read the request is out of reach for now."""
    service = await start(house, gateway)
    gateway.unasked = says_and_closes(answer(b"", status=b"HTTP/1.1 503 Busy"))

    reply = await service.get()

    assert (reply.status, reply.code) == UNAVAILABLE
    await assert_right_answers(house, service, gateway)


async def test_an_answer_that_nobody_asked_for(house: House, gateway: RawGateway) -> None:
    """A second answer on a connection never becomes the next caller's: it is somebody else's."""
    service = await start(house, gateway)
    gateway.speech = says(answer(GOOD), answer(badges_of("somebody-else")))
    assert (await service.get()).status == 200

    await assert_right_answers(house, service, gateway)
    assert gateway.connections > 1


async def test_good_connections_are_used_again(house: House, gateway: RawGateway) -> None:
    """Calls one after the other need one connection."""
    service = await start(house, gateway)

    await assert_right_answers(house, service, gateway)

    assert len(gateway.requests) == len(customers(house))
    assert gateway.connections == 1
