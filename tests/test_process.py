"""The service as a process: its commands, exit codes, signals and output."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest
from aiohttp import ClientSession
from house import House

ROOT = Path(__file__).parent.parent


class Process:
    """`python -m app` with arguments and an environment of its own."""

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        self._arguments = arguments
        self._environment = environment

    async def start(self) -> asyncio.subprocess.Process:
        """Start it, its output piped."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-W", "error", "-m", "app", *self._arguments),
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **self._environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def end(self) -> tuple[int, str, str]:
        """Run it to its end: exit code, output, errors."""
        process = await self.start()
        out, err = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


async def test_check_accepts_a_good_configuration(house: House) -> None:
    """`check` exits with 0."""
    code, out, err = await Process("check", environment=house.environment()).end()

    assert (code, out, err) == (0, "The configuration is valid.\n", "")


async def test_the_configuration_of_the_readme_is_valid(tmp_path: Path) -> None:
    """What the README says is needed is enough: its TOML, and its secrets from files."""
    readme = (ROOT / "README.md").read_text()
    block = readme.split("```toml\n")[1].split("```")[0]
    path = tmp_path / "badges.toml"
    path.write_text(block)
    secret = tmp_path / "secret"
    secret.write_text("s" * 40 + "\n")
    exported = re.findall(r"export (BFF_\w+_FILE)=", readme)
    environment = dict.fromkeys(exported, str(secret))

    code, out, err = await Process("check", "--config", str(path), environment=environment).end()

    assert (code, err) == (0, ""), out


@pytest.mark.parametrize("command", ["check", "serve"])
async def test_a_bad_configuration_is_refused(house: House, command: str) -> None:
    """All faults are told at once, on standard error, with exit code 2; no secret is."""
    environment = house.environment(
        BFF_SERVER__PORT="x", BFF_GATEWAY__CLIENT_ID="", BFF_CACHE__SECRET="too-short-to-tell"
    )

    code, out, err = await Process(command, environment=environment).end()

    assert (code, out) == (2, "")
    for key in ("server.port", "gateway.client_id", "cache.secret"):
        assert key in err
    assert "too-short-to-tell" not in err


async def test_a_taken_port_is_told(house: House) -> None:
    """A port that can't be had ends the service with exit code 1 and a plain sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = house.environment(BFF_SERVER__PORT=port)
        code, _, err = await Process("serve", environment=environment).end()

    assert code == 1
    assert "in use" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_whole_life(house: House, number: signal.Signals) -> None:
    """The process starts, serves, and ends on a signal with 0, a request under way included."""
    process = await Process("serve", environment=house.environment()).start()
    assert process.stdout is not None
    listening = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    house.gateway.latency = 0.3
    headers = {"Authorization": f"Bearer {house.issuer.token()}"}
    async with ClientSession(f"http://{listening['public']}") as session:
        asked = asyncio.create_task(session.get("/me/badges", headers=headers))
        await asyncio.sleep(0.2)
        process.send_signal(number)
        response = await asked
        assert response.status == 200
        response.release()
    out, err = await asyncio.wait_for(process.communicate(), 20)

    assert (process.returncode, err) == (0, b"")
    assert [json.loads(line)["event"] for line in out.splitlines()][-1] == "stopped"


async def test_nothing_leaks(house: House) -> None:
    """A whole run prints no token, secret, e-mail, phone number or identifier of anybody.

    The run answers well and badly: it is asked with good and bad credentials, as every identifier,
    with strange queries, while the gateway works, fails and quotes what it was asked.
    """
    environment = house.environment(BFF_IDENTITY__IDENTIFIER="email", BFF_LOG__LEVEL="debug")
    process = await Process("serve", environment=environment).start()
    assert process.stdout is not None
    listening = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    good, expired = house.issuer.token("ada"), house.issuer.token("ada", exp=1)
    bodies = b""
    async with ClientSession(f"http://{listening['public']}") as session:
        for token in (good, expired, good[:-3], house.issuer.token("ghost"), "a.b"):
            for query in ("", "?ada+loyalty@example.com=447700900123", f"?name={good[:90]}"):
                headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "ada@example.com"}
                async with session.get(f"/me/badges{query}", headers=headers) as response:
                    bodies += await response.read() + str(response.headers).encode()
        house.gateway.unknown_customer_status = 500
        house.gateway.customers.clear()
        house.gateway.revoke_tokens()
        async with session.get("/me/badges?size=3", headers=headers) as response:
            bodies += await response.read()
    process.send_signal(signal.SIGTERM)
    out, err = await asyncio.wait_for(process.communicate(), 20)

    printed = out + err + bodies
    assert out.count(b'"event":"request"') == 16
    for secret in (
        *(good, good.split(".")[2], expired, house.gateway.client.client_secret),
        *("ada+loyalty", "ada%2Bloyalty", "example.com", "447700900123", "381921157"),
        *("n" * 32, "s" * 32),
        *(call.headers["X-CAP-API-OAUTH-TOKEN"] for call in house.gateway.badge_calls),
    ):
        assert str(secret).encode() not in printed
