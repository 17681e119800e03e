"""Errors from outside: every one is a problem in the contract's form, and leaks nothing."""

import asyncio
import json

import pytest
from house import House, Reply, Service


async def talk(service: Service, sent: bytes) -> tuple[int, dict[str, str], dict[str, object]]:
    """Send raw bytes and read until the service closes: a problem's status, headers and body."""
    reader, writer = await asyncio.open_connection(*service.public)
    writer.write(sent)
    answer, _, body = (await reader.read()).partition(b"\r\n\r\n")
    head = answer.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:])
    writer.close()
    await writer.wait_closed()
    return int(head[0].split()[1]), headers, json.loads(body)


def assert_problem(reply: Reply, status: int, code: str) -> None:
    """Check the form that all problems have."""
    assert (reply.status, reply.code) == (status, code)
    assert list(reply.json)[:6] == ["type", "title", "status", "detail", "code", "requestId"]
    assert reply.json["type"] == f"/problems/{code}"
    assert reply.json["status"] == status
    assert reply.json["requestId"] == reply.headers["X-Request-Id"]
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/me", "/me/badges/", "/me/badges/summary/x", "/metrics"])
async def test_unknown_routes_are_not_found(house: House, path: str) -> None:
    """What is not a route is 404, with a credential or without."""
    service = await house.start()

    assert_problem(await service.get(path, token=None), 404, "not-found")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_not_allowed(house: House, method: str) -> None:
    """Another method is 405 and Allow names the right ones."""
    service = await house.start()

    reply = await service.get(method=method, token=None)

    assert_problem(reply, 405, "method-not-allowed")
    assert set(reply.headers["Allow"].split(",")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    "accept", ["text/html", "application/json;q=0", "application/problem+json", "*/*;q=0"]
)
async def test_excluding_json_is_not_acceptable(house: House, accept: str) -> None:
    """Accept that excludes JSON is 406, before any credential is looked at."""
    service = await house.start()

    reply = await service.get(token=None, headers={"Accept": accept})

    assert_problem(reply, 406, "not-acceptable")


@pytest.mark.parametrize("accept", ["", "*/*", "application/*;q=0.1", "text/html, */*", "&&;,/"])
async def test_other_accepts_pass(house: House, accept: str) -> None:
    """Accept counts only if it is present, well-formed and excludes JSON."""
    service = await house.start()

    assert (await service.get(headers={"Accept": accept})).status == 200


async def test_every_fault_of_a_query_is_named(house: House) -> None:
    """One 400 names all faults, by parameter, with a code and what would be right."""
    service = await house.start()

    reply = await service.get(
        "/me/badges?view=all&page=0&page=1&size=101&name=&foo=1&startsAfter=yesterday"
        "&expiresAfter=2026-01-01T00:00:00Z&expiresBefore=2027-01-01T00:00:00Z"
    )

    assert_problem(reply, 400, "invalid-query")
    assert {(fault["parameter"], fault["code"]) for fault in reply.json["errors"]} == {
        ("view", "not-allowed"),
        ("page", "repeated"),
        ("size", "out-of-range"),
        ("name", "empty"),
        ("foo", "unknown"),
        ("startsAfter", "malformed"),
        ("expiresBefore", "conflict"),
    }
    assert house.gateway.badge_calls == []


async def test_a_bad_query_without_credential_is_unauthenticated(house: House) -> None:
    """The credential is judged before the query."""
    service = await house.start()

    assert_problem(await service.get("/me/badges?foo=1", token=None), 401, "unauthenticated")


@pytest.mark.parametrize("given", ["abc-1_2.3", "x" * 128])
async def test_a_callers_request_id_is_kept(house: House, given: str) -> None:
    """A well-formed X-Request-Id comes back, in the header and in the problem."""
    service = await house.start()

    reply = await service.get(token=None, headers={"X-Request-Id": given})

    assert reply.json["requestId"] == reply.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "<script>", "é", "a@b.example"])
async def test_a_strange_request_id_is_replaced(house: House, given: str) -> None:
    """An X-Request-Id of another form is not repeated anywhere."""
    service = await house.start()

    reply = await service.get(token=None, headers={"X-Request-Id": given})

    assert len(reply.headers["X-Request-Id"]) == 32


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET /me/badges HTTP/1.1\r\nBad Header: x\r\n\r\n", 400, "bad-request"),
        (b"GARBAGE\r\n\r\n", 400, "bad-request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad-request"),
        (b"GET /me/badges HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad-request"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri-too-long"),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
            431,
            "header-fields-too-large",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 500 + b"\r\n",
            431,
            "header-fields-too-large",
        ),
    ],
    ids=["header", "garbage", "tls", "two hosts", "line", "field", "fields"],
)
async def test_errors_of_the_http_layer_are_problems(
    house: House, sent: bytes, status: int, code: str
) -> None:
    """What aiohttp refuses by itself is answered in the same form, and the connection closed."""
    service = await house.start()

    answered, headers, problem = await talk(service, sent)

    assert (answered, problem["code"]) == (status, code)
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["X-Request-Id"] == problem["requestId"]
    assert "aiohttp" not in headers["Server"]
    assert house.events("request")[-1]["status"] == status


async def test_a_strange_expectation_is_a_problem(house: House) -> None:
    """What aiohttp raises outside of all middlewares has the same form, and repeats nothing."""
    service = await house.start()

    reply = await service.get("/nope", token=None, headers={"Expect": "<script>"})

    assert_problem(reply, 400, "bad-request")
    assert b"script" not in reply.body
    assert house.events("request")[-1]["status"] == 400


async def test_bytes_that_are_no_text_break_nothing(house: House) -> None:
    """Header values and parameters that are not UTF-8 get an answer and a log line."""
    service = await house.start()
    token = house.issuer.token().encode()

    sent = b"GET /me/badges?name=%ff HTTP/1.1\r\nHost: x\r\nX-Request-Id: \xff\r\n"
    sent += b"User-Agent: \xff\r\nConnection: close\r\nAuthorization: Bearer " + token
    status, _, problem = await talk(service, sent + b"\r\n\r\n")

    assert (status, problem["code"]) == (400, "invalid-query")
    assert house.events("request")[-1]["status"] == 400


async def test_a_fault_of_ours_is_told_without_detail(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unforeseen error is a 500 that says nothing; the log has its type and stack, no text."""
    service = await house.start()

    def explode(*_: object) -> None:
        raise RuntimeError("secret-in-an-exception")

    monkeypatch.setattr("app.services.gateway.interpret", explode)
    monkeypatch.setattr("app.services.gateway.BadgesGateway._call", explode)
    reply = await service.get()

    assert_problem(reply, 500, "internal-error")
    event = house.events("internal_error")[0]
    assert event["error"] == "RuntimeError"
    assert any(" explode" in frame for frame in event["stack"])
    assert b"secret-in-an-exception" not in house.log.getvalue() + reply.body


async def test_the_log_line_of_a_request(house: House) -> None:
    """One line tells of a request: what, how it ended, where the answer came from."""
    service = await house.start()
    await service.get(headers={"X-Request-Id": "r-1"})

    line = house.events("request")[-1]

    assert line["request_id"] == "r-1"
    assert (line["method"], line["route"], line["status"]) == ("GET", "/me/badges", 200)
    assert (line["cache"], line["level"]) == ("miss", "info")
    assert {"duration", "identity_duration", "cache_duration", "gateway_duration"} <= set(line)
    assert len(line["customer"]) == 24
