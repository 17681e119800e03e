"""The README is pasted literally, line by line, against a running sandbox; only ports differ."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from programs import program

from app.web.problem_table import PROBLEMS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CALLERS = README.partition("## For those who call it")[2].partition("## Point it at")[0]
USUAL = {"SERVICE": 8080, "ADMIN": 8081, "GATEWAY": 8082, "IDENTITY": 8083, "PAGE": 8084}
NAMES = (*USUAL, "CACHE")
# What make and configuration files do is tested where it belongs.
NOT_PASTED = ("make ", "export BFF_", ".venv/bin/python -m app")


def blocks(language: str) -> list[str]:
    """The README's code in a language, as it stands there."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def free_ports() -> dict[str, int]:
    """Find a free port for each part of the sandbox."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in NAMES]
        return {name: one.getsockname()[1] for name, one in zip(NAMES, held, strict=True)}


class Sandbox:
    """What `make run` runs, on other ports."""

    def __init__(self, ports: dict[str, int], folder: Path) -> None:
        self._ports = ports
        self._folder = folder

    async def paste(self, text: str) -> list[str]:
        """Paste lines into a shell that stops at the first failure; return what each printed."""
        lines = self._here(text).replace("\\\n", " ").splitlines()
        script = "".join(f"{line}\nprintf '\\036'\n" for line in lines if line.strip())
        return (await self._run("sh", "-euc", script)).split("\036")[:-1]

    async def run_in_node(self, text: str) -> str:
        """Run JavaScript and return what it printed."""
        node = program("node")
        return await self._run(node, "--input-type=module", "--eval", self._here(text))

    def _here(self, text: str) -> str:
        for name, number in USUAL.items():
            text = text.replace(f"127.0.0.1:{number}", f"127.0.0.1:{self._ports[name]}")
        return text

    async def _run(self, *command: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    """Start everything, and end it."""
    program("curl")
    ports = free_ports()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "sandbox", "--serve"),
        cwd=ROOT,
        env={**os.environ, **{f"{name}_PORT": str(number) for name, number in ports.items()}},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            while b"Ctrl-C ends it all." not in (line := await process.stdout.readline()):
                assert line, "the sandbox has ended"
        reading = asyncio.create_task(process.stdout.read())
        yield Sandbox(ports, tmp_path)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            await process.wait()
    await reading


async def test_its_lines_work(sandbox: Sandbox) -> None:
    """One after the other, in one shell: each does what the text around it says."""
    pasted = [block for block in blocks("sh") if not block.startswith(NOT_PASTED)]
    said = await sandbox.paste("".join(pasted))

    (_, _, earned, summary, refused, page, _, again, invalidated) = said
    times = [badge["lastEarnedAt"] for badge in json.loads(earned)["badges"]]
    assert times == sorted(times, reverse=True)
    assert len(times) == 10
    assert json.loads(summary)["totals"]["earned"] == len(times)
    assert [error["parameter"] for error in json.loads(refused)["errors"]] == ["size"]
    assert "<h1>" in page
    assert again.startswith("HTTP/1.1 304 Not Modified")
    assert invalidated == ""


async def test_its_script_works(sandbox: Sandbox) -> None:
    """The function for a page returns badges and the way on, and throws a problem."""
    (script,) = blocks("js")
    use = """
        const token = await (await fetch("http://127.0.0.1:8083/tokens/ada")).text();
        const first = await badges(token, { query: "?view=earned&size=7" });
        const second = await badges(token, { query: first.next, pull: true });
        const wrong = await badges("wrong").catch((problem) => problem.code);
        const age = Date.now() - second.asOf.getTime();
        const sizes = [first.badges.length, second.badges.length];
        console.log(JSON.stringify([...sizes, second.next, wrong]));
        console.log(age >= 0 && age < 60_000);
    """

    told, recent = (await sandbox.run_in_node(script + use)).splitlines()

    assert json.loads(told) == [7, 3, None, "unauthenticated"]
    assert recent == "true"


def test_it_says_what_to_do_about_every_problem() -> None:
    """The table has every code that a caller of the API may meet, with its status."""
    rows = re.findall(r"^\| ([0-9, ]+) \| (.*?) \| (.+) \|$", CALLERS, re.MULTILINE)
    told = {
        (int(status), code)
        for statuses, codes, _ in rows
        for status in statuses.split(", ")
        for code in re.findall(r"`([a-z-]+)`", codes)
    }
    statuses = {int(status) for row in rows for status in row[0].split(", ")}

    # Of the HTTP layer's own the table names two, and the statuses of all.
    known = {(problem.status, problem.code) for problem in PROBLEMS.values()}
    own = {"content-too-large", "uri-too-long", "header-fields-too-large", "cache-unavailable"}
    assert {pair for pair in known if pair[1] not in own} <= told
    assert {code for _, code in told} <= PROBLEMS.keys()
    assert {problem.status for problem in PROBLEMS.values()} <= statuses


def test_its_links_lead_somewhere() -> None:
    """Files that it names are there."""
    linked = re.findall(r"\]\((?!http)([^)]+)\)", README)
    named = re.findall(r"`((?:app|config|deploy|tests)/[\w./-]*)`", README)

    assert linked
    assert [path for path in (*linked, *named) if not (ROOT / path).exists()] == []
