"""compose.yaml: three replicas, HAProxy and Valkey, hardened, with secrets as files."""

import re
from ipaddress import ip_network
from typing import Any

import pytest
from programs import program

SERVICES = ["bff-1", "bff-2", "bff-3", "haproxy", "valkey"]


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_hardened(compose: Any, name: str) -> None:
    """Read-only, without capabilities, bounded, and started again."""
    service = compose["services"][name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["restart"] == "unless-stopped"


def test_these_are_all(compose: Any) -> None:
    """The test above leaves out none."""
    assert set(compose["services"]) == set(SERVICES)


def test_what_is_named_is_there(compose: Any, root: Any) -> None:
    """Each secret, configuration and network is declared; configurations are files in deploy/."""
    for service in compose["services"].values():
        assert set(service.get("secrets", [])) <= compose["secrets"].keys()
        assert set(service["networks"]) <= compose["networks"].keys()
        used = {configuration["source"] for configuration in service.get("configs", [])}
        assert used <= compose["configs"].keys()

    for configuration in compose["configs"].values():
        assert (root / "deploy" / configuration["file"]).is_file()


def test_each_secret_is_read(compose: Any) -> None:
    """A variable for each secret that a replica mounts, and no secret in the environment itself."""
    replica = compose["services"]["bff-1"]
    files = {
        value.removeprefix("/run/secrets/")
        for name, value in replica["environment"].items()
        if name.endswith("_FILE")
    }

    assert files == set(replica["secrets"])


def test_secrets_are_never_committed(root: Any, run: Any, compose: Any) -> None:
    """Git ignores the files of all secrets."""
    files = [f"deploy/{secret['file']}" for secret in compose["secrets"].values()]

    ignored = run(program("git"), "-C", root, "check-ignore", "--", *files)
    assert set(ignored.stdout.split()) == set(files)


def test_haproxy_knows_the_replicas(compose: Any, balancer: str) -> None:
    """Each server of its configuration is a service of compose.yaml, on the port that it serves."""
    servers = re.findall(r'server \w+ "\$(\w+)"', balancer)
    environment = compose["services"]["haproxy"]["environment"]

    assert [environment[name] for name in servers] == ["bff-1:8080", "bff-2:8080", "bff-3:8080"]


def test_the_balancer_is_trusted(compose: Any) -> None:
    """The network that HAProxy's connections come from is among the trusted proxies."""
    environment = compose["services"]["bff-1"]["environment"]
    (front,) = compose["networks"]["front"]["ipam"]["config"]

    assert environment["BFF_SERVER__TRUSTED_PROXIES"] == front["subnet"]
    assert ip_network(front["subnet"]).is_private


def test_valkey_is_reached_by_replicas_alone(compose: Any) -> None:
    """Its network has no way out, and only HAProxy has a port on the host, on loopback."""
    services = compose["services"]

    assert compose["networks"]["store"]["internal"] is True
    assert services["valkey"]["networks"] == ["store"]
    assert "store" not in services["haproxy"]["networks"]
    assert {name for name in SERVICES if "ports" in services[name]} == {"haproxy"}
    assert services["haproxy"]["ports"][0].startswith("127.0.0.1:")
