"""Is the section in the asked language and script?"""

from __future__ import annotations

import re

from jieqian.checks.check import Complaint
from jieqian.checks.complaints import complain
from jieqian.checks.script import Letters
from jieqian.checks.verse import ReadDraft
from jieqian.languages import Language

# A Latin word weighs as two Han characters. Names, titles and a borrowed word are normal in any language.
_WORD_WEIGHT = 2
_LEAST_OWN_SHARE = 0.7
_MOST_KANA_IN_CHINESE = 0.08
_LEAST_KANA_IN_JAPANESE = 0.15
# Slips of a model that mostly keeps its script are forgiven: up to two, or one in twelve of the telling characters.
_FORGIVEN_SHAPES, _MOST_FOREIGN_SHAPES = 2, 1 / 12
# Words every English text is full of; a Latin text almost without them is in another language.
_FUNCTION_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "can",
        "do",
        "does",
        "for",
        "from",
        "has",
        "have",
        "if",
        "in",
        "is",
        "it",
        "its",
        "may",
        "more",
        "not",
        "of",
        "on",
        "or",
        "so",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "they",
        "this",
        "to",
        "was",
        "what",
        "when",
        "where",
        "which",
        "who",
        "will",
        "with",
        "you",
        "your",
    ]
)
_FEWEST_WORDS, _LEAST_FUNCTION_WORDS = 12, 0.15
_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)?")


def in_language(read: ReadDraft) -> Complaint | None:
    """`wrong_language`: most of its own words are of another language."""
    language = read.draft.language
    fits = {Language.EN: _is_english, Language.JA: _is_japanese}.get(language, _is_chinese)
    return None if fits(read) else complain("wrong_language", language)


def in_script(read: ReadDraft) -> Complaint | None:
    """`wrong_script`: Chinese with more than slips of the other script."""
    letters, language = read.letters, read.draft.language
    foreign = {Language.ZH_HANT: letters.simplified, Language.ZH_HANS: letters.traditional}.get(language, 0)
    telling = letters.simplified + letters.traditional
    if foreign <= _FORGIVEN_SHAPES or foreign <= telling * _MOST_FOREIGN_SHAPES:
        return None
    return complain("wrong_script", language)


def _is_chinese(read: ReadDraft) -> bool:
    letters = read.letters
    return _share(letters.han + letters.bopomofo, letters) >= _LEAST_OWN_SHARE and letters.kana <= max(
        _FORGIVEN_SHAPES, letters.han * _MOST_KANA_IN_CHINESE
    )


def _is_japanese(read: ReadDraft) -> bool:
    letters = read.letters
    east_asian = letters.han + letters.kana
    return _share(east_asian, letters) >= _LEAST_OWN_SHARE and letters.kana >= east_asian * _LEAST_KANA_IN_JAPANESE


def _is_english(read: ReadDraft) -> bool:
    letters = read.letters
    if _share(letters.words * _WORD_WEIGHT, letters) < _LEAST_OWN_SHARE:
        return False
    words = _WORD.findall(read.own_words.casefold())
    known = sum(word in _FUNCTION_WORDS for word in words)
    return len(words) < _FEWEST_WORDS or known >= len(words) * _LEAST_FUNCTION_WORDS


def _share(own: int, letters: Letters) -> float:
    """The weight of the language's own letters among all; a text of figures only is in any language."""
    weight = letters.han + letters.kana + letters.bopomofo + letters.other + letters.words * _WORD_WEIGHT
    return own / weight if weight else 1.0
