"""Which of the seven topics a question is about, by its words (`topics.toml`); no model, no network."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from jieqian.lots.lot import TOPICS

_SOURCE = Path(__file__).with_name("topics.toml").read_text(encoding="utf-8")
_WEAK = 0.4
_ONE_CHARACTER = 0.5


def topic_of(question: str) -> str | None:
    """The topic most spoken of, or None where no word tells; on a tie the one named last, where the point often lies.

    Of Chinese and Japanese words the longest that fits counts; one of a single character counts half, since it often
    stands inside another.
    """
    plain = unicodedata.normalize("NFKC", question).casefold()
    best = (0.0, -1)
    found: str | None = None
    for topic, (strong, weak) in _patterns().items():
        hits = [(hit.start(), _ONE_CHARACTER if len(hit.group()) == 1 else 1.0) for hit in strong.finditer(plain)]
        hits += [(hit.start(), _WEAK) for hit in weak.finditer(plain)][:1]
        if hits and (mark := (sum(worth for _, worth in hits), max(start for start, _ in hits))) > best:
            best, found = mark, topic
    return found


@cache
def _patterns() -> dict[str, tuple[re.Pattern[str], re.Pattern[str]]]:
    words = tomllib.loads(_SOURCE)
    return {topic: (_pattern(words[topic]["strong"]), _pattern(words[topic]["weak"])) for topic in TOPICS}


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    latin = "|".join(word for word in longest_first if word.isascii())
    other = "".join("|" + re.escape(word) for word in longest_first if not word.isascii())
    return re.compile(rf"(?<![a-z])(?:{latin})(?![a-z]){other}")
