"""Fixtures for what runs the service elsewhere: the files under deploy/, read and rendered."""

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from programs import program

from app.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"


@dataclass(frozen=True)
class Deployment:
    """One way to run the service: its settings, and the seconds from SIGTERM to SIGKILL."""

    settings: Settings
    grace: float


@dataclass(frozen=True)
class Pod:
    """What Kubernetes runs: the specification of a pod, and the settings that it starts with."""

    spec: dict[str, Any]
    settings: Settings

    @property
    def container(self) -> dict[str, Any]:
        """The only container."""
        return self.spec["containers"][0]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command to its end, within 60 seconds, and return what it said."""

    def run_command(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_command


@pytest.fixture(scope="session")
def render(run: Any) -> Callable[[str], list[dict[str, Any]]]:
    """Render a folder of deploy/kubernetes as `kubectl apply --kustomize` would."""

    def rendered(folder: str) -> list[dict[str, Any]]:
        result = run(program("kubectl"), "kustomize", DEPLOY / "kubernetes" / folder)
        assert (result.returncode, result.stderr) == (0, "")
        return list(yaml.safe_load_all(result.stdout))

    return rendered


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """Return compose.yaml, with its anchors resolved."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.fixture(scope="session")
def unit() -> dict[str, list[str]]:
    """Return the settings of the systemd unit, with all values of each; 8101 is the instance."""
    text = (DEPLOY / "systemd" / "badges-bff@.service").read_text()
    settings: dict[str, list[str]] = {}
    for key, value in re.findall(r"(?m)^(\w+)=(.*)$", text):
        settings.setdefault(key, []).append(value.replace("%i", "8101"))
    return settings


@pytest.fixture
def load(tmp_path: Path) -> Callable[[Path, Mapping[str, str]], Settings]:
    """Load a configuration with the variables of a deployment; secrets come from sample files."""

    def load_deployed(path: Path, environment: Mapping[str, str]) -> Settings:
        variables = {**environment}
        del variables["BFF_CONFIG"]
        for name in environment:
            if name.endswith("_FILE"):
                sample = "redis://:x@valkey:6379/0" if name == "BFF_CACHE__URL_FILE" else "s" * 40
                file = tmp_path / name
                file.write_text(f"{sample}\n")
                variables[name] = str(file)
        return load_settings(path, variables)

    return load_deployed


@pytest.fixture
def load_pod(render: Any, load: Any, tmp_path: Path) -> Callable[[str], Pod]:
    """Render a folder of deploy/kubernetes; return what its pods are, and with which settings."""

    def load_rendered(folder: str) -> Pod:
        documents = render(folder)
        spec = one(documents, "Deployment")["spec"]["template"]["spec"]
        path = tmp_path / "badges.toml"
        path.write_text(one(documents, "ConfigMap")["data"]["badges.toml"])
        (container,) = spec["containers"]
        environment = {entry["name"]: entry["value"] for entry in container["env"]}
        return Pod(spec, load(path, environment))

    return load_rendered


@pytest.fixture(params=["compose", "systemd", "base", "overlays/production"])
def deployment(request: pytest.FixtureRequest, load: Any) -> Deployment:
    """Each way to run the service, one after the other."""
    if request.param == "compose":
        replica = request.getfixturevalue("compose")["services"]["bff-1"]
        settings = load(DEPLOY / "badges.toml", replica["environment"])
        return Deployment(settings, float(replica["stop_grace_period"].removesuffix("s")))
    if request.param == "systemd":
        unit = request.getfixturevalue("unit")
        environment = dict(text.split("=", 1) for text in unit["Environment"])
        service = {name: value for name, value in environment.items() if name.startswith("BFF_")}
        return Deployment(load(DEPLOY / "badges.toml", service), float(unit["TimeoutStopSec"][0]))
    pod = request.getfixturevalue("load_pod")(request.param)
    return Deployment(pod.settings, pod.spec["terminationGracePeriodSeconds"])


def one(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the only document of that kind."""
    (document,) = (each for each in documents if each["kind"] == kind)
    return document


@pytest.fixture(scope="session")
def balancer() -> str:
    """Return the text of HAProxy's configuration without its comments."""
    text = (DEPLOY / "haproxy" / "haproxy.cfg").read_text()
    return re.sub(r"(?m)^\s*#.*\n", "", text)
