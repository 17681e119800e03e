"""No layer gives up later than the one outside it; nothing is cut off that could still end well."""

import inspect
import re
from typing import Any

import pytest
from aiohttp import web

from app.services import issuer_keys, readiness
from app.settings import GatewaySettings, ServerSettings, Settings


@pytest.fixture
def times(balancer: str) -> dict[str, float]:
    """Return the times of HAProxy's configuration in seconds, each by its name."""
    found = re.findall(
        r"(timeout [a-z-]+|[a-z]*inter|[a-z-]+-(?:delay|after)) (\d+)(ms|s)", balancer
    )
    return {name: float(number) / (1000 if unit == "ms" else 1) for name, number, unit in found}


def number(balancer: str, name: str) -> int:
    """Return a whole number of HAProxy's configuration."""
    return int(re.findall(rf"\b{name} (\d+)", balancer)[-1])


def longest_answer(settings: Settings) -> float:
    """Return the seconds after which a request was answered, whoever hangs."""
    return issuer_keys._PATIENCE + settings.gateway.timeout + settings.cache.timeout


def test_defaults_are_what_the_files_are_written_for() -> None:
    """The comments under deploy/ name these figures; whoever changes one has to look there."""
    server = {name: field.default for name, field in ServerSettings.model_fields.items()}

    assert (server["drain_delay"], server["shutdown_timeout"]) == (5, 20)
    assert server["max_in_flight"] == 512
    assert GatewaySettings.model_fields["timeout"].default == 5
    assert issuer_keys._PATIENCE == 2


def test_inside_the_service(deployment: Any) -> None:
    """Store, connection and soft limit give up before the request's whole budget is used."""
    gateway = deployment.settings.gateway

    assert deployment.settings.cache.timeout < gateway.soft_timeout < gateway.timeout
    assert gateway.connect_timeout < gateway.timeout


def test_the_service_gives_up_before_the_load_balancer(
    deployment: Any, times: dict[str, float]
) -> None:
    """A slow gateway is answered by the service, with a second to spare, never by HAProxy's 504."""
    assert longest_answer(deployment.settings) + 1 <= times["timeout server"]


def test_the_load_balancer_gives_up_before_its_client(times: dict[str, float]) -> None:
    """HAProxy waits for its clients as long as for replicas, so the inner wait ends first."""
    assert times["timeout connect"] < times["timeout server"] <= times["timeout client"]
    assert times["timeout http-request"] <= times["timeout client"]


def test_idle_connections_are_closed_from_outside(times: dict[str, float]) -> None:
    """HAProxy drops an idle connection long before a replica would, under a request's feet."""
    parameters = inspect.signature(web.RequestHandler.__init__).parameters

    assert 10 * times["pool-purge-delay"] < parameters["keepalive_timeout"].default


def test_the_load_balancer_sees_a_drain_in_time(
    deployment: Any, times: dict[str, float], balancer: str
) -> None:
    """Even with slow checks, HAProxy sends nothing more before the listener closes."""
    detected = number(balancer, "fall") * (times["inter"] + times["timeout check"])

    assert times["fastinter"] <= times["inter"]
    assert detected < deployment.settings.server.drain_delay


def test_the_load_balancer_stays_below_the_cap(deployment: Any, balancer: str) -> None:
    """HAProxy queues what a replica would refuse."""
    assert 0 < number(balancer, "maxconn") < deployment.settings.server.max_in_flight


def test_the_load_balancer_outlives_its_requests(
    times: dict[str, float], balancer: str, compose: Any
) -> None:
    """An old HAProxy ends after its longest request, and is killed later still."""
    attempt = times["timeout connect"] + times["timeout server"]
    longest = times["timeout queue"] + (1 + number(balancer, "retries")) * attempt

    assert longest < times["hard-stop-after"]
    grace = compose["services"]["haproxy"]["stop_grace_period"]
    assert times["hard-stop-after"] < float(grace.removesuffix("s"))


def test_requests_under_way_finish(deployment: Any) -> None:
    """The time to finish is longer than any request takes."""
    assert longest_answer(deployment.settings) < deployment.settings.server.shutdown_timeout


def test_nobody_kills_a_service_that_stops(deployment: Any) -> None:
    """SIGKILL comes at least 5 s after the drain and the last request have had all their time."""
    server = deployment.settings.server

    assert server.drain_delay + server.shutdown_timeout + 5 <= deployment.grace


@pytest.mark.parametrize("folder", ["base", "overlays/production"])
def test_kubernetes_probes(folder: str, load_pod: Any) -> None:
    """A drain is seen before the listener closes; a slow start or gateway costs no restart."""
    pod = load_pod(folder)
    ready, live, startup = (
        pod.container[f"{name}Probe"] for name in ("readiness", "liveness", "startup")
    )

    detected = ready["periodSeconds"] * ready["failureThreshold"] + ready["timeoutSeconds"]
    assert detected < pod.settings.server.drain_delay
    restart = live["periodSeconds"] * (live["failureThreshold"] - 1)
    assert restart > longest_answer(pod.settings)
    assert startup["periodSeconds"] * startup["failureThreshold"] > readiness.WARM_UP_LIMIT
    assert [probe["httpGet"]["path"] for probe in (ready, live, startup)] == [
        "/readyz",
        "/livez",
        "/livez",
    ]
