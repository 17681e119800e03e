"""The line that tells of a request: its keys are an interface, so they are asserted exactly."""

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from house import House
from msgspec.structs import replace

from app.adapters.logs import Log
from app.services.records import RequestRecord

README = Path(__file__).parents[2] / "deploy" / "README.md"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"

ALWAYS = {"event", "level", "timestamp", "method", "route", "status", "request_id", "duration"}
KNOWN = ALWAYS | {"customer", "identity_duration"}
SERVED = KNOWN | {"cache", "age", "cache_duration"}
FETCHED = SERVED | {"gateway_duration", "gateway_request_id"}


async def fail(_: web.Request) -> web.Response:
    """Fail at once, with an id."""
    return web.Response(status=500, headers={"X-Cap-Requestid": "failed-1"})


async def test_a_miss(house: House) -> None:
    """The gateway's own id of the call is there, and what each stage took."""
    service = await house.start()

    await service.get(headers={"X-Request-Id": "call-1"})

    line = house.events("request")[-1]
    assert set(line) == FETCHED
    assert line["route"] == "/me/badges"
    assert (line["method"], line["status"], line["cache"]) == ("GET", 200, "miss")
    assert (line["level"], line["request_id"]) == ("info", "call-1")
    assert len(line["gateway_request_id"]) == 32
    stages = ("identity_duration", "cache_duration", "gateway_duration")
    assert 0 < sum(line[stage] for stage in stages) <= line["duration"]


async def test_a_hit(house: House) -> None:
    """Nothing is said of the gateway, which was not asked."""
    service = await house.start()
    await service.get()
    house.clock.advance(20)

    await service.get()

    line = house.events("request")[-1]
    assert set(line) == SERVED
    assert line["cache"] == "hit"
    assert line["age"] == pytest.approx(20, abs=2)


async def test_a_stale_answer_says_why(house: House) -> None:
    """The reason is the name of the failure, with the gateway's id of the call that failed."""
    service = await house.start(BFF_GATEWAY__RETRIES="0")
    await service.get()
    house.clock.advance(400)
    house.gateway.behaviour = fail

    await service.get()

    line = house.events("request")[-1]
    assert set(line) == FETCHED | {"stale_reason"}
    assert (line["cache"], line["stale_reason"]) == ("stale-if-error", "server-error")
    assert line["gateway_request_id"] == house.events("gateway_failed")[-1]["gateway_request_id"]


async def test_a_refresh_behind_says_so(house: House) -> None:
    """Who is served at once while the entry is refreshed knows nothing of that call."""
    service = await house.start()
    await service.get()
    house.clock.advance(70)

    await service.get()

    line = house.events("request")[-1]
    assert set(line) == SERVED | {"stale_reason"}
    assert line["stale_reason"] == "revalidating"


async def test_an_error(house: House) -> None:
    """A problem is named by its code; the gateway's id is that of the call that failed."""
    service = await house.start(BFF_GATEWAY__RETRIES="0")
    house.gateway.behaviour = fail

    assert (await service.get()).status == 502

    line = house.events("request")[-1]
    assert set(line) == KNOWN | {"problem", "gateway_request_id"}
    assert line["problem"] == "gateway-bad-answer"
    assert line["gateway_request_id"] == house.events("gateway_failed")[-1]["gateway_request_id"]


async def test_an_unknown_customer(house: House) -> None:
    """The first who asks is told with the id of the call, the others from the cache without."""
    service = await house.start()
    token = house.issuer.token("ada", customer_id="404404404")

    for expected in (KNOWN | {"problem", "gateway_request_id"}, KNOWN | {"problem"}):
        assert (await service.get(token=token)).code == "customer-not-found"
        assert set(house.events("request")[-1]) == expected


async def test_a_caller_that_nobody_knows(house: House) -> None:
    """Without a customer there is no pseudonym, but the address that it came from."""
    service = await house.start()

    await service.get(token=None)

    line = house.events("request")[-1]
    assert set(line) == ALWAYS | {"problem", "client", "client_scheme"}
    assert line["problem"] == "unauthenticated"


async def test_a_path_that_is_none(house: House) -> None:
    """The route is a pattern, never the path: that may hold anything."""
    service = await house.start()

    await service.get("/me/badges/381921157")

    line = house.events("request")[-1]
    assert set(line) == ALWAYS | {"problem"}
    assert line["route"] == "-"


async def test_the_trace_of_the_caller(house: House) -> None:
    """A valid traceparent puts its trace id into the line; anything else is as if absent."""
    service = await house.start()

    await service.get(headers={"traceparent": TRACEPARENT})
    assert house.events("request")[-1]["trace_id"] == TRACE

    await service.get(headers={"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"})
    assert "trace_id" not in house.events("request")[-1]


async def test_the_pseudonym_is_all_that_is_said_of_a_customer(house: House) -> None:
    """The same customer has the same one; nothing of the credential or the identifier is there."""
    service = await house.start()
    token = house.issuer.token("ada")
    await service.get(token=token)
    await service.get(token=token)

    lines = house.events("request")[-2:]

    assert lines[0]["customer"] == lines[1]["customer"]
    assert b"381921157" not in house.log.getvalue()
    assert token.encode() not in house.log.getvalue()


async def test_routine_is_for_debugging(house: House) -> None:
    """Health checks and scrapes would drown everything else."""
    service = await house.start()
    for target in ("/livez", "/readyz", "/metrics"):
        await service.get(target, token=None, admin=True)

    lines = house.events("request")[-3:]

    assert {(line["route"], line["level"]) for line in lines} == {
        ("/livez", "debug"),
        ("/readyz", "debug"),
        ("/metrics", "debug"),
    }


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_two_formats_say_the_same(log_format: str) -> None:
    """JSON for machines; for people one line that begins with the time and what happened."""
    stream = io.BytesIO()
    log = Log(log_format=log_format, level="info", stream=stream)
    record = RequestRecord(
        level="info",
        method="GET",
        route="/livez",
        request_id="r-1",
        status=200,
        duration=0.012345,
        timestamp=datetime(2026, 11, 23, 7, 0, 0, 5, tzinfo=UTC),
    )

    log.requests([record, replace(record, level="debug"), replace(record, status=503)])
    log.events.info("listening", public="127.0.0.1:8080")

    first, second, event = stream.getvalue().decode().splitlines()
    if log_format == "json":
        assert json.loads(first) == {
            "event": "request",
            "level": "info",
            "timestamp": "2026-11-23T07:00:00.000005Z",
            "method": "GET",
            "route": "/livez",
            "request_id": "r-1",
            "status": 200,
            "duration": 0.012345,
        }
        assert json.loads(second)["status"] == 503
        assert set(json.loads(event)) == {"event", "level", "timestamp", "public"}
    else:
        told = "request method=GET route=/livez request_id=r-1 status=200 duration=0.01235"
        assert first == f"07:00:00 info    {told}"
        assert second == f"07:00:00 info    {told.replace('200', '503')}"
        assert event[8:] == " info    listening public=127.0.0.1:8080"


def test_every_key_is_documented() -> None:
    """In the table that operators read."""
    section = README.read_text().partition("### The log")[2].partition("### Traces")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, flags=re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}

    known = FETCHED | {"stale_reason", "problem", "trace_id", "client", "client_scheme"}
    assert documented == known | {"webhook", "customers"}
