"""The example client: typed by the running service's description, compiled, and run by Node."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from client.shop import Open, Shop
from house import House
from npm import installed, run
from programs import program

HERE = Path(__file__).parent
LONGEST_LINE = 1 << 20


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what is generated and compiled: once for all tests."""
    return tmp_path_factory.mktemp("client")


@pytest.fixture
async def project(house: House, workshop: Path) -> Path:
    """The client's source with types that were generated from the running service."""
    modules = await installed(HERE)
    if not (workshop / "src" / "openapi.ts").exists():
        service = await house.start()
        document = (await service.get("/openapi.json", token=None)).body
        (workshop / "openapi.json").write_bytes(document)
        (workshop / "node_modules").symlink_to(modules)
        for name in ("package.json", "tsconfig.json"):
            shutil.copy(HERE / name, workshop)
        shutil.copytree(HERE / "src", workshop / "src")
        generator = str(modules / ".bin" / "openapi-typescript")
        code, said = await run(
            *(generator, "openapi.json", "--output", "src/openapi.ts"), folder=workshop
        )
        assert code == 0, said
    return workshop


@pytest.fixture
async def compiled(project: Path) -> Path:
    """The program that a test drives."""
    program = project / "out" / "drive.js"
    if not program.exists():
        compiler = str(project / "node_modules" / ".bin" / "tsc")
        code, said = await run(compiler, folder=project)
        assert code == 0, said
    return program


@pytest.fixture
async def open_shop(house: House, compiled: Path) -> AsyncIterator[Open]:
    """Start a client of the service at an origin; its customer is ada, its time the house's."""
    node = program("node")

    async def pause(seconds: float) -> None:
        house.clock.advance(seconds)

    async with AsyncExitStack() as stack:

        async def open_one(origin: str) -> Shop:
            process = await asyncio.create_subprocess_exec(
                *(node, str(compiled), origin),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE,
            )
            stack.push_async_callback(_close, process)
            return Shop(process, tokens=lambda _: house.issuer.token(), pause=pause)

        yield open_one


@pytest.fixture
async def shop(house: House, open_shop: Open) -> Shop:
    """A client of a service of its own."""
    host, port = (await house.start()).public
    return await open_shop(f"http://{host}:{port}")


async def _close(process: asyncio.subprocess.Process) -> None:
    """End a client: it ends with its orders, and by a signal if it does not."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(5):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
