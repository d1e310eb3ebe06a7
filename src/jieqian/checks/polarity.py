"""Is the lot's rank told as its opposite, or an outcome as fate?

A cautious check: a good text refused costs an attempt, while the prompt already asks for the rank's sense. So a
phrase counts only where it stands by itself: not after a negation, a condition or a fear ("not a promise of great
fortune", 若以為大吉), not before one (大吉とは限らない), not in a question, not where the verse, the commentary or the
asker says it. A statement of the rank itself ("this is a highly auspicious lot" of a lot ranked 下) is refused at
once; mere tone only when two different phrases agree. A lot of mixed rank can be told in either tone, but not as of
the best or the worst rank; one of no rank can be told either way.
"""

from __future__ import annotations

from collections.abc import Iterable

from jieqian.checks.check import Complaint
from jieqian.checks.complaints import complain
from jieqian.checks.phrases import phrases
from jieqian.checks.verse import ReadDraft, fold
from jieqian.lots.lot import Lot, Polarity

#: Which kind of phrase says the opposite of a rank.
OPPOSITE = {
    Polarity.GREAT: ("bad",),
    Polarity.GOOD: ("bad",),
    Polarity.MIXED: ("good", "bad"),
    Polarity.CAUTION: ("good",),
    Polarity.BAD: ("good",),
}
# How far a negation reaches, in characters; it does not reach over the end of a sentence.
_REACH_SPACED, _REACH_UNSPACED, _REACH_AFTER = 28, 9, 10
_SENTENCE_ENDS = "。.!;!;\n"
_TONES_TO_REFUSE = 2


def keeps_polarity(read: ReadDraft) -> Complaint | None:
    """`polarity_reversed`: a good rank told as disaster, or a bad one as great fortune."""
    fortune = read.draft.lot.fortune
    if fortune is None:
        return None
    opposite = OPPOSITE[fortune.polarity]
    ranks = [rank for each in opposite for rank in claimed(read, phrases("polarity", f"rank_{each}"))]
    tones = claimed(read, phrases("polarity", f"tone_{opposite[0]}")) if len(opposite) == 1 else ()
    if not ranks and len(tones) < _TONES_TO_REFUSE:
        return None
    return complain("polarity_reversed", read.draft.language, rank=fortune.label)


def leaves_open(read: ReadDraft) -> Complaint | None:
    """`told_as_fate`: an ill outcome called certain."""
    return complain("told_as_fate", read.draft.language) if claimed(read, phrases("polarity", "fate")) else None


def claimed(read: ReadDraft, wanted: Iterable[str]) -> set[str]:
    """Those of the phrases (folded) that the text itself asserts: not its lot, not the asker, nothing negated."""
    held = [phrase for phrase in wanted if phrase in read.folded]
    if not held:
        return set()
    given = _given(read.draft.lot) + read.folded_question
    return {phrase for phrase in held if phrase not in given and is_asserted(phrase, read.folded)}


def _given(lot: Lot) -> str:
    """What the lot itself says, folded: its words are never held against a section that repeats them."""
    notes = [note for commentary in lot.commentaries.values() for note in (commentary.overall, *commentary.gloss)]
    rank = [lot.fortune.label] if lot.fortune else []
    return fold("\n".join((*lot.lines, *rank, *lot.titles.values(), *lot.allusions.values(), *notes)))


def is_asserted(phrase: str, text: str) -> bool:
    """Whether a folded text has the phrase without a negation, a condition or a question about it."""
    start = text.find(phrase)
    while start >= 0:
        if not _is_negated(text, start, start + len(phrase)):
            return True
        start = text.find(phrase, start + 1)
    return False


def _is_negated(text: str, start: int, end: int) -> bool:
    reach = _REACH_SPACED if text[start].isascii() else _REACH_UNSPACED
    before = text[max(0, start - reach) : start]
    for mark in _SENTENCE_ENDS:
        before = before.rpartition(mark)[2]
    after = text[end : end + _REACH_AFTER]
    for mark in _SENTENCE_ENDS:
        after = after.partition(mark)[0]
    return any(word in " " + before for word in phrases("negation", "before")) or any(
        word in after for word in phrases("negation", "after")
    )
