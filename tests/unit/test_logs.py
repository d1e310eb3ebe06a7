"""A log record is one line, whatever a server or a caller named; a traceback keeps its own lines, set in."""

from __future__ import annotations

import subprocess
import sys

FORGED = "red\x1b[31m\n2030-01-01 00:00:00,000 ERROR forged\r\u2028\x85\x9b"
PROGRAM = f"""
import logging
from jieqian.logs import set_up_logging
from jieqian.settings import LogFormat
set_up_logging(LogFormat.TEXT)
logger = logging.getLogger("one")
logger.warning("%s", {FORGED!r})
logger.warning("籤　詩", extra={{"action": "a", "note": {FORGED!r}}})
try:
    raise ValueError({FORGED!r})
except ValueError:
    logger.exception("broken", extra={{"model": "m"}})
"""


def test_no_line_is_forged_and_a_traceback_keeps_its_lines() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, encoding="utf-8", check=True)
    lines = ended.stderr.split("\n")
    assert lines.pop() == ""
    assert all(mark.isprintable() or mark == "　" for line in lines for mark in line)
    begun = [line for line in lines if not line.startswith("  ")]
    assert [line.split(" ", 2)[2].split(" ", 2)[0] for line in begun] == ["WARNING", "WARNING", "ERROR"]
    assert begun[1].split("one ")[1].startswith("籤　詩 note=red�[31m�2030-01-01")
    assert begun[2].endswith("one broken model=m")
    assert "  Traceback (most recent call last):" in lines
    assert any("ValueError: red�" in line for line in lines)
