"""`python -m app serve`: the service as a process, from its start to its signal."""

import asyncio
import signal
import sys

import uvloop
from structlog.typing import FilteringBoundLogger

from app.adapters.logs import adopt_standard_logging, make_logger
from app.bootstrap import running
from app.settings import Settings
from app.web.server import ListenError


def serve(settings: Settings) -> int:
    """Run the service until SIGTERM or SIGINT; return the exit code of the process."""
    logger = make_logger(log_format=settings.log.format, level=settings.log.level)
    adopt_standard_logging(logger)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings, logger))
    except ListenError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _run(settings: Settings, logger: FilteringBoundLogger) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings, logger) as addresses:
        logger.info("listening", public=_text(addresses.public), admin=_text(addresses.admin))
        await stop.wait()
        logger.info("stopping")
    logger.info("stopped")


def _text(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
