"""The language a reading is to be written in: the one asked for, or the question's own."""

from __future__ import annotations

import unicodedata

from jieqian.checks.script import Letters, count_letters
from jieqian.languages import Language, named_language

# One Latin word says about as much as two Han characters; where both weigh the same, the Han ones decide.
_WORD_WEIGHT = 2
# Taiwanese writers set a lone の for 的; with one of these words beside it the sentence is Chinese.
_CHINESE_ONLY = frozenset("你妳您們们嗎吗呢吧啊麼么什這这那哪很沒没還还她他的了")


def resolve_language(asked: str | None, question: str) -> Language:
    """The reading's language. `asked` is a tag or `auto`, None or empty for the question's own.

    A mixed question goes by the greater part; Chinese that could be either script, and a tie, is Traditional. A
    question without letters, or in a script no reading is written in, gets English. Raises `UnsupportedLanguage`.
    """
    return named_language(asked) or question_language(question)


def question_language(question: str) -> Language:
    """The language a question is written in, by its characters alone."""
    text = unicodedata.normalize("NFKC", question)
    letters = count_letters(text)
    east_asian = letters.han + letters.kana + letters.bopomofo
    if not east_asian or letters.words * _WORD_WEIGHT > east_asian or letters.other > east_asian:
        return Language.EN
    if _is_japanese(text, letters):
        return Language.JA
    return Language.ZH_HANS if letters.simplified > letters.traditional else Language.ZH_HANT


def _is_japanese(text: str, letters: Letters) -> bool:
    if letters.kana:
        only_no = letters.kana == text.count("の") + text.count("ノ")
        return not (only_no and _CHINESE_ONLY.intersection(text))
    # No kana: 転職運 has a shape only Japan prints; 恋愛運 mixes shapes that no Chinese writer mixes.
    if letters.japanese > letters.simplified:
        return True
    return bool(letters.simplified and letters.traditional) and _in_shift_jis(text)


def _in_shift_jis(text: str) -> bool:
    try:
        text.encode("shift_jis")
    except UnicodeEncodeError:
        return False
    return True
