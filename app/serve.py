"""`python -m app serve`: the service as a process, from its start to its signal."""

import asyncio
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import uvloop

from app.adapters.logs import Log, adopt_standard_logging
from app.bootstrap import running
from app.bootstrap.garbage import settle
from app.settings import Settings
from app.web.server import ListenError

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(settings: Settings) -> int:
    """Run the service until SIGTERM or SIGINT; return the exit code of the process.

    A second signal ends the process at once, with 128 and the number of the signal.
    """
    log = Log(log_format=settings.log.format, level=settings.log.level)
    adopt_standard_logging(log.events)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings, log))
    except ListenError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _run(settings: Settings, log: Log) -> None:
    """Serve until the first signal, then drain: unready first, later deaf, then gone."""
    told = _first_signal()
    logger = log.events
    settle()
    async with running(settings, log) as service:
        logger.info("listening", public=_text(service.public), admin=_text(service.admin))
        await told.wait()
        service.drain()
        logger.info("draining", delay=settings.server.drain_delay)
        await asyncio.sleep(settings.server.drain_delay)
        logger.info("stopping")
    logger.info("stopped")


def _first_signal() -> asyncio.Event:
    """Return what the first of `_SIGNALS` sets; whoever sends another wants an end at once."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first() -> None:
        told.set()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, _end_at_once)

    for number in _SIGNALS:
        loop.add_signal_handler(number, first)
    return told


def _end_at_once(number: int, _: FrameType | None) -> NoReturn:
    """End without a word, as a shell would say it: 143 for SIGTERM, 130 for SIGINT.

    The signal's own way to end would do nothing to process 1 of a container.
    """
    os._exit(128 + number)


def _text(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
