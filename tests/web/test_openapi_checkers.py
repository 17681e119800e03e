"""The OpenAPI document, judged by Redocly's and Spectral's rules."""

import asyncio
import hashlib
import os
import shutil
from pathlib import Path

import pytest
from programs import go_without, program

from app.web.openapi import document_bytes

CHECKERS = Path(__file__).parent.parent / "checkers"
CACHE = CHECKERS.parent.parent / ".cache"
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


async def run(*command: str, folder: Path, patience: float = 60) -> tuple[int, str]:
    """Run a program, bounded, and return its exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **QUIET},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(patience):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode()


@pytest.fixture
async def checkers() -> Path:
    """Install the locked programs once, outside of what is committed, and say where."""
    program("npm")
    lock = (CHECKERS / "package-lock.json").read_bytes()
    folder = CACHE / f"checkers-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(CHECKERS / name, folder)
        command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        code, said = await run(*command, folder=folder, patience=180)
        if code:
            go_without(f"npm can't install the checkers: {said[-300:]}")
        (folder / "done").touch()
    return folder / "node_modules" / ".bin"


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """The document as a file."""
    path = tmp_path / "openapi.json"
    path.write_bytes(document_bytes(webhook_header="Authorization"))
    return path


async def redocly(checkers: Path, document: Path) -> tuple[int, str]:
    """Let Redocly judge a document."""
    rules = CHECKERS / "redocly.yaml"
    command = (str(checkers / "redocly"), "lint", str(document), "--config", str(rules))
    return await run(*command, "--format", "stylish", folder=document.parent)


async def spectral(checkers: Path, document: Path) -> tuple[int, str]:
    """Let Spectral judge a document; even a hint is a fault."""
    rules = ("--ruleset", str(CHECKERS / "spectral.yaml"), "--fail-severity", "hint")
    command = (str(checkers / "spectral"), "lint", *rules, str(document))
    return await run(*command, folder=document.parent)


@pytest.mark.parametrize(
    ("judge", "content"),
    [
        (redocly, "Your API description is valid"),
        (spectral, "No results with a severity of 'hint'"),
    ],
)
async def test_the_document_passes(
    judge: object, content: str, checkers: Path, document: Path
) -> None:
    """Neither an error nor a warning."""
    code, said = await judge(checkers, document)

    assert (code, content in said) == (0, True), said
    assert "warning " not in said


@pytest.fixture
def faulty(document: Path) -> Path:
    """The document, with one name for two operations."""
    document.write_bytes(document.read_bytes().replace(b'"getSummary"', b'"getBadges"'))
    return document


@pytest.mark.parametrize("judge", [redocly, spectral])
async def test_a_fault_is_found(judge: object, checkers: Path, faulty: Path) -> None:
    """The judges judge: the name of an operation is its own."""
    code, said = await judge(checkers, faulty)

    assert code != 0, said
