"""Does a retelling keep to the note it retells? By words alone, for English; strict, since a refusal costs little."""

from __future__ import annotations

import re
from collections.abc import Iterator

LEAST_SHARED = 0.6
LEAST_COVERED = 0.3
SHORTEST, LONGEST = 0.4, 1.6

_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)?")
_NUMBER = re.compile(r"\d+")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+")
_SENTENCE = re.compile(r"[^.!?]+[.!?]+[\"'”’)]*")
_NEGATION = re.compile(r"\b(?:not|never|no|nothing|nobody|none|without|cannot|don['’]?t)\b|n['’]t\b")
_FIRST_PERSON = re.compile(r"\b(?:i|i'm|i’m|my|me|we|our|us)\b")
_NOT_A_RETELLING = re.compile(
    r"https?:|[*#<>{}\[\]|]|\b(?:note|retell|retold|question|reader|assistant|the author|the passage|the text)\b"
)
_ENDINGS = ("ingly", "edly", "ings", "ness", "ing", "ied", "ies", "ed", "ly", "es", "s", "e", "y")


def looks_faithful(note: str, text: str, *, question: str = "") -> bool:
    """Whether `text` says about what `note` says and adds nothing.

    Most of its words of meaning must come from the note or the question, a good part of the note's must come back, it
    must be about as long, bring no new number or name, deny where the note denies and only there, speak to "you" and
    not of itself, and end in a whole sentence.
    """
    told, known = set(_meaning(text)), set(_meaning(note)) | set(_meaning(question))
    source = set(_meaning(note))
    if not told or not source or not SHORTEST <= len(text) / len(note) <= LONGEST:
        return False
    low, given = text.casefold(), f"{note} {question}".casefold()
    return (
        len(told & known) / len(told) >= LEAST_SHARED
        and len(told & source) / len(source) >= LEAST_COVERED
        and set(_NUMBER.findall(text)) <= set(_NUMBER.findall(given))
        and {name.casefold() for name in _NAME.findall(text)} <= set(_WORD.findall(given))
        and bool(_NEGATION.search(low)) == bool(_NEGATION.search(note.casefold()))
        and (not _FIRST_PERSON.search(low) or bool(_FIRST_PERSON.search(note.casefold())))
        and not _NOT_A_RETELLING.search(low)
        and text.rstrip()[-1] in ".!?”\"’'"
        and not _repeats(text)
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


def _repeats(text: str) -> bool:
    sentences = [sentence.strip().casefold() for sentence in _SENTENCE.findall(text)]
    return len(set(sentences)) < len(sentences)


_PLAIN_WORDS = frozenset(
    "a about after again all also although always am an and another any anything are around as at be because been before "
    "being better both but by can cannot could did do does doing don't don’t done down each either else enough even ever "
    "every everything few first for from further get give given go goes going good had has have having he her here him "
    "his how if in into is isn't it it's it’s its itself just keep know less let like little look lot made make many may "
    "might more most much must need needs never next no nor not nothing now of off often on once one only or other others "
    "our out over own part perhaps rather really same see seem seems shall she should since so some something soon still "
    "such take than that that's the their them then there these they thing things this those though through time to "
    "together too until up upon use used very want was way we well were what when where whether which while who whole why "
    "will with without would yet you you'll you're you’re your yours yourself".split()
)
