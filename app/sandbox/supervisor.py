"""The supervisor of the sandbox: starts its processes, waits until they are up, ends them all."""

import asyncio
import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from app.sandbox.plan import ROOT, SERVICE_COMMAND, Plan, Process, everything, stand_ins_only
from app.sandbox.ports import HOST, add_port_options, chosen_ports
from app.sandbox.roles import encode_role

START_DEADLINE = 20.0
"""Seconds in which everything has to be up."""

GRACE = 12.0
"""Seconds that a process gets to end by itself, a little more than a guard gives its command."""

POLL = 0.05
"""Seconds between two looks whether a process is up."""


class SandboxError(Exception):
    """Something that ends the sandbox; its text is for the person at the terminal."""


def main(argv: Sequence[str], *, service_command: tuple[str, ...] = SERVICE_COMMAND) -> int:
    """Run the sandbox until Ctrl-C or SIGTERM; return the exit code.

    0: ended as asked. 1: a port is taken, or a process did not start or died.
    """
    arguments = _parser(os.environ).parse_args(argv)
    chosen = chosen_ports(arguments)
    plan = everything(chosen, service_command) if arguments.serve else stand_ins_only(chosen)
    faults = list(chosen.faults(plan.ports))
    if faults:
        print(*faults, sep="\n", file=sys.stderr)
        return 1
    return asyncio.run(Supervisor(plan=plan).run())


def _parser(environment: Mapping[str, str]) -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m app sandbox",
        description="A stand-in gateway and identity provider, to try the service against.",
    )
    parser.add_argument(
        "--serve", action="store_true", help="also run the service, a cache and the badge page"
    )
    add_port_options(parser, environment)
    return parser


@dataclass(kw_only=True, slots=True)
class Supervisor:
    """Owns the processes of one run of the sandbox."""

    plan: Plan
    deadline: float = START_DEADLINE
    _starts: list[asyncio.Task[asyncio.subprocess.Process]] = field(default_factory=list)

    async def run(self) -> int:
        """Start everything, wait until told to end or until something dies, end everything."""
        told = asyncio.create_task(_told_to_end())
        life = asyncio.create_task(self._live())
        try:
            await asyncio.wait({told, life}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            life.cancel()
            await asyncio.wait({told, life})
            await self._end_all()
        return _exit_code(life)

    async def _live(self) -> None:
        """Start the waves, show the banner, and watch.

        Raises SandboxError, in a group, when a process dies or is not up in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.deadline
        async with asyncio.TaskGroup() as watch:
            for wave in self.plan.waves:
                for process in wave:
                    watch.create_task(_outlive(process, await self._start(process)))
                await asyncio.gather(*(_until_up(process, deadline) for process in wave))
            print(self.plan.banner, flush=True)

    async def _start(self, process: Process) -> asyncio.subprocess.Process:
        """Start a process; being cancelled meanwhile doesn't lose it."""
        start = asyncio.create_task(_spawn(process))
        self._starts.append(start)
        return await asyncio.shield(start)

    async def _end_all(self) -> None:
        """End the processes one after the other, the last started, the service, first."""
        for start in reversed(self._starts):
            with suppress(OSError):  # it never started
                await end_process(await start)


async def _spawn(process: Process) -> asyncio.subprocess.Process:
    """Start a process in a session of its own, where the terminal's Ctrl-C does not reach it."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.sandbox.child", encode_role(process.role)),
        stdin=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **process.environment},
        start_new_session=True,
    )


async def end_process(running: asyncio.subprocess.Process, *, grace: float = GRACE) -> None:
    """Ask a process to end, after `grace` seconds kill its whole group, and wait for it."""
    if running.returncode is None:
        running.terminate()
    try:
        async with asyncio.timeout(grace):
            await running.wait()
    except TimeoutError:
        os.killpg(running.pid, signal.SIGKILL)
        await running.wait()
    if running.stdin is not None:
        running.stdin.close()


async def _outlive(process: Process, running: asyncio.subprocess.Process) -> None:
    code = await running.wait()
    raise SandboxError(f"{process.port.purpose} ended by itself, with exit code {code}")


async def _until_up(process: Process, deadline: float) -> None:
    """Wait until the process answers; `deadline` is a time of the event loop.

    Raises SandboxError when it is over.
    """
    try:
        async with asyncio.timeout_at(deadline):
            while not await _is_up(process):  # noqa: ASYNC110  another process sets no event
                await asyncio.sleep(POLL)
    except TimeoutError:
        raise SandboxError(f"{process.port.purpose} is not up in time") from None


async def _is_up(process: Process) -> bool:
    try:
        reader, writer = await asyncio.open_connection(HOST, process.number)
    except OSError:
        return False
    try:
        return process.ready_path is None or await _answers_200(reader, writer, process.ready_path)
    except OSError:
        return False
    finally:
        writer.close()


async def _answers_200(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str
) -> bool:
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    return b" 200 " in await reader.readline()


async def _told_to_end() -> None:
    """Wait for Ctrl-C, SIGTERM, or the end of the terminal."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told.set)
    await told.wait()


def _exit_code(life: asyncio.Task[None]) -> int:
    """Return 0 where the end was asked for; else say what ended the sandbox and return 1.

    Raises whatever is not a SandboxError.
    """
    if life.cancelled():
        return 0
    try:
        life.result()
    except* SandboxError as group:
        for fault in group.exceptions:
            print(f"The sandbox ends: {fault}.", file=sys.stderr)
    return 1
