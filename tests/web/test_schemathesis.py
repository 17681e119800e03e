"""Schemathesis: requests made from the OpenAPI document, good and bad, find nothing."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from house import House

SECRET = "a-secret-that-is-shared"
CONFIGURATION = """
[checks.positive_data_acceptance]
# A condition holds (304), or what is good in itself is refused for what it names (the defaults).
expected-statuses = ["2xx", "304", "401", "403", "404", "5xx"]
"""
TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("lifetime", "examples"),
    [
        pytest.param(3600, 20, id="valid"),
        pytest.param(-3600, 5, id="expired"),
        pytest.param(None, 5, id="none"),
    ],
)
async def test_schemathesis_finds_nothing(
    house: House, tmp_path: Path, lifetime: int | None, examples: int
) -> None:
    """All its checks, in all its phases, with a valid, an expired and no credential."""
    service = await house.start(
        BFF_WEBHOOK__SECRET=SECRET, BFF_WEBHOOK__HEADER="X-Loyalty-Key", BFF_LOG__LEVEL="warning"
    )
    headers = {}
    if lifetime is not None:
        token = house.issuer.token(exp=int(house.clock()) + lifetime)
        headers = {"Authorization": f"Bearer {token}", "X-Loyalty-Key": SECRET}
    host, port = service.public

    code, said = await run(f"http://{host}:{port}/openapi.json", headers, examples, tmp_path)

    assert code == 0, said
    assert "not applicable" not in said, said


async def run(
    address: str, headers: dict[str, str], examples: int, folder: Path
) -> tuple[int, str]:
    """Run it as a program of its own, bounded; always the same requests, so that a red is a red."""
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        address,
        *(part for name, value in headers.items() for part in ("-H", f"{name}: {value}")),
        *("--checks", "all", "--max-examples", str(examples), "--generation-deterministic"),
        "--no-color",
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(TESTS)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode()
