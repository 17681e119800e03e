"""Logs: one line of JSON an event on standard output, or a readable line for people.

Nothing personal and nothing secret gets in: the product's own events carry named, harmless values;
of a library's record only the unformatted message, and of an exception its type and its stack,
never its text or the values of variables, since those hold what callers and machines sent.
"""

import asyncio
import logging
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from app.services.records import RequestRecord

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_FLUSH_AFTER = 0.01
_encoder = msgspec.json.Encoder()


class Log:
    """The log of a process: `events`, by structlog, and the lines of requests, many at a time.

    `log_format` is "json" or "console", `level` as in the configuration.
    """

    def __init__(
        self, *, log_format: str, level: str, stream: BinaryIO = sys.stdout.buffer
    ) -> None:
        self._stream = _Lenient(stream)
        self._level = _LEVELS[level]
        self._encode = _json_lines if log_format == "json" else _console_lines
        processors: list[Processor] = [_complete, _json if log_format == "json" else _console]
        events: FilteringBoundLogger = structlog.wrap_logger(
            structlog.BytesLogger(cast("BinaryIO", self._stream)),
            processors=processors,
            wrapper_class=structlog.make_filtering_bound_logger(self._level),
        )
        # Bound once: what `wrap_logger` returns would bind anew for each line.
        self.events: FilteringBoundLogger = events.bind()

    def requests(self, records: Iterable[RequestRecord]) -> None:
        """Write the lines of requests.

        Not by structlog: one line through it costs more than all else that a cached answer does
        with the log and the metrics.
        """
        wanted = [record for record in records if _LEVELS[record.level] >= self._level]
        if wanted:
            self._stream.write(self._encode(wanted))
            self._stream.flush()


def adopt_standard_logging(events: FilteringBoundLogger) -> None:
    """Send the records of libraries, from warnings up, through our logger."""
    logging.basicConfig(handlers=[_Adopted(events)], level=logging.WARNING, force=True)


class _Lenient:
    """A stream that loses what can't be written: a log that is gone must not fail a request.

    In an event loop it is flushed `_FLUSH_AFTER` seconds after a line: a system call for each line
    costs more than the line. What is left over is flushed by the interpreter when it ends.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting_in: asyncio.AbstractEventLoop | None = None

    def write(self, lines: bytes) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(lines)

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
    """Add level and time, and replace an exception under `error` by its type and stack."""
    event["level"] = level
    event["timestamp"] = datetime.now(UTC)
    error = event.pop("error", None)
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["stack"] = [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event


def _json(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    return _encoder.encode(event)


def _json_lines(records: list[RequestRecord]) -> bytes:
    return _encoder.encode_lines(records)


def _console(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    """Write `07:00:00 info request status=200 ...`."""
    time, level, name = event.pop("timestamp"), event.pop("level"), event.pop("event")
    values = " ".join(f"{key}={_plain(value)}" for key, value in event.items())
    return f"{time:%H:%M:%S} {level:<7} {name} {values}".encode("utf-8", "replace")


def _console_lines(records: list[RequestRecord]) -> bytes:
    lines = (_console(None, "", _fields(record)) for record in records)
    return b"".join(line + b"\n" for line in lines)


def _fields(record: RequestRecord) -> EventDict:
    """Return what is set of a record, in the form of structlog's events."""
    fields = msgspec.structs.asdict(record)
    known = {name: value for name, value in fields.items() if value is not msgspec.UNSET}
    return {"event": "request", **known}


def _plain(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
