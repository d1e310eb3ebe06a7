"""A reading's score: the mean of the six rules, beside the share of its sections that the model wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from jieqian.bench.compared import ComparedQuestion
from jieqian.bench.rubric import rules
from jieqian.bench.rubric.sense import polarity_kept
from jieqian.bench.rubric.written import Fault, Rule, Scored, Written
from jieqian.lots.library import LotLibrary
from jieqian.sections.section import SECTIONS, SectionName, SectionSource

RULES: Mapping[Rule, Callable[[Written], Scored]] = {
    Rule.LINES_COVERED: rules.lines_covered,
    Rule.LOT_CITED: rules.lot_cited,
    Rule.LANGUAGE_RIGHT: rules.language_right,
    Rule.POLARITY_KEPT: polarity_kept,
    Rule.SECTIONS_DISTINCT: rules.sections_distinct,
    Rule.QUESTION_ADDRESSED: rules.question_addressed,
}


@dataclass(frozen=True, slots=True)
class Score:
    """All that is said of one reading. `from_model`: the share of its seven sections that the model wrote, 0 to 1."""

    rules: Mapping[Rule, Scored]
    from_model: float

    @property
    def whole(self) -> float:
        """The mean of the rules, each section the model did not write counting as not kept; 0 to 1."""
        return fmean(scored.score for scored in self.rules.values())

    @property
    def own(self) -> float | None:
        """The same of what the model wrote alone; None where it wrote nothing."""
        told = [scored.own for scored in self.rules.values() if scored.own is not None]
        return fmean(told) if told else None

    @property
    def faults(self) -> list[Fault]:
        """Every fault, in the order of the rules."""
        return [fault for scored in self.rules.values() for fault in scored.faults]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "score": round(self.whole, 4),
            "own_score": None if self.own is None else round(self.own, 4),
            "from_model": round(self.from_model, 4),
            "rules": {rule.value: round(scored.score, 4) for rule, scored in self.rules.items()},
            "faults": [
                {
                    "rule": fault.rule.value,
                    "section": fault.section,
                    "why": fault.why,
                    "offending": fault.offending,
                }
                for fault in self.faults
            ],
        }


def score_reading(sections: Mapping[str, Mapping[str, Any]], question: ComparedQuestion, lots: LotLibrary) -> Score:
    """The score of a reading's sections (`{name: {"text", "source"}}`) as answers to that question."""
    texts = {
        name: str(sections[name]["text"])
        for name in SECTIONS
        if name in sections and sections[name]["source"] == SectionSource.MODEL
    }
    return score_texts(texts, question, lots)


def score_texts(texts: Mapping[SectionName, str], question: ComparedQuestion, lots: LotLibrary) -> Score:
    """The score of sections that a model wrote."""
    written = Written(
        texts=texts,
        lot=lots.lot(question.collection, question.lot),
        collection=lots.collection(question.collection),
        language=question.language,
        question=question.question,
        topic=question.topic,
    )
    return Score({rule: judge(written) for rule, judge in RULES.items()}, len(texts) / len(SECTIONS))
