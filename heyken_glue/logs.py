"""Logs: JSON lines on stdout for the journal, readable lines on a terminal.

Event names are constants in the code (`vip_taken`), never sentences built from values: values go
into fields, so that one name can be counted. No secrets, and no bodies above debug level.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog


class _Forward(logging.Handler):
    """Brings what libraries log by `logging` into the same stream and shape."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"message": record.getMessage(), "library": record.name}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        structlog.get_logger().log(record.levelno, "library_message", **fields)


def configure(*, stream: TextIO | None = None, level: int = logging.INFO, **fields: object) -> None:
    """Set up logging of this process once; `fields` (unit, host) appear in every line."""
    out = sys.stdout if stream is None else stream
    pretty = out.isatty()
    renderers: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if pretty
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**fields)
    root = logging.getLogger()
    root.handlers[:] = [_Forward()]
    root.setLevel(max(level, logging.WARNING))


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of one module."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger
