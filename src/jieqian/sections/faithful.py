"""Does a retelling keep to the note it retells? By words alone, for English; strict, since a refusal costs little."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator

LEAST_SHARED = 0.75
LEAST_COVERED = 0.5
SHORTEST, LONGEST = 0.5, 1.5
LEAST_WORDS = 2

_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)?")
_NUMBER = re.compile(r"\d+")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+")
_SENTENCE = re.compile(r"[^.!?]+[.!?]+[\"'”’)]*")
_NEGATION = re.compile(r"\b(?:not|never|no|nothing|nobody|none|without|cannot|don['’]?t)\b|n['’]t\b")
_TURNING = re.compile(r"\b(?:off|before|after|less|without|instead)\b")
_FIRST_PERSON = re.compile(r"\b(?:i|i'm|i’m|my|me|we|our|us)\b")
_NOT_A_RETELLING = re.compile(
    r"https?:|[*#<>{}\[\]|]|[^\x00-\u024f‘’“”–—…]"
    r"|\b(?:note|retell|retold|question|reader|assistant|the author|the passage|the text)\b"
)
_ENDINGS = ("ingly", "edly", "ings", "ness", "ing", "ied", "ies", "ed", "ly", "es", "s", "e", "y")


def looks_faithful(note: str, text: str, *, question: str = "") -> bool:
    """Whether `text` says about what `note` says and adds nothing.

    Most of the words of meaning in each of its sentences must come from the note or the question, and none more often
    than there, nor any longer word a third time; half of the note's must come back. It must be about as long, bring no
    new number or name, deny where the note denies and only there, not speak of itself, and end in a whole sentence.
    """
    told, source = Counter(_meaning(text)), Counter(_meaning(note))
    known = source + Counter(_meaning(question))
    if not told or not source or not SHORTEST <= len(text) / len(note) <= LONGEST:
        return False
    low, given = text.casefold(), f"{note} {question}".casefold()
    said = Counter(_WORD.findall(given))
    return (
        all(_is_anchored(sentence, known) for sentence in _SENTENCE.findall(text))
        and all(times <= max(known[word], 1) for word, times in told.items())
        and all(times <= max(said[word], 2) for word, times in Counter(_WORD.findall(low)).items() if len(word) > 4)
        and len(told.keys() & source.keys()) / len(source) >= LEAST_COVERED
        and set(_NUMBER.findall(text)) <= set(_NUMBER.findall(given))
        and all(name.casefold() in given for name in _NAME.findall(text))
        and bool(_NEGATION.search(low)) == bool(_NEGATION.search(note.casefold()))
        and set(_TURNING.findall(low)) == set(_TURNING.findall(note.casefold()))
        and (not _FIRST_PERSON.search(low) or bool(_FIRST_PERSON.search(note.casefold())))
        and not _NOT_A_RETELLING.search(low)
        and text == whole_sentences(text)
    )


def whole_sentences(text: str) -> str:
    """The text up to the end of its last whole sentence."""
    return "".join(_SENTENCE.findall(text)).strip()


def _meaning(text: str) -> Iterator[str]:
    for word in _WORD.findall(text.casefold()):
        if word not in _PLAIN_WORDS and len(word) > 2:
            yield _stem(word)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def _is_anchored(sentence: str, known: Container[str]) -> bool:
    words = set(_meaning(sentence))
    return len(words) >= LEAST_WORDS and sum(word in known for word in words) / len(words) >= LEAST_SHARED


_PLAIN_WORDS = frozenset(
    """
    a about after again all also although always am an and another any anything are around as at be because
    been before being better both but by can cannot could did do does doing don't done don’t down each either
    else enough even ever every everything few first for from further get give given go goes going good had
    has have having he her here him his how if in into is isn't it it's its itself it’s just keep know less
    let like little look lot made make many may might more most much must need needs never next no nor not
    nothing now of off often on once one only or other others our out over own part perhaps rather really
    right same see seem seems shall she should since so some something soon still such take than that that's
    the their them then there these they thing things this those though through time to together too until up
    upon use used very want was way we well were what when where whether which while who whole why will with
    without would yet you you'll you're your yours yourself you’re
    """.split()  # noqa: SIM905 (a list of 180 literals says less)
)
