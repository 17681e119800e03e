"""Answers as they go over the wire, judged by httplint: it has nothing to warn of."""

import asyncio
import time
from collections.abc import Iterable, Iterator

import pytest
from aiohttp import web
from house import House, Service
from httplint import HttpRequestLinter, HttpResponseLinter, Note, levels

Fields = list[tuple[bytes, bytes]]

SECRET = "a-secret-that-is-shared"
EVENT = '{"eventName": "badgeEarned", "data": {"customerIdentifiers": {"customerId": "1"}}}'

FAULTS = (levels.WARN, levels.BAD)

# Notes that contradict what is fixed, by the status of the answers that may have them. For 400 and
# 414 httplint has a note whatever the answer looks like: they tell a client author of his fault.
# AGE_PENALTY wants either no Age, or the Date of the fetch. The contract fixes Age; Date is when
# the message was made (RFC 9110 section 6.6.1), and clients may set clocks by it. A cache that
# gets both counts with the larger age (RFC 9111 section 4.2.3), and the penalty in question, a
# shorter freshness lifetime, does not arise from `no-cache`.
ALLOWED = {
    200: {"AGE_PENALTY"},
    304: {"AGE_PENALTY"},
    400: {"STATUS_BAD_REQUEST"},
    414: {"STATUS_URI_TOO_LONG"},
}


async def exchange(service: Service, sent: bytes, *, admin: bool = False) -> bytes:
    """Send a request as it is and read until the service closes the connection."""
    reader, writer = await asyncio.open_connection(*(service.admin if admin else service.public))
    writer.write(sent)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def asking(target: str, *lines: str, method: str = "GET", body: str = "") -> bytes:
    """Write a request that has an end."""
    fields = ("Host: badges.test", "User-Agent: lint", "Connection: close", *lines)
    return "\r\n".join((f"{method} {target} HTTP/1.1", *fields, "", body)).encode()


def bearer(house: House, **claims: object) -> str:
    """Write a credential of the sample customer."""
    return f"Authorization: Bearer {house.issuer.token(**claims)}"


def taken_apart(message: bytes) -> tuple[list[bytes], Fields, bytes]:
    """Split a message into the parts of its first line, its fields and its content."""
    head, separator, content = message.partition(b"\r\n\r\n")
    assert separator
    first, *lines = head.split(b"\r\n")
    fields = [line.partition(b":")[::2] for line in lines]
    assert b"transfer-encoding" not in {name.lower() for name, _ in fields}
    return first.split(b" ", 2), [(name, value.strip(b" \t")) for name, value in fields], content


def lint(sent: bytes, answer: bytes) -> list[Note]:
    """Return httplint's notes on an answer, of the levels that are faults."""
    (method, target, _), fields, _ = taken_apart(sent)
    request = HttpRequestLinter(start_time=time.time())
    request.process_request_topline(method, target, b"1.1")
    request.process_headers(fields)
    request.finish_content(complete=True)

    (version, status, phrase), fields, content = taken_apart(answer)
    response = HttpResponseLinter(start_time=time.time())
    response.request = request
    response.is_head_response = method == b"HEAD"
    response.process_response_topline(version.removeprefix(b"HTTP/"), status, phrase)
    response.process_headers(fields)
    response.feed_content(content)
    response.finish_content(complete=True)
    return [note for note in flat(response.notes) if note.level in FAULTS]


def flat(notes: Iterable[Note]) -> Iterator[Note]:
    """Yield notes and the notes below them."""
    for note in notes:
        yield note
        yield from flat(note.subnotes)


def assert_flawless(sent: bytes, answer: bytes, status: int) -> None:
    """Check that an answer is the one that was wanted, and that httplint finds no fault with it."""
    assert answer.split(b" ", 2)[1] == b"%d" % status, answer
    faults = {type(note).__name__: str(note.summary) for note in lint(sent, answer)}
    assert {name: faults[name] for name in faults.keys() - ALLOWED.get(status, set())} == {}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("coding", ["gzip", "identity"])
@pytest.mark.parametrize("target", ["/me/badges", "/me/badges?page=2&size=3&view=available"])
async def test_badges(house: House, method: str, coding: str, target: str) -> None:
    """A miss, a hit, and the 304 to the tag of each."""
    service = await house.start()
    lines = (bearer(house), f"Accept-Encoding: {coding}")
    sent = asking(target, *lines, method=method)

    for _ in ("miss", "hit"):
        answer = await exchange(service, sent)
        assert_flawless(sent, answer, 200)
    tag = dict(taken_apart(answer)[1])[b"ETag"].decode()
    conditional = asking(target, *lines, f"If-None-Match: {tag}", method=method)
    assert_flawless(conditional, await exchange(service, conditional), 304)


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        pytest.param(204, asking("/me/badges", method="OPTIONS"), id="options"),
        pytest.param(200, asking("/livez"), id="live"),
        pytest.param(200, asking("/readyz"), id="ready"),
        pytest.param(400, b"GET /me/badges HTTP/1.1\r\nBad Field: x\r\n\r\n", id="framing"),
        pytest.param(401, asking("/me/badges"), id="no credential"),
        pytest.param(401, asking("/me/badges", "Authorization: Bearer x.y.z"), id="bad credential"),
        pytest.param(404, asking("/nothing"), id="no such route"),
        pytest.param(405, asking("/me/badges", method="DELETE"), id="method"),
        pytest.param(406, asking("/me/badges", "Accept: text/html"), id="not acceptable"),
        pytest.param(414, asking("/" + "a" * 9000), id="long target"),
        pytest.param(431, asking("/me/badges", "X: " + "a" * 20_000), id="large field"),
        pytest.param(431, asking("/me/badges", *["X: y"] * 200), id="many fields"),
    ],
)
async def test_answers_to_anybody(house: House, status: int, sent: bytes) -> None:
    """What is answered without a credential."""
    service = await house.start()

    assert_flawless(sent, await exchange(service, sent), status)


