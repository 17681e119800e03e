"""The supervisor, with real processes: everything starts, works, and ends."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from app.sandbox.supervisor import end_process

ROOT = Path(__file__).parents[2]
NAMES = ("SERVICE", "ADMIN", "GATEWAY", "IDENTITY", "PAGE", "CACHE")

RUN = """
import sys
from app.sandbox.supervisor import main
sys.exit(main(sys.argv[2:], service_command=(sys.executable, sys.argv[1])))
"""

SERVICE = """
import http.server, json, os, signal, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())
    def log_message(self, *_):
        pass

signal.signal(signal.SIGTERM, lambda *_: (print("service ended", flush=True), os._exit(0)))
address = ("127.0.0.1", int(os.environ["BFF_SERVER__PORT"]))
http.server.HTTPServer(address, Handler).serve_forever()
"""

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""

Start = Callable[..., "Sandbox"]


class Sandbox:
    """A sandbox in a process group of its own, as a shell would start it."""

    def __init__(
        self, service: Path, temporary: Path, ports: dict[str, int], *options: str
    ) -> None:
        self.ports = ports
        self.output = temporary / "output"
        self.temporary = temporary
        variables = {f"{name}_PORT": str(number) for name, number in ports.items()}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUN, str(service), *options],
                cwd=ROOT,
                env={
                    **os.environ,
                    **variables,
                    "TMPDIR": str(temporary),
                    "PYTHONWARNINGS": "error",
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        """All that has been printed so far."""
        return self.output.read_text()

    def until(self, text: str) -> None:
        """Wait until something is printed."""
        wait_for(lambda: text in self.said() or self.process.poll() is not None)
        assert text in self.said()

    def child(self, role: str) -> int:
        """The process id of the child with this role."""
        number = self.ports[role.upper()]
        pattern = rf'^ *(\d+) .*"role":"{role}","port":{number},'
        found = re.search(pattern, processes(), re.MULTILINE)
        assert found
        return int(found[1])

    def leftovers(self) -> list[str]:
        """Processes that still carry one of our ports on their command line."""
        numbers = [str(number) for number in self.ports.values()]
        return [line for line in processes().splitlines() if any(n in line for n in numbers)]

    def listeners(self) -> list[int]:
        """Our ports on which somebody still listens."""
        return [number for number in self.ports.values() if listens(number)]


def processes() -> str:
    """All processes with their command lines."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,args="],  # noqa: S607  ps is where the system has it
        check=True,
        capture_output=True,
        text=True,
    )
    return listing.stdout


def listens(number: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", number)) == 0


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path, unused_tcp_port_factory: Callable[[], int]) -> Iterator[Start]:
    """Start a sandbox; whatever the test leaves of it is ended."""
    service = tmp_path / "service.py"
    service.write_text(SERVICE)
    (tmp_path / "tmp").mkdir()
    started = []

    def run(*options: str, service_code: str = SERVICE) -> Sandbox:
        service.write_text(service_code)
        ports = {name: unused_tcp_port_factory() for name in NAMES}
        started.append(Sandbox(service, tmp_path / "tmp", ports, *options))
        return started[-1]

    yield run
    for sandbox in started:
        sandbox.process.kill()
        sandbox.process.wait()


async def test_everything_starts_works_and_ends_on_ctrl_c(start: Start) -> None:
    """All six ports but the admin's answer; SIGINT ends all, the service first, without a trace."""
    sandbox = start("--serve")
    sandbox.until("Ctrl-C ends")
    ports = sandbox.ports
    assert set(sandbox.listeners()) == set(ports.values()) - {ports["ADMIN"]}
    page = f"http://127.0.0.1:{ports['PAGE']}"
    async with ClientSession() as session:
        async with session.post(f"{page}/login/ada") as answer:
            assert (await answer.text()).count(".") == 2
        async with session.get(f"{page}/me/badges") as answer:
            told = json.loads(await answer.text())
    assert told["BFF_GATEWAY__BASE_URL"] == f"http://127.0.0.1:{ports['GATEWAY']}"
    assert told["BFF_IDENTITY__ISSUER"] == f"http://127.0.0.1:{ports['IDENTITY']}"
    assert told["BFF_CACHE__URL"] == f"redis://127.0.0.1:{ports['CACHE']}"
    assert len(told["BFF_CACHE__SECRET"]) == len(told["BFF_CACHE__NAME_SECRET"]) == 64

    os.killpg(sandbox.process.pid, signal.SIGINT)
    assert sandbox.process.wait(10) == 0
    assert sandbox.listeners() == []
    assert sandbox.leftovers() == []
    assert sandbox.said().endswith("service ended\n")
    assert "Traceback" not in sandbox.said()
    assert list(sandbox.temporary.iterdir()) == [sandbox.output]


def test_the_banner_holds_a_curl_line(start: Start) -> None:
    """Without --serve: addresses, credentials, a line to paste; SIGTERM ends it with 0."""
    sandbox = start()
    sandbox.until("Ctrl-C ends")
    said = sandbox.said()
    for name in ("GATEWAY", "IDENTITY"):
        assert f"http://127.0.0.1:{sandbox.ports[name]}" in said
    assert "sandbox-client sandbox-secret" in said
    issuer = f"http://127.0.0.1:{sandbox.ports['IDENTITY']}"
    service = f"http://127.0.0.1:{sandbox.ports['SERVICE']}"
    bearer = f'"Authorization: Bearer $(curl -s {issuer}/tokens/ada)"'
    assert f"curl -H {bearer} {service}/me/badges" in said
    sandbox.process.terminate()
    assert sandbox.process.wait(10) == 0
    assert sandbox.leftovers() == []


def test_a_child_that_dies_ends_the_rest(start: Start) -> None:
    """Which one and its exit code are said, and the exit code is 1."""
    sandbox = start()
    sandbox.until("Ctrl-C ends")
    os.kill(sandbox.child("identity"), signal.SIGKILL)
    assert sandbox.process.wait(10) == 1
    assert "the stand-in identity provider ended by itself, with exit code -9" in sandbox.said()
    assert "Traceback" not in sandbox.said()
    assert sandbox.leftovers() == []


def test_a_killed_supervisor_leaves_no_orphan(start: Start) -> None:
    """Every child notices that nobody holds its standard input any more, the guard too."""
    sandbox = start("--serve")
    sandbox.until("Ctrl-C ends")
    sandbox.process.kill()
    wait_for(lambda: not sandbox.listeners() and not sandbox.leftovers())
    assert "service ended" in sandbox.said()


def test_a_service_that_does_not_start(start: Start) -> None:
    """Its exit code is said, and nothing is left."""
    sandbox = start("--serve", service_code="raise SystemExit(2)")
    assert sandbox.process.wait(10) == 1
    assert "the service ended by itself, with exit code 2" in sandbox.said()
    assert "Ctrl-C ends" not in sandbox.said()
    assert sandbox.leftovers() == []


async def test_a_process_that_does_not_listen_is_killed() -> None:
    """Who ignores SIGTERM has a moment, and then no choice."""
    deaf = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STUBBORN),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert deaf.stdout is not None
    assert await deaf.stdout.readline() == b"deaf\n"
    await end_process(deaf, grace=0.05)
    assert deaf.returncode == -signal.SIGKILL
