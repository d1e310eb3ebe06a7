"""Names in Latin letters: words written large where nothing but a name is, and first names however they are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from jieqian.faq.patterns import LATIN, name_lists, part

_WORD = re.compile(rf"{LATIN}+(?:['\-]{LATIN}+)*")
_ENDS_SENTENCE = frozenset(".?!。！？:;\n…\"“(「『'")
_SUFFIXES = ("ing", "ed", "ly", "tion", "sion", "ment", "ness", "ity", "ies", "ful", "less", "ous", "ive", "able", "s")
#: Words in capitals up to this length are taken for abbreviations.
_ABBREVIATION = 5

#: What stands before a name in small letters: "i am priya", "my husband kwame".
_CUE = re.compile(rf"\b(?:i am|i'm|im|called|named|(?:my|his|her|our) {part('WHO_EN')}),? $", re.IGNORECASE)
_LONGEST_CUE = 24
#: "marry tariq", "in love with rohit"; "is saoirse the one"; "hope left me", said of a name that is a word too.
_BELOVED = re.compile(
    r"\b(?:trust|believe|marry|marrying|forgive|divorce|date|dating|propose to|ever love|still love|really love|"
    r"in love with|break up with|broke up with|back with|back together with|get over|getting over) $",
    re.IGNORECASE,
)
#: "i miss jack", "me and drew": less sure than the others.
_MISSED = re.compile(
    r"\b(?:love|loved|like|liked|miss|missed|missing|call|text|leave|left|kiss|kissed|wait for|waiting for|forget|"
    r"meet|met|see|seeing|with|without|me and|and me|her and|him and) $",
    re.IGNORECASE,
)
#: What has one of these before it is a thing: "the dean likes me".
_A_THING = re.compile(r"\b(?:the|an?|this|that|which|another|every|no) $", re.IGNORECASE)
_DOES = re.compile(
    r" (?:the one\b(?! \w+ (?:i|you|we|that))|(?:still |ever |really )?(?:loves?|misse?s?|trusts?|wants?|likes?) "
    r"(?:me|us)\b|come? (?:back|home) to me|coming back|forgive me|marry me|propose|cheat|text me|call me|leave me|"
    r"serious about me|into me)",
    re.IGNORECASE,
)
_DID = re.compile(
    r" (?:left|leaves|dumped|cheated on|married|loves|hates|misses|ignored|ignores|blocked|ghosted|texted|called|"
    r"told|asked) (?:me|us)\b",
    re.IGNORECASE,
)
_LONGEST_DEED = 24

Span = tuple[int, int]


def latin_names(text: str, own_words: frozenset[str]) -> Iterator[Span]:
    """Where a (folded) text holds names; `own_words`, in small letters, are the lot's and never names.

    In a text that is written large all through, only first names are found.
    """
    words = list(_WORD.finditer(text))
    longer = [word for word in words if len(word[0]) > 1]
    shouted = len(longer) > 3 and sum(word[0].isupper() for word in longer) > len(longer) / 2
    for word in words:
        before = text[: word.start()].rstrip(" ")[-1:]
        begins = not before or before in _ENDS_SENTENCE
        if text[: word.start()].endswith((" a ", " an ")) and _bare(word[0]) in name_lists().known_capitals:
            continue  # "a Leo"
        told = text[max(0, word.start() - _LONGEST_CUE) : word.start()]
        deed = text[word.end() : word.end() + _LONGEST_DEED]
        does = bool(_DOES.match(deed)) and not _A_THING.search(told)
        cued = does or _CUE.search(told) or _BELOVED.search(told)
        named = _is_cued_word(_bare(word[0]), told, deed, does=does)
        if (
            named
            or _is_name(word[0], begins=begins, shouted=shouted, own_words=own_words)
            or (cued and _is_strange(word[0], own_words))
        ):
            end = word.end() - 2 if word[0].lower().endswith("'s") else word.end()
            yield word.start(), end


def _is_cued_word(bare: str, told: str, deed: str, *, does: bool) -> bool:
    """Whether a name that is a word too is a name here, going by what stands before and after it."""
    lists = name_lists()
    return (
        (bare in lists.names_like_words and bool(_DID.match(deed)) and not _A_THING.search(told))
        or (bare in lists.names_of_the_trusted and (does or bool(_BELOVED.search(told))))
        or (bare in lists.names_of_the_missed and bool(_MISSED.search(told)))
    )


def _is_name(word: str, *, begins: bool, shouted: bool, own_words: frozenset[str]) -> bool:
    lists = name_lists()
    bare = _bare(word)
    if not bare or bare in own_words:
        return False
    parts = bare.split("-")
    if any(part in lists.first_names for part in parts):
        return bare not in lists.known_words
    if not word[0].isupper() or shouted or _known(parts, lambda part: part in lists.known_capitals):
        return False
    if word.isupper() and len(word) <= _ABBREVIATION:
        return False
    if bare in lists.names_like_words:
        return not begins
    return not _known(parts, lambda part: _is_word(part, begins=begins))


def _is_strange(word: str, own_words: frozenset[str]) -> bool:
    bare = _bare(word)
    known = bare in own_words or _known(bare.split("-"), lambda part: _is_word(part, begins=True))
    return len(bare) > 2 and not known


def _bare(word: str) -> str:
    """In small letters, without 's, 'll, n't; of O'Brien the part that tells."""
    first, _, rest = word.lower().partition("'")
    return rest if len(first) == 1 and len(rest) > 2 else first


def _known(parts: list[str], known: Callable[[str], bool]) -> bool:
    return all(len(part) == 1 or known(part) for part in parts)


def _is_word(part: str, *, begins: bool) -> bool:
    known = name_lists().known_words
    if part in known or part in name_lists().known_capitals:
        return True
    for suffix in _SUFFIXES:
        stem = part.removesuffix(suffix)
        if stem != part and (stem in known or stem + "e" in known or (stem[:-1] in known and len(stem) > 2)):
            return True
    # At the beginning of a sentence any word is written large: a long one with a usual ending is none of a name.
    return begins and len(part) > 5 and part.endswith(_SUFFIXES[:-1])
