"""The peers: what they need, installed on demand into a cache folder, and how they are started."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.compare.fill import ROOT, Answer, World, answering
from bench.compare.processes import free_port, server

_HERE = Path(__file__).parent
_CACHE = ROOT / ".cache" / "bench"
_INSTALL_WITHIN = 600
_PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--require-hashes")
_NPM = ("ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")


class MissingError(Exception):
    """A peer can't be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Started:
    """How a peer is started, given the file of its settings and its port."""

    command: Callable[[Path, int], Sequence[str]]
    environment: dict[str, str]


def bare() -> Started:
    """Prepare the bare handler, which needs nothing."""
    return Started(lambda settings, _: _words(sys.executable, "python/bare.py", settings), {})


def fastapi() -> Started:
    """Prepare FastAPI and uvicorn, in a virtual environment of their own."""
    lock, home = _HERE / "python" / "requirements.txt", _CACHE / "python"
    python = str(home / "bin" / "python")

    def install() -> None:
        _run(sys.executable, "-m", "venv", str(home))
        _run(python, *_PIP, "-r", str(lock))

    _installed(home, f"{sys.version}{lock.read_text()}", install)
    uvicorn = (python, "-m", "uvicorn", "--factory", "fastapi_peer:make_app", "--no-server-header")
    place = ("--app-dir", str(_HERE / "python"), "--host", "127.0.0.1")
    return Started(lambda _, port: (*uvicorn, *place, "--port", str(port)), {})


def fastify() -> Started:
    """Prepare Fastify, in a folder of its own."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise MissingError("Node and npm are not installed")
    lock, home = _HERE / "node" / "package-lock.json", _CACHE / "node"

    def install() -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / "node" / name, home)
        _run(npm, *_NPM, f"--prefix={home}")

    _installed(home, lock.read_text(), install)
    environment = {"NODE_PATH": str(home / "node_modules"), "NODE_ENV": "production"}
    return Started(lambda settings, _: _words(node, "node/server.js", settings), environment)


PEERS: dict[str, Callable[[], Started]] = {"bare": bare, "fastapi": fastapi, "fastify": fastify}


def _words(program: str, script: str, settings: Path) -> Sequence[str]:
    return (program, str(_HERE / script), str(settings))


def _installed(home: Path, wanted: str, install: Callable[[], None]) -> None:
    """Install anew unless what is there was installed from the same lock."""
    stamp, digest = home / "installed", hashlib.sha256(wanted.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    try:
        install()
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingError(f"it could not be installed ({type(error).__name__})") from error
    stamp.write_text(digest)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=_INSTALL_WITHIN, stdout=subprocess.DEVNULL)


@asynccontextmanager
async def running(
    name: str, started: Started, place: World, sample: Answer
) -> AsyncIterator[tuple[str, int]]:
    """Run a peer; yields its address and process id."""
    port, log = free_port(), place.folder / f"{name}.log"
    settings = place.folder / f"{name}.json"
    settings.write_text(json.dumps(_settings(place, sample, port, log)))
    with server(
        started.command(settings, port),
        core=place.cores.servers,
        log=log,
        environment={"BENCH_SETTINGS": str(settings), **started.environment},
        folder=place.folder,
    ) as process:
        url = f"http://127.0.0.1:{port}"
        await answering(f"{url}/me/badges", log)
        yield url, process


def _settings(place: World, sample: Answer, port: int, log: Path) -> dict[str, object]:
    issuer = place.house.issuer
    computed_by_server = {"content-length", "date", "server"}
    return {
        "host": "127.0.0.1",
        "port": port,
        "log": str(log),
        "issuer": issuer.issuer_url,
        "audience": issuer.audience,
        "jwks_url": f"{issuer.issuer_url}/jwks.json",
        "redis_url": place.valkey.connection_url,
        "headers": sample.constant_headers(),
        "sample": {
            "body": base64.b64encode(sample.body).decode(),
            "headers": {
                name: value
                for name, value in sample.headers.items()
                if name.lower() not in computed_by_server
            },
        },
    }
