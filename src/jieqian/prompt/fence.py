"""Keeps what others wrote (a question, a verse, a passage) from being read as part of the prompt's own frame.

The frame is made of tags in angle brackets. Chat formats mark turns by `<|im_end|>`, `<start_of_turn>`, `<<SYS>>` or
`[INST]`, and several servers read such marks inside a message too, so no text from outside keeps any of them.
"""

from __future__ import annotations

import re
import unicodedata

_ANGLES = str.maketrans({"<": "‹", ">": "›", "＜": "‹", "＞": "›"})
_BRACKETED_MARK = re.compile(r"\[(/?[A-Z][A-Z_]*)\]")
_MANY_BREAKS = re.compile(r"\n{3,}")
_KEPT_FORMAT = frozenset("\u200c\u200d")


def fenced(text: str) -> str:
    """The text as it may stand between the frame's tags: no `<`, `>` or bracketed mark, no control but newline."""
    visible = text if text.replace("\n", "").isprintable() else _visible(text)
    unmarked = _BRACKETED_MARK.sub(r"［\1］", visible.translate(_ANGLES))
    return _MANY_BREAKS.sub("\n\n", unmarked)


def _visible(text: str) -> str:
    return "".join(
        mark for mark in text if mark == "\n" or mark in _KEPT_FORMAT or unicodedata.category(mark) not in _INVISIBLE
    )


_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co"})
