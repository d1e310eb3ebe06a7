"""Is there a section at all, is it of sensible length, and does it come to an end?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from jieqian.checks.check import Complaint
from jieqian.checks.complaints import complain
from jieqian.checks.verse import ReadDraft
from jieqian.languages import Language
from jieqian.sections.section import SectionName


@dataclass(frozen=True, slots=True)
class Extent:
    """The shortest (without quotations) and the longest text of a section, in characters."""

    shortest: int
    longest: int


# English needs about three characters where Chinese needs one. The line-by-line section has a share for every line.
EXTENTS: dict[Language, Extent] = {
    Language.ZH_HANT: Extent(shortest=10, longest=1_200),
    Language.ZH_HANS: Extent(shortest=10, longest=1_200),
    Language.EN: Extent(shortest=30, longest=3_600),
    Language.JA: Extent(shortest=12, longest=1_600),
}
_LONGEST_FACTOR = {SectionName.LINE_BY_LINE: 2}

_SAME_CHARACTER = re.compile(r"(\S)\1{14,}")
_SENTENCE_END = re.compile(r"[。！？!?\n]|\.\s")
_UNIT = re.compile(r"[a-z0-9'’]+|[^\W_]")
# A loop shows as few different runs of words among many; prose has nearly all different.
_RUN, _TAIL, _FEWEST_UNITS, _LEAST_DIFFERENT = 5, 120, 40, 0.6
_SAME_SENTENCES, _SENTENCE_LETTERS = 3, 8
# Two sentences of so many letters are not equal by chance.
_LONG_SPACED, _LONG_UNSPACED = 24, 14
_EDGES = " .,;:\"'“”‘’「」、，；："


def present(read: ReadDraft) -> Complaint | None:
    """`empty`: there is no letter in it."""
    if any(character.isalnum() for character in read.text):
        return None
    return complain("empty", read.draft.language)


def ends(read: ReadDraft) -> Complaint | None:
    """`runaway`: the same words, sentence or character over and over."""
    own = read.own_words.casefold()
    loops = (
        _SAME_CHARACTER.search(own) is not None
        or _most_equal_sentences(own, _SENTENCE_LETTERS) >= _SAME_SENTENCES
        or _is_loop(_UNIT.findall(own))
    )
    return complain("runaway", read.draft.language) if loops else None


def says_it_once(read: ReadDraft) -> Complaint | None:
    """`repeats_itself`: a sentence stands in it twice."""
    language = read.draft.language
    long = _LONG_SPACED if language is Language.EN else _LONG_UNSPACED
    twice = _most_equal_sentences(read.own_words.casefold(), long) > 1
    return complain("repeats_itself", language) if twice else None


def long_enough(read: ReadDraft) -> Complaint | None:
    """`too_short`: hardly a word besides the quotations."""
    words = sum(character.isalnum() or character.isspace() for character in _squeezed(read.own_words))
    if words >= EXTENTS[read.draft.language].shortest:
        return None
    return complain("too_short", read.draft.language)


def short_enough(read: ReadDraft) -> Complaint | None:
    """`too_long`: more than anybody reads in one section."""
    limit = EXTENTS[read.draft.language].longest * _LONGEST_FACTOR.get(read.draft.section, 1)
    return complain("too_long", read.draft.language, limit=limit) if len(read.text) > limit else None


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _most_equal_sentences(text: str, fewest_letters: int) -> int:
    sentences = (_squeezed(sentence).strip(_EDGES) for sentence in _SENTENCE_END.split(text))
    long = Counter(sentence for sentence in sentences if sum(map(str.isalnum, sentence)) >= fewest_letters)
    return max(long.values(), default=0)


def _is_loop(units: Sequence[str]) -> bool:
    # A loop most often begins late and runs to the end, so the tail is looked at by itself.
    return _different(units) < _LEAST_DIFFERENT or _different(units[-_TAIL:]) < _LEAST_DIFFERENT


def _different(units: Sequence[str]) -> float:
    if len(units) < _FEWEST_UNITS:
        return 1.0
    runs = [tuple(units[index : index + _RUN]) for index in range(len(units) - _RUN + 1)]
    return len(set(runs)) / len(runs)
