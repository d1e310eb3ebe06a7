"""Log lines as text or JSON, written by a thread of their own so that no reading waits for a slow disk."""

from __future__ import annotations

import atexit
import copy
import logging
import logging.handlers
import queue
import sys
import unicodedata

from pythonjsonlogger.json import JsonFormatter

from jieqian.settings import LogFormat

#: The log line of a blocked event loop (`LOOP_WATCH_MS`).
LOOP_BLOCKED = "event loop blocked"
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _TextFormatter(logging.Formatter):
    """`time level logger message key=value …`, all in one line; a traceback follows it, set in.

    What a server or a caller named can neither begin a line of its own nor steer a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        told = " ".join(f"{key}={value}" for key, value in extra.items() if key != "action")
        record = copy.copy(record)
        record.msg, record.args = _printable(record.getMessage()), None
        first, *rest = super().format(record).split("\n")
        return "\n".join([f"{first} {_printable(told)}".rstrip(), *(f"  {_printable(line)}" for line in rest)])


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else "\ufffd" for c in text)


def set_up_logging(log_format: LogFormat, level: int = logging.INFO) -> None:
    """Send the process's log lines to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", json_ensure_ascii=False)
        if log_format is LogFormat.JSON
        else _TextFormatter("%(asctime)s %(levelname)-7s %(name)s %(message)s")
    )
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(lines, handler)
    root = logging.getLogger()
    root.handlers = [_PassOn(lines)]
    root.setLevel(level)
    for chatty in ("alembic", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    listener.start()
    atexit.register(listener.stop)


class _PassOn(logging.handlers.QueueHandler):
    """Formats nothing here: the listener's thread does."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        record.message = record.getMessage()
        record.msg, record.args = record.message, None
        return record
