"""Takes out of a text what may tell who wrote it or of whom: names, numbers, dates, addresses, contacts.

Patterns and lists are data (`masking.toml`, `names.toml`); a rule would rather mask too much. No rule knows every name:
what is masked is still read by a person before anybody else sees it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from jieqian.faq.latin_names import latin_names
from jieqian.faq.patterns import LATIN, SCRIPTS, Rule, folded, name_lists, rules
from jieqian.lots.lot import Collection, Lot

#: What stands for what was taken out, by kind.
MARKS = {kind: f"‹{kind}›" for kind in ("name", "number", "date", "address", "contact")}
_ANY_MARK = re.compile("|".join(map(re.escape, MARKS.values())))
_STRONGEST_FIRST = ("contact", "address", "date", "number", "name")
_LATIN_WORD = re.compile(rf"{LATIN}{{2,}}")
_KANA_NAME = re.compile("[\u3041-\u3096]{2,}")
#: What may follow a name in hiragana: without it "Mai" would be found in 迷ってしまいます.
_AFTER_KANA = r"(?=[はがをにともでへやのねよ、。,.?!\s]|さん|さま|ちゃん|くん|って|という|です|だ|$)"
_COUNTS = "0-9〇零一二三四五六七八九十百"
# Lots, shares of a hundred, years near ours: they tell nothing of a person.
_KEPT_NUMBERS = re.compile(
    rf"第\s?[{_COUNTS}]{{1,5}}\s?(?:支|张|首|番|卦|句|号)?|[{_COUNTS}]{{1,5}}\s?号?(?:签|籤|番(?!地))"
    r"|(?i:\b(?:lots?|sticks?|poems?|verses?|lines?)\s?(?:no\.?|number|#)?\s?\d{1,3}(?![\d,.]?\d))|\d{1,3}(?:\.\d)?\s?%"
    r"|(?<!\d)20[2-3]\d\s?年(?!次|生|出生)|(?i:\b(?:in|by|until|till|during|of|for|year|this|since|before|after|is|will|does|and|or|to|than|next|early|late|mid)\s20[23]\d(?!\d))"
    r"|(?<!\d)24/7(?!\d)|三百六十五|百分之[一二三四五六七八九十百]+|一千零一"
)
_SHORTEST_LATIN = 3


@dataclass(frozen=True, slots=True)
class OwnWords:
    """What the lot and its collection say, and so must stay: phrases of any script; Latin words in small letters."""

    phrases: tuple[str, ...] = ()
    latin: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, order=True)
class _Span:
    start: int
    end: int
    kind: str
    sure: bool = False


def own_words(lot: Lot, collection: Collection) -> OwnWords:
    """The words of a lot: its verse, temple and deity, and the names in its stories."""
    named = [*collection.names.values(), *collection.deity.values(), *collection.aliases, *lot.titles.values()]
    told = [*lot.allusions.values(), *(note.overall for note in lot.commentaries.values())]
    told += [gloss for note in lot.commentaries.values() for gloss in note.gloss]
    phrases = [*lot.lines, *(name for name in named if not name.isascii())]
    whole = "\n".join([*named, *told])
    stories = _story_names("\n".join(told))
    latin = {word.lower() for word in _LATIN_WORD.findall(folded(whole)) if word[0].isupper()}
    return OwnWords(tuple(folded(phrase) for phrase in (*phrases, *stories) if phrase), frozenset(latin))


@lru_cache(maxsize=1000)
def _story_names(told: str) -> frozenset[str]:
    """Names of a story: whatever our own text writes as one. The same for every reading of a lot, and slow to find."""
    return frozenset(_chinese_names(folded(told)))


def mask(texts: Sequence[str], own: OwnWords | None = None) -> tuple[str, ...]:
    """The texts with marks, in one line each, without invisible characters. A name found in one is masked in all."""
    own = own or OwnWords()
    clean = [_cleaned(text) for text in texts]
    plain = [folded(text) for text in clean]
    found = [list(_found(text, own)) for text in plain]
    names = {
        text[span.start : span.end]
        for text, spans in zip(plain, found, strict=True)
        for span in spans
        if span.kind == "name"
    }
    again = list(_again(names, own))
    masked = []
    for original, text, spans in zip(clean, plain, found, strict=True):
        more = [_Span(*hit.span(), "name") for pattern in again for hit in pattern.finditer(text)]
        masked.append(_marked(original, [*spans, *more]))
    return tuple(masked)


def found_marks(text: str) -> list[str]:
    """The marks of a masked text, in its order."""
    return _ANY_MARK.findall(text)


def marks_in(text: str) -> int:
    """How many marks a masked text has."""
    return len(found_marks(text))


def without_marks(text: str) -> str:
    """What is left of a masked text."""
    return _ANY_MARK.sub(" ", text)


def _cleaned(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    visible = "".join(c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
    return re.sub(r"\s+", " ", visible).strip()


def _found(text: str, own: OwnWords) -> Iterator[_Span]:
    written = {script for script, letter in SCRIPTS.items() if letter.search(text)}
    kept = list(_places(text, (*own.phrases, *name_lists().kept)))
    kept_numbers = [hit.span() for hit in _KEPT_NUMBERS.finditer(text)]
    for rule in rules():
        if rule.needs and rule.needs not in written:
            continue
        for span in _spans(rule, text):
            if rule.kind == "name" and _stays(span, kept):
                continue
            if rule.weak and _stays(span, kept_numbers):
                continue
            yield span
    for start, end in latin_names(text, own.latin):
        if not _stays(span := _Span(start, end, "name"), kept):
            yield span


def _spans(rule: Rule, text: str) -> Iterator[_Span]:
    for pattern in rule.patterns:
        named = "m" in pattern.groupindex
        for hit in pattern.finditer(text):
            start, end = hit.span("m") if named else hit.span()
            if end > start and not (rule.honorific and _no_name(text[start:end])):
                yield _Span(start, end, rule.kind, rule.sure)


def _no_name(before_honorific: str) -> bool:
    known = name_lists().no_honorific
    return before_honorific in known or any(before_honorific.endswith(word) for word in known if len(word) > 1)


def _stays(span: _Span, kept: Iterable[tuple[int, int]]) -> bool:
    """Within something that stays; a less sure one also where it only touches it."""
    if span.sure:
        return any(start <= span.start and span.end <= end for start, end in kept)
    return any(start < span.end and span.start < end for start, end in kept)


def _places(text: str, phrases: Iterable[str]) -> Iterator[tuple[int, int]]:
    for phrase in phrases:
        start = text.find(phrase)
        while start >= 0:
            yield start, start + len(phrase)
            start = text.find(phrase, start + 1)


def _again(names: Iterable[str], own: OwnWords) -> Iterator[re.Pattern[str]]:
    """Patterns that find a name elsewhere: whole, its given part (小明 of 王小明), each word of a Latin one."""
    for name in names:
        if name.isascii() or _LATIN_WORD.match(name):
            for word in _LATIN_WORD.findall(name):
                if len(word) >= _SHORTEST_LATIN and word.lower() not in own.latin:
                    # A name that is a word too (Will, Grace) is masked only as it was written.
                    lists = name_lists()
                    a_word_too = word.lower() in lists.known_words | lists.names_like_words
                    either = "" if a_word_too else "(?i)"
                    yield re.compile(rf"{either}(?<![^\W\d_]){re.escape(word)}(?![^\W\d_]|'t)")
        elif _KANA_NAME.fullmatch(name):
            yield re.compile(rf"(?<![\u3041-\u3096]){re.escape(name)}{_AFTER_KANA}")
        elif len(name) >= 2:
            yield re.compile(re.escape(name))
            if len(name) == 3 and name[0] in name_lists().surnames:
                yield re.compile(re.escape(name[1:]))


def _chinese_names(text: str) -> Iterator[str]:
    for rule in rules():
        if rule.kind == "name" and rule.needs != "kana":
            yield from (text[span.start : span.end] for span in _spans(rule, text) if span.end - span.start >= 2)


def _marked(text: str, spans: Iterable[_Span]) -> str:
    """Marks in place of spans; those that touch or overlap become one, of the strongest kind."""
    whole: list[_Span] = []
    for span in sorted(spans):
        last = whole[-1] if whole else None
        if last and (span.start < last.end or (span.kind == last.kind and not text[last.end : span.start].strip())):
            kind = min(last.kind, span.kind, key=_STRONGEST_FIRST.index)
            whole[-1] = _Span(last.start, max(last.end, span.end), kind)
        else:
            whole.append(span)
    pieces, at = [], 0
    for span in whole:
        pieces += [text[at : span.start], MARKS[span.kind]]
        at = span.end
    return "".join([*pieces, text[at:]])
