"""What of a model server's words repeats the request. Servers quote it in errors, and errors reach the log."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

#: A stretch that repeats what was sent is hidden from so many characters on; two that are not ASCII say as much
#: as a name.
_STRETCH, _STRETCH_DENSE = 16, 2
#: One word alone is hidden too (it may be a name), unless it is one that such messages are made of.
_WORD, _JOINED = re.compile(r"[A-Za-z]{3,}"), re.compile(r"[A-Za-z][A-Za-z'-]+")
_COMMON = frozenset(
    _WORD.findall(
        """
        abort aborted allocate allocated allowed and answer api argument array available bad batch body broken
        buffer busy but bytes cache cannot channel chat client close closed code completion completions
        connection content context could cuda data decode device did dict disk does done encode end ended
        engine error errors exceed exceeded exceeds exist exit expected failed failure field file find for
        format found from full gateway gpu grammar has have header http index input internal integer invalid
        json key large layer length less limit line list llama load loaded loading long malformed many maximum
        memory message messages method missing model models more must name not null number object one only
        open option options out output parameter parameters parse path permission pipe pointer position
        process prompt queue range rate read reason request requested required reset resource response retry
        role run runner runtime schema server service session shut size slot space start state status stop
        stopped string support supported system template temperature tensor terminated than that the there
        this thread time timeout token tokenizer tokens too tool type unable unauthorized unavailable
        unexpected unknown unsupported url user valid value was while window with write
        """
    )
)
_ESCAPED = re.compile(
    r"(?P<units>(?:\\+u[0-9a-f]{4})+)|(?P<bytes>(?:\\+x[0-9a-f]{2})+)|(?P<percent>(?:%[0-9a-f]{2})+)", re.IGNORECASE
)


def without_echo(text: str, private: Iterable[str]) -> str:
    """`text` with every stretch and every word that repeats one of the `private` texts replaced by "…".

    However it is spelled: escapes of JSON, of Python, of addresses and of HTML are read first, and case counts nothing.
    """
    sources = [re.sub(r"\s+", " ", _folded(source)) for source in private]
    if not sources:
        return text
    text = _ESCAPED.sub(_unescaped, html.unescape(text))
    folded = _folded(text)
    hidden = [False] * len(text)
    for width, dense in ((_STRETCH, False), (_STRETCH_DENSE, True)):
        for start in range(len(text) - width + 1):
            window = folded[start : start + width]
            if dense and min(window) <= "\u007f":
                continue
            if any(window in source for source in sources):
                hidden[start : start + width] = [True] * width
    sent = {word for source in sources for word in _WORD.findall(source)} - _COMMON
    for word in _JOINED.finditer(folded):
        if not sent.isdisjoint(_WORD.findall(word[0])):
            hidden[word.start() : word.end()] = [True] * len(word[0])
    shown = "".join("\0" if secret else mark for mark, secret in zip(text, hidden, strict=True))
    return re.sub("\0+", "…", shown)


def _folded(text: str) -> str:
    """In small letters, mark by mark."""
    return "".join(low if len(low := mark.lower()) == 1 else mark for mark in text)


def _unescaped(found: re.Match[str]) -> str:
    units = found["units"] is not None
    digits = re.findall("[0-9a-f]{4}" if units else "[0-9a-f]{2}", re.sub(r"[\\%]+[ux]?", "", found[0].lower()))
    return bytes.fromhex("".join(digits)).decode("utf-16-be" if units else "utf-8", "replace")
