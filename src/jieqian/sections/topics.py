"""Which of ten topics a question is about, told by its words and letters; no model, no network.

Learned when first asked, in some 0.2 s, from `topic_examples/LANGUAGE.txt`: under `[topic]` lines of words
(`= one, two`) and questions, one a line. What a piece of a question weighs for a topic is how often examples of that
topic hold it, against all the others (naive Bayes); a piece found under many topics weighs little, and so does one of
the questions under `[general]`, which are about none. `jieqian.bench.topics` measures it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, groupby, pairwise
from pathlib import Path
from typing import Literal

from jieqian.lots.lot import ASKED_TOPICS, TOPICS
from jieqian.lots.script import to_simplified

_EXAMPLES = Path(__file__).with_name("topic_examples")
_LANGUAGES = ("en", "ja", "zh")
_GENERAL = "general"
_Kind = Literal["word", "question"]
#: Taken as seen under every topic beforehand: what one example alone holds is not yet sure.
_UNSEEN = 0.1
#: And so much more for each example about no topic that holds it.
_OF_NO_TOPIC = 1.0
#: A word given as such tells more than one that a question happens to hold.
_GIVEN_WORD = 3.0
#: A best topic with less is no better than a guess. Marks of all topics add up to nothing.
_LEAST = 2.0
#: With so much, a question that follows another one is on a topic of its own.
_CLEAR = 5.0

_LATIN_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|[0-9]+")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff々]+")
_HIRAGANA = re.compile(r"[\u3040-\u309fー]+")
_WORD, _PAIR, _PART, _GIVEN = "w ", "p ", "c ", "g "
_PART_LENGTH = 4
#: The longest of given phrases, in words of Latin script and in characters of others.
_MOST_WORDS, _MOST_CHARACTERS = 5, 8


def topic_of(question: str) -> str | None:
    """The topic the question is most likely about, one of `ASKED_TOPICS`; None where nothing in it tells."""
    marks = marks_of(question)
    topic = max(marks, key=marks.__getitem__)
    return topic if marks[topic] >= _LEAST else None


def with_topic(question: str, *earlier: str) -> str:
    """The question, behind the first of the `earlier` texts that tells a topic where it hardly tells one itself.

    Who asks "and if I wait until spring?" after a question on love still asks about love. Where both together would
    tell another topic, the earlier text alone.
    """
    if max(marks_of(question).values()) >= _CLEAR:
        return question
    told = next((text for text in earlier if topic_of(text) is not None), None)
    if told is None:
        return question
    both = f"{told} {question}"
    return both if topic_of(both) == topic_of(told) else told


def counselled_topic_of(question: str) -> str | None:
    """The same where commentaries have counsel on it (one of `TOPICS`), else None."""
    topic = topic_of(question)
    return topic if topic in TOPICS else None


@cache
def words_of(topic: str) -> frozenset[str]:
    """The words listed for a topic in all languages, folded as `fold_words` folds a text."""
    return frozenset(
        word
        for language in _LANGUAGES
        for of_topic, kind, word in _examples(language)
        if of_topic == topic and kind == "word"
    )


def fold_words(text: str) -> str:
    """Width and case folded, Chinese in its simplified shapes."""
    return _fold(text)


def marks_of(question: str) -> dict[str, float]:
    """What speaks for each topic: what the question's pieces weigh, added up (natural logarithms)."""
    learned = _learned()
    weights = [learned.weights(piece) for piece in _pieces(_fold(question), learned.given)]
    return {topic: math.fsum(weight[place] for weight in weights) for place, topic in enumerate(ASKED_TOPICS)}


@dataclass(frozen=True, slots=True)
class _Group:
    """The examples of one topic, language and kind: in how many a piece is found, and what one of them counts."""

    topic: int
    worth: float
    found: Mapping[str, int]


_NOTHING = (0.0,) * len(ASKED_TOPICS)


