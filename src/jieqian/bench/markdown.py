"""Text of others (a model's, an asker's) as Markdown shows it: as it was written, and never as Markdown."""

from __future__ import annotations

import re
import unicodedata
from html import escape

_MARKS = re.compile(r"([\\`*_{}\[\]|~$#!^])")
_AT_THE_START = re.compile(r"^([-+=:]|\d+(?=[.)]))")
_ADDRESS = re.compile(r"(?i)\b(https?|ftp|mailto|www)([:.])")
_SHOWN_BREAK = " "


def plain(text: str) -> str:
    """In one line, nothing of it read as Markdown, HTML or an address; what cannot be printed becomes `\ufffd`."""
    visible = "".join(
        mark if mark.isprintable() or mark.isspace() or unicodedata.category(mark) == "Zs" else "\ufffd"
        for mark in text
    )
    line = _SHOWN_BREAK.join(visible.split())
    escaped = escape(_MARKS.sub(r"\\\1", line), quote=False).replace("@", "&#64;")
    escaped = _ADDRESS.sub(lambda found: f"{found[1]}&#{ord(found[2])};", escaped)
    return _AT_THE_START.sub(r"\\\1", escaped)


def quoted(text: str) -> str:
    """As a quotation: each line of the text one of its own."""
    lines = [plain(line) for line in text.splitlines() if line.strip()]
    return "\n>\n".join(f"> {line}" for line in lines) or "> "
