"""Search by characters: BM25 over words of Latin script and one- and two-character pieces of Chinese and Japanese.

Needs nothing installed. Both scripts of Chinese are folded into one. Across languages nothing is alike but the topic,
so a passage on the question's topic (`sections/topics.py`) has a bonus.
"""

from __future__ import annotations

import heapq
import math
import re
import unicodedata
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence

from jieqian.lots.script import to_simplified
from jieqian.retrieval.passage import StoredPassage

_K1, _B = 1.2, 0.75
#: So many are given, to choose from: in a large collection nearly every passage shares a character with the question.
_MOST = 500
#: Worth as much as five or six fitting words: of two hundred lots many share a few with any question, on no topic.
_TOPIC_BONUS = 16.0
_BETWEEN = "\x1f"
_WORD = re.compile(r"[a-z0-9]+")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff々]+")
_KANA = re.compile(r"[\u3040-\u309f]")
#: Words of every question, which tell nothing of what it is about.
_EMPTY_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a about am an and any are as at be been but by can could did do does for from get going had has have he her "
        "him his how i if in is it its me my now of on or our out s she should so t that the their them there they "
        "this to us was we were what when where which who why will with would you your "
        "的 了 我 你 他 她 吗 呢 是 在 会 有 不 这 那 么 什 该 要 能 就 和 也",
    )
)


class Lexicon:
    """The passages of one collection that serve one language of readings. Safe to search from any thread."""

    def __init__(self, passages: Sequence[StoredPassage]) -> None:
        self.passages = passages
        folded = fold(_BETWEEN.join(passage.meaning for passage in passages)).split(_BETWEEN)
        counts = [Counter(pieces(text)) for text in folded]
        self._lengths = [sum(count.values()) for count in counts]
        self._mean = sum(self._lengths) / max(1, len(counts)) or 1.0
        # Place and times in turn: as tuples they would take ten times the memory of the texts.
        self._found_in: dict[str, array[int]] = defaultdict(lambda: array("I"))
        for place, count in enumerate(counts):
            for piece, times in count.items():
                self._found_in[piece].extend((place, times))

    def search(self, question: str, topic: str | None) -> list[tuple[StoredPassage, float]]:
        """The passages that have most in common with the question, best first; on a tie in their own order."""
        scores: dict[int, float] = defaultdict(float)
        if topic is not None:
            for place, passage in enumerate(self.passages):
                if passage.topic == topic:
                    scores[place] = _TOPIC_BONUS
        for piece in set(pieces(fold(question))):
            found = self._found_in.get(piece)
            if not found:
                continue
            holders = len(found) // 2
            rarity = math.log(1 + (len(self.passages) - holders + 0.5) / (holders + 0.5))
            for place, times in zip(found[::2], found[1::2], strict=True):
                length = 1 - _B + _B * self._lengths[place] / self._mean
                scores[place] += rarity * times * (_K1 + 1) / (times + _K1 * length)
        ranked = heapq.nsmallest(_MOST, scores.items(), key=lambda item: (-item[1], item[0]))
        return [(self.passages[place], score) for place, score in ranked]


def fold(text: str) -> str:
    """Without width, case and difference of Chinese script."""
    return to_simplified(unicodedata.normalize("NFKC", text).casefold())


def pieces(folded: str) -> list[str]:
    """What is compared: words, and of scripts without spaces every character and every two side by side."""
    found = [_stem(word) for word in _WORD.findall(folded) if word not in _EMPTY_WORDS]
    for run in _DENSE.findall(folded):
        found += [sign for sign in run if sign not in _EMPTY_WORDS and not _KANA.match(sign)]
        found += [run[at : at + 2] for at in range(len(run) - 1)]
    return found


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) > 3:
            return word[: -len(ending)]
    return word