@dataclass(slots=True)
class _Learned:
    groups: Sequence[_Group]
    general: Mapping[str, int]
    given: frozenset[str]
    #: Made when first asked for; no more than there are pieces in the examples.
    known: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def weights(self, piece: str) -> tuple[float, ...]:
        """What the piece weighs for each topic; over all topics nothing."""
        if (weights := self.known.get(piece)) is not None:
            return weights
        counted = [0.0] * len(ASKED_TOPICS)
        for group in self.groups:
            if piece in group.found:
                counted[group.topic] += group.found[piece] * group.worth
        if not any(counted):
            return _NOTHING
        weights = self.known[piece] = self._weigh(piece, counted)
        return weights

    def _weigh(self, piece: str, counted: Sequence[float]) -> tuple[float, ...]:
        before = _UNSEEN + _OF_NO_TOPIC * self.general.get(piece, 0)
        whole = math.fsum(counted) + before * len(counted)
        shares = [(count + before) / whole for count in counted]
        logs = [math.log(share) for share in shares]
        spread = -math.fsum(share * log for share, log in zip(shares, logs, strict=True)) / math.log(len(shares))
        mean = math.fsum(logs) / len(logs)
        worth = (1 - spread) * _worth_of_kind(piece)
        return tuple((log - mean) * worth for log in logs)


def _worth_of_kind(piece: str) -> float:
    """Hiragana is mostly grammar, one character stands in many words, and pairs and parts repeat what words tell."""
    if piece[1:2] == " ":
        return 1.0 if piece.startswith((_WORD, _GIVEN)) else 0.5
    return (0.6 if len(piece) == 1 else 1.0) * (0.3 if _HIRAGANA.fullmatch(piece) else 1.0)


def _pieces(folded: str, given: frozenset[str]) -> set[str]:
    """Of Latin script words, pairs of words and parts of words; else each character and each two side by side.

    And the phrases among them that were given as words.
    """
    words = _LATIN_WORD.findall(folded)
    stems = [_stem(word) for word in words]
    found = {_WORD + stem for stem in stems}
    found.update([f"{_PAIR}{one} {other}" for one, other in pairwise(stems)])
    for word in words:
        if len(word) >= _PART_LENGTH:
            edged = f"<{word}>"
            found.update([_PART + edged[at : at + _PART_LENGTH] for at in range(len(edged) - _PART_LENGTH + 1)])
    for run in _DENSE.findall(folded):
        found.update(run)
        found.update([run[at : at + 2] for at in range(len(run) - 1)])
    found.update([_GIVEN + phrase for phrase in _phrases(folded, stems) if phrase in given])
    return found


def _phrases(folded: str, stems: Sequence[str]) -> Iterator[str]:
    for length in range(1, _MOST_WORDS + 1):
        for at in range(len(stems) - length + 1):
            yield " ".join(stems[at : at + length])
    for run in _DENSE.findall(folded):
        for length in range(2, _MOST_CHARACTERS + 1):
            for at in range(len(run) - length + 1):
                yield run[at : at + length]


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) > 2:
            return word[: -len(ending)]
    return word


def _fold(text: str) -> str:
    return to_simplified(unicodedata.normalize("NFKC", text).casefold())


@cache
def _learned() -> _Learned:
    groups: list[_Group] = []
    general = Counter[str]()
    read = {language: list(_examples(language)) for language in _LANGUAGES}
    given = frozenset(_as_phrase(text) for each in read.values() for _, kind, text in each if kind == "word")
    for examples_of_language in read.values():
        of_language: dict[tuple[str, _Kind], Counter[str]] = {}
        for group, examples in groupby(examples_of_language, key=lambda example: example[:2]):
            pieces = chain.from_iterable(_pieces(text, given) for _, _, text in examples)
            of_language.setdefault(group, Counter()).update(pieces)
        general.update(of_language.pop((_GENERAL, "question")))
        groups += _evened(of_language)
    return _Learned(groups, general, given)


def _as_phrase(word: str) -> str:
    return " ".join(map(_stem, _LATIN_WORD.findall(word))) if word.isascii() else word


def _evened(found: Mapping[tuple[str, _Kind], Counter[str]]) -> Iterable[_Group]:
    """So that a topic with longer or more examples than others does not draw every question to itself."""
    sizes = {group: counts.total() for group, counts in found.items()}
    for (topic, kind), counts in found.items():
        mean = sum(size for (_, other), size in sizes.items() if other == kind) / len(ASKED_TOPICS)
        worth = mean / sizes[topic, kind] * (_GIVEN_WORD if kind == "word" else 1.0)
        yield _Group(ASKED_TOPICS.index(topic), worth, counts)


def _examples(language: str) -> Iterator[tuple[str, _Kind, str]]:
    """Topic, kind and folded text of each."""
    topic = _GENERAL
    for line in _fold((_EXAMPLES / f"{language}.txt").read_text(encoding="utf-8")).splitlines():
        if line.startswith("["):
            topic = line[1:-1]
        elif line.startswith("= "):
            for word in line[2:].split(", "):
                yield topic, "word", word
        elif line:
            yield topic, "question", line
