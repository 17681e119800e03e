"""The systemd unit: valid, hardened, and with settings that the service takes."""

from pathlib import Path
from typing import Any

import pytest
from programs import program

UNIT = "badges-bff@.service"
MOST_EXPOSED = 15
"""Of 100, as `systemd-analyze security` counts; it calls 10 to 20 "OK"."""


@pytest.fixture
def installed(root: Path, tmp_path: Path) -> Path:
    """Return a copy of the unit that names programs which are there."""
    text = (root / "deploy" / "systemd" / UNIT).read_text()
    text = text.replace("/opt/badges-bff/.venv/bin/python", program("true"))
    path = tmp_path / UNIT
    path.write_text(text.replace("/opt/badges-bff", str(tmp_path)))
    return path


def test_the_unit_is_valid(installed: Path, run: Any) -> None:
    """Systemd knows every key and value; what it does not know it only mentions."""
    result = run(program("systemd-analyze"), "verify", installed)

    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_a_mistake_is_mentioned(installed: Path, run: Any) -> None:
    """The test above would see one."""
    installed.write_text(installed.read_text().replace("RestartSec", "RestartSek"))

    result = run(program("systemd-analyze"), "verify", installed)

    assert "RestartSek" in result.stderr


def test_little_is_exposed(installed: Path, run: Any) -> None:
    """What the service may do on its host is little, by systemd's own count."""
    arguments = ["--no-pager", "--offline=true", f"--threshold={MOST_EXPOSED}"]
    result = run(program("systemd-analyze"), "security", *arguments, installed)

    assert result.returncode == 0, result.stdout


def test_secrets_are_credentials(unit: dict[str, list[str]]) -> None:
    """Each variable that names a file names a credential, and each credential has one."""
    variables = dict(text.split("=", 1) for text in unit["Environment"])
    files = {value for name, value in variables.items() if name.endswith("_FILE")}
    credentials = {text.partition(":")[0] for text in unit["LoadCredential"]}

    assert files == {f"%d/{name}" for name in credentials}


def test_instances_do_not_meet(unit: dict[str, list[str]]) -> None:
    """An instance's name is its port, and gives it an admin port of its own."""
    variables = dict(text.split("=", 1) for text in unit["Environment"])

    assert variables["BFF_SERVER__PORT"] == "8101"
    assert variables["BFF_SERVER__ADMIN_PORT"] == "18101"
    assert unit["ExecStartPre"][0].endswith("-m app check")
    assert unit["ExecStart"][0].endswith("-m app serve")
