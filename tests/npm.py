"""Programs from npm for tests: a folder's lock, installed once outside of what is committed."""

import asyncio
import hashlib
import os
import shutil
from pathlib import Path

from programs import go_without, program

_CACHE = Path(__file__).parents[1] / ".cache"
_INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")


async def run(
    *command: str, folder: Path, patience: float = 60, **environment: str
) -> tuple[int, str]:
    """Run a program for at most `patience` seconds; return its exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
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


async def installed(source: Path) -> Path:
    """Install what `source` locks, if that was not done before, and return its `node_modules`."""
    program("npm")
    lock = (source / "package-lock.json").read_bytes()
    folder = _CACHE / f"{source.name}-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder)
        code, said = await run(*_INSTALL, folder=folder, patience=180)
        if code:
            go_without(f"npm can't install what {source.name} needs: {said[-300:]}")
        (folder / "done").touch()
    return folder / "node_modules"
