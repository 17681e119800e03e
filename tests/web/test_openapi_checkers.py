"""The OpenAPI document, judged by Redocly's and Spectral's rules."""

from pathlib import Path

import pytest
from npm import installed, run

from app.web.openapi import document_bytes

CHECKERS = Path(__file__).parent.parent / "checkers"
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@pytest.fixture
async def checkers() -> Path:
    """Install the locked programs once, outside of what is committed, and say where."""
    return await installed(CHECKERS) / ".bin"


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
    return await run(*command, "--format", "stylish", folder=document.parent, **QUIET)


async def spectral(checkers: Path, document: Path) -> tuple[int, str]:
    """Let Spectral judge a document; even a hint is a fault."""
    rules = ("--ruleset", str(CHECKERS / "spectral.yaml"), "--fail-severity", "hint")
    command = (str(checkers / "spectral"), "lint", *rules, str(document))
    return await run(*command, folder=document.parent, **QUIET)


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