@pytest.mark.parametrize(
    ("status", "target", "claims"),
    [
        pytest.param(400, "/me/badges?view=all&page=0&foo=1", {}, id="query"),
        pytest.param(403, "/me/badges", {"scope": "profile"}, id="scope"),
        pytest.param(403, "/me/badges", {"customer_id": ".."}, id="identity"),
    ],
)
async def test_answers_to_a_customer(
    house: House, status: int, target: str, claims: dict[str, object]
) -> None:
    """What is answered to a good credential that does not suffice, or with a faulty query."""
    service = await house.start(BFF_IDENTITY__SCOPE="badges:read")
    sent = asking(target, bearer(house, **{"scope": "badges:read"} | claims))

    assert_flawless(sent, await exchange(service, sent), status)


async def test_answers_within_and_beyond_the_request_rate(house: House) -> None:
    """What tells a customer of his quota, and the answer once he has used it up."""
    service = await house.start(BFF_LIMITS__REQUESTS_PER_MINUTE="2")
    sent = asking("/me/badges", bearer(house))
    conditional = asking("/me/badges", bearer(house), "If-None-Match: *")

    for status, request in ((200, sent), (304, conditional), (429, sent)):
        answer = await exchange(service, request)
        assert b"\r\nRateLimit: " in answer
        assert_flawless(request, answer, status)


async def fail(_: web.Request) -> web.Response:
    """Answer an error."""
    return web.Response(status=500)


async def refuse(_: web.Request) -> web.Response:
    """Answer that there were too many calls."""
    return web.Response(status=429, headers={"Retry-After": "42"})


async def disown(_: web.Request) -> web.Response:
    """Answer that there is no such customer."""
    return web.json_response({"data": None, "errors": [{"code": 1026}], "warnings": []})


async def hang(_: web.Request) -> None:
    """Answer nothing for a long time."""
    await asyncio.sleep(30)


@pytest.mark.parametrize(
    ("status", "behaviour"),
    [
        pytest.param(404, disown, id="customer unknown"),
        pytest.param(502, fail, id="error"),
        pytest.param(503, refuse, id="limited"),
        pytest.param(504, hang, id="no answer"),
    ],
)
async def test_answers_for_a_failing_gateway(house: House, status: int, behaviour: object) -> None:
    """What is answered if there is nothing in the cache to be served instead."""
    service = await house.start(BFF_GATEWAY__TIMEOUT="0.5")
    house.gateway.behaviour = behaviour
    sent = asking("/me/badges", bearer(house))

    assert_flawless(sent, await exchange(service, sent), status)


@pytest.mark.parametrize(
    ("age", "cache"), [(90, b"badges-bff; hit; ttl=-"), (400, b"detail=stale-if-error")]
)
@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_stale_answers(house: House, age: int, cache: bytes, coding: str) -> None:
    """What is past its time, served while it is refreshed, or for want of a better answer."""
    service = await house.start()
    await service.get()
    house.clock.advance(age)
    house.gateway.behaviour = fail
    lines = (bearer(house), f"Accept-Encoding: {coding}")
    for status, more in ((200, ()), (304, ("If-None-Match: *",))):
        sent = asking("/me/badges", *lines, *more)

        answer = await exchange(service, sent)

        assert cache in answer
        assert_flawless(sent, answer, status)


def posting(target: str, body: str, *lines: str) -> bytes:
    """Write a request with a content."""
    return asking(target, *lines, f"Content-Length: {len(body)}", method="POST", body=body)


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        pytest.param(
            204, posting("/webhooks/loyalty", EVENT, f"Authorization: {SECRET}"), id="done"
        ),
        pytest.param(400, posting("/webhooks/loyalty", "[", f"Authorization: {SECRET}"), id="bad"),
        pytest.param(401, posting("/webhooks/loyalty", "{}"), id="no secret"),
        pytest.param(
            413,
            posting("/webhooks/loyalty", " " * 70_000, f"Authorization: {SECRET}"),
            id="too large",
        ),
        pytest.param(204, asking("/webhooks/loyalty", method="OPTIONS"), id="options"),
    ],
)
async def test_answers_to_the_webhook(house: House, status: int, sent: bytes) -> None:
    """What the gateway's events are answered."""
    service = await house.start(BFF_WEBHOOK__SECRET=SECRET)

    assert_flawless(sent, await exchange(service, sent), status)


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        pytest.param(200, asking("/readyz"), id="ready"),
        pytest.param(
            204,
            posting("/cache/invalidate", '{"identifier": "customerId", "value": "1"}'),
            id="done",
        ),
        pytest.param(400, posting("/cache/invalidate", "{}"), id="bad"),
        pytest.param(405, asking("/cache/invalidate"), id="method"),
    ],
)
async def test_answers_on_the_admin_port(house: House, status: int, sent: bytes) -> None:
    """What operators are answered."""
    service = await house.start()

    assert_flawless(sent, await exchange(service, sent, admin=True), status)


def test_a_fault_is_found() -> None:
    """The check is one: it reports what is wrong with an answer."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: x\r\n\r\n{}"

    assert {note.subject for note in lint(asking("/"), answer)} >= {
        "field-content-length",
        "field-etag",
    }
