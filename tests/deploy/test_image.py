"""The image: what can be said of it without an engine that builds it."""

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from programs import program


@pytest.fixture
def steps(root: Path) -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, each as its name and the rest of its line."""
    text = (root / "deploy" / "Dockerfile").read_text()
    text = re.sub(r"(?m)^#.*\n", "", text).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def last_stage(steps: list[tuple[str, str]]) -> dict[str, str]:
    """Return the instructions of the last stage; of equal ones the last."""
    start = max(place for place, (name, _) in enumerate(steps) if name == "FROM")
    return dict(steps[start:])


@pytest.fixture
def tree(root: Path, tmp_path: Path) -> Path:
    """Return a folder with what /srv holds in the image: the package without its sandbox."""
    hidden = shutil.ignore_patterns("sandbox", "__pycache__")
    shutil.copytree(root / "app", tmp_path / "app", ignore=hidden)
    return tmp_path


def test_hadolint_finds_nothing(run: Any) -> None:
    """No rule is broken, none is switched off."""
    result = run(Path(sys.executable).parent / "hadolint", "deploy/Dockerfile")

    assert (result.returncode, result.stdout) == (0, "")


def test_what_is_copied_is_in_git(steps: list[tuple[str, str]], root: Path, run: Any) -> None:
    """A fresh clone has each source of a COPY, and .dockerignore lets it through."""
    copies = [rest.split()[0] for name, rest in steps if name == "COPY" and "--from" not in rest]
    allowed = (root / ".dockerignore").read_text().splitlines()

    assert copies
    for source in copies:
        assert run(program("git"), "ls-files", "--", source).stdout, source
        assert f"!{source}" in allowed


def test_the_image_needs_no_sandbox(tree: Path, root: Path, run: Any) -> None:
    """The service can be imported without what .dockerignore leaves out."""
    assert "app/sandbox" in (root / ".dockerignore").read_text().splitlines()

    code = f"import sys; sys.path.insert(0, {str(tree)!r}); import app.serve, app.__main__ as it"
    result = run(sys.executable, "-I", "-W", "error", "-c", f"{code}; print(it.__file__)")
    assert (result.stderr, result.stdout.strip()) == ("", str(tree / "app" / "__main__.py"))


def test_nobody_special_runs_it(steps: list[tuple[str, str]]) -> None:
    """A numeric user, so that Kubernetes can tell that it isn't root; Python, not a shell."""
    stage = last_stage(steps)

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", stage["USER"])
    assert json.loads(stage["ENTRYPOINT"]) + json.loads(stage["CMD"]) == [
        "python",
        "-m",
        "app",
        "serve",
    ]
    assert stage["STOPSIGNAL"] == "SIGTERM"


def test_all_is_locked(steps: list[tuple[str, str]]) -> None:
    """What is installed is named in the lock, with its digest; all stages have one base."""
    (install,) = (rest for name, rest in steps if name == "RUN" and " install " in rest)

    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(install.split())
    assert len({rest.split()[0] for name, rest in steps if name == "FROM"}) == 1


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
async def test_the_health_check_tells(steps: list[tuple[str, str]], status: int, code: int) -> None:
    """It asks /livez, and its exit code says what that answered."""
    check = last_stage(steps)["HEALTHCHECK"].partition(" CMD ")[2]
    _, *arguments = json.loads(check)
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        arguments[-1] = arguments[-1].replace("8080", str(server.port))
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
        async with asyncio.timeout(20):
            assert await process.wait() == code
    assert asked == ["/livez"]


async def test_the_health_check_tells_that_nobody_listens(steps: list[tuple[str, str]]) -> None:
    """A refused connection is a failure, too."""
    check = last_stage(steps)["HEALTHCHECK"].partition(" CMD ")[2]
    _, *arguments = json.loads(check)
    arguments[-1] = arguments[-1].replace("8080", "1")

    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stderr=asyncio.subprocess.DEVNULL
    )

    async with asyncio.timeout(20):
        assert await process.wait() != 0
