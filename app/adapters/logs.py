"""Logs: one line of JSON an event on standard output, or a readable line for people.

Nothing personal and nothing secret gets in: the product's own events carry named, harmless values;
of a library's record only the unformatted message, and of an exception its type and its stack,
never its text or the values of variables, since those hold what callers and machines sent.
"""

import asyncio
import logging
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_FLUSH_AFTER = 0.01
_encode = msgspec.json.Encoder().encode


def make_logger(
    *, log_format: str, level: str, stream: BinaryIO = sys.stdout.buffer
) -> FilteringBoundLogger:
    """Make the logger; `log_format` is "json" or "console", `level` as in the configuration."""
    write = _json if log_format == "json" else _console
    processors: list[Processor] = [_complete, write]
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.BytesLogger(cast("BinaryIO", _Lenient(stream))),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
    )
    # Bound once: what `wrap_logger` returns would bind anew for each line.
    return logger.bind()


def adopt_standard_logging(logger: FilteringBoundLogger) -> None:
    """Send the records of libraries, from warnings up, through our logger."""
    logging.basicConfig(handlers=[_Adopted(logger)], level=logging.WARNING, force=True)


class _Lenient:
    """A stream that loses what can't be written: a log that is gone must not fail a request.

    In an event loop it is flushed `_FLUSH_AFTER` seconds after a line: a system call for each line
    costs more than the line. What is left over is flushed by the interpreter when it ends.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting_in: asyncio.AbstractEventLoop | None = None

    def write(self, line: bytes) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(line)

    def flush(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._flush()
            return
        if self._waiting_in is not loop:
            self._waiting_in = loop
            loop.call_later(_FLUSH_AFTER, self._flush)

    def _flush(self) -> None:
        self._waiting_in = None
        with suppress(OSError, ValueError):
            self._stream.flush()


class _Adopted(logging.Handler):
    """A handler that passes records on, without the arguments of their messages."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._logger.log(
            record.levelno, "library", library=record.name, message=str(record.msg), error=error
        )


def _complete(_: WrappedLogger, level: str, event: EventDict) -> EventDict:
    """Add level and time, and replace an exception under `error` by its type and stack.

    One processor rather than three of structlog's: it runs for each request.
    """
    event["level"] = level
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds")[:26] + "Z"
    error = event.pop("error", None)
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["stack"] = [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event


def _json(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    return _encode(event)


def _console(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    """Write `07:00:00 info request status=200 ...`."""
    time, level, name = event.pop("timestamp")[11:19], event.pop("level"), event.pop("event")
    values = " ".join(f"{key}={_plain(value)}" for key, value in event.items())
    return f"{time} {level:<7} {name} {values}".encode("utf-8", "replace")


def _plain(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
