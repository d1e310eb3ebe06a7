"""The rule on the rank's sense: `polarity kept`."""

from __future__ import annotations

from jieqian.bench.rubric.wording import excerpt, folded_words
from jieqian.bench.rubric.written import Fault, Rule, Scored, Written, over_sections
from jieqian.checks.phrases import phrases
from jieqian.checks.polarity import OPPOSITE, claimed, is_asserted, leaves_open
from jieqian.checks.verse import ReadDraft
from jieqian.lots.lot import Lot, Polarity
from jieqian.sections.section import SECTIONS, SectionName

_SAID_OF_THE_WHOLE = (SectionName.OVERALL_DEVELOPMENT, SectionName.CONCLUSION)
_WARNS = (Polarity.BAD, Polarity.CAUTION)
#: By so many words of the other sense the whole is told in it. Of the commentaries' own texts 1 in 124 loses marks.
_FAR_MORE = 3


def polarity_kept(written: Written) -> Scored:
    """No section tells the rank as its opposite, or the end as fate; what is said of the whole has the rank's sense.

    A rank called its opposite, or told as fate: the section counts 0. One phrase in the opposite's tone: half. Where
    the overall development and the conclusion have no word of the rank's sense, or three fewer than of the other, the
    whole counts half.
    """
    marks, faults = {}, []
    for name, read in written.reads.items():
        ranks, tones = _against(read, written.lot)
        fate = claimed(read, phrases("polarity", "fate")) if leaves_open(read) else set()
        marks[name] = 0.0 if ranks or fate or len(tones) > 1 else 0.5 if tones else 1.0
        for found, why in (
            (ranks, "calls the rank its opposite"),
            (tones, "in the opposite's tone"),
            (fate, "as fate"),
        ):
            faults += [Fault(Rule.POLARITY_KEPT, name, why, as_written(each, read)) for each in sorted(found)]
    scored = over_sections(marks, len(SECTIONS), faults)
    missing = _sense_missing(written)
    if missing is None:
        return scored
    own = None if scored.own is None else scored.own / 2
    return Scored(scored.score / 2, own, (*scored.faults, missing))


def _against(read: ReadDraft, lot: Lot) -> tuple[set[str], set[str]]:
    if lot.fortune is None:
        return set(), set()
    opposite = OPPOSITE[lot.fortune.polarity]
    ranks = {rank for each in opposite for rank in claimed(read, phrases("polarity", f"rank_{each}"))}
    tones = claimed(read, phrases("polarity", f"tone_{opposite[0]}")) if len(opposite) == 1 else set()
    return ranks, tones


def _sense_missing(written: Written) -> Fault | None:
    fortune = written.lot.fortune
    reads = [written.reads[name] for name in _SAID_OF_THE_WHOLE if name in written.reads]
    if fortune is None or not reads or fortune.polarity is Polarity.MIXED:
        return None
    said = "\n".join(read.folded for read in reads)
    warns = sum(said.count(word) for word in folded_words("warning"))
    encourages = sum(_encourages(word, said) for word in folded_words("hopeful"))
    of_its_sense, of_the_other, what = (
        (warns, encourages, "warns") if fortune.polarity in _WARNS else (encourages, warns, "encourages")
    )
    if of_its_sense and of_the_other - of_its_sense < _FAR_MORE:
        return None
    told = "hardly anything" if of_its_sense else "nothing"
    why = f"{told} said of the whole {what}, and the rank is {fortune.label}"
    return Fault(Rule.POLARITY_KEPT, reads[-1].draft.section, why, excerpt(reads[-1].text))


def _encourages(word: str, folded: str) -> bool:
    if not word.isascii():
        return is_asserted(word, folded)
    return is_asserted(f" {word}", f" {folded}".replace("\n", " "))  # not inside "inauspicious"


def as_written(phrase: str, read: ReadDraft) -> str:
    """A folded phrase as the text itself has it."""
    at = read.folded.find(phrase)
    return read.text[at : at + len(phrase)] if at >= 0 else phrase
