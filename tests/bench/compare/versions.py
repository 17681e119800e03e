"""What was measured on, and which versions."""

import json
import platform
import re
import shutil
import subprocess
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path

from bench.compare.fill import World
from bench.compare.load import generator_name
from bench.reads import machine

_HERE = Path(__file__).parent


def about(place: World, measured: Collection[str], *, rounds: int, seconds: int) -> list[str]:
    """Return what the report says of the machine, the work and the versions."""
    ours = ("aiohttp", "uvloop", "redis", "hiredis", "msgspec", "cryptography", "structlog")
    packages = ", ".join(f"{name} {version(name)}" for name in ours)
    cores = f"servers on core {place.cores.servers}, load and Valkey on core {place.cores.others}"
    lines = [
        f"{machine()}; {cores}",
        f"medians of {rounds} rounds of {seconds} s, interleaved; load by {generator_name()}",
        f"this service: Python {platform.python_version()}, {packages}",
        f"this service: Valkey {place.valkey_version} over TCP; rate limit, metrics, log to a file",
    ]
    if "fastapi" in measured:
        lines.append(f"FastAPI: {_python_versions()}; verifies each time, access log to a file")
    if "fastify" in measured:
        lines.append(f"Fastify: {_node_versions()}; remembers 10,000 tokens, log to a file")
    return lines


def _python_versions() -> str:
    wanted = (_HERE / "python" / "requirements.in").read_text().split()
    lock = (_HERE / "python" / "requirements.txt").read_text()
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE))
    names = [name.partition("[")[0] for name in wanted]
    return ", ".join(f"{name} {locked[name]}" for name in (*names, "uvloop", "httptools"))


def _node_versions() -> str:
    packages = json.loads((_HERE / "node" / "package.json").read_text())["dependencies"]
    node = subprocess.run(
        (shutil.which("node") or "node", "--version"), capture_output=True, text=True, check=True
    )
    listed = ", ".join(f"{name} {number}" for name, number in packages.items())
    return f"Node {node.stdout.strip().removeprefix('v')}, {listed}"
