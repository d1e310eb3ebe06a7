"""Notices a model that has stopped saying anything: endless white space, or the same words again and again.

Under a grammar some models fall into this and never end (https://github.com/ollama/ollama/issues/1182).
"""

from __future__ import annotations

import re

BLANK_CHARACTERS = 200
#: Words that come three times in a row, and for so many characters, will come for ever.
TIMES, REPEATED_CHARACTERS = 3, 90
LONGEST_PERIOD = 120

_BLANK = re.compile(r"(?:\s|\\[nrt])+\Z")


class RamblingWatch:
    """Watches an answer, fed in pieces; looks at most once in 120 characters."""

    def __init__(self) -> None:
        self._tail = ""
        self._unseen = 0

    def feed(self, text: str) -> str | None:
        """Why the answer should be ended now, or None."""
        self._tail = (self._tail + text)[-TIMES * LONGEST_PERIOD :]
        self._unseen += len(text)
        if self._unseen < LONGEST_PERIOD:
            return None
        self._unseen = 0
        blank = _BLANK.search(self._tail)
        if blank and len(blank.group()) >= BLANK_CHARACTERS:
            return "The model wrote nothing but white space."
        if any(self._repeats(period) for period in range(1, LONGEST_PERIOD + 1)):
            return "The model repeated the same words without end."
        return None

    def _repeats(self, period: int) -> bool:
        run = self._tail[-max(TIMES * period, REPEATED_CHARACTERS) :]
        return len(run) >= max(TIMES * period, REPEATED_CHARACTERS) and run[period:] == run[:-period]
