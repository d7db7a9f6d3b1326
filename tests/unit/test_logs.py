"""Logs are one JSON object per line, from us and from libraries."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from heyken_glue import logs


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_names_event_unit_and_values() -> None:
    stream = io.StringIO()
    logs.configure(stream=stream, unit="health")
    logs.get("module").info("vip_taken", epoch=7)
    (line,) = _lines(stream)
    assert (line["event"], line["unit"], line["epoch"]) == ("vip_taken", "health", 7)


def test_an_error_keeps_its_traceback_in_one_line() -> None:
    stream = io.StringIO()
    logs.configure(stream=stream)
    logs.get("module").error("failed", exc_info=ValueError("why"))
    (line,) = _lines(stream)
    assert "ValueError: why" in str(line["exception"])


def test_what_libraries_log_has_the_same_shape() -> None:
    stream = io.StringIO()
    logs.configure(stream=stream)
    logging.getLogger("aiohttp").warning("odd %s", "thing")
    (line,) = _lines(stream)
    assert (line["event"], line["message"]) == ("library_message", "odd thing")


def test_a_terminal_gets_readable_lines() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    logs.configure(stream=stream)
    logs.get("module").info("vip_taken")
    assert not stream.getvalue().startswith("{")
    assert "vip_taken" in stream.getvalue()
