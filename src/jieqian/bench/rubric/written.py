"""What the rules look at, and what they answer: values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from statistics import fmean

from jieqian.checks.check import SectionDraft
from jieqian.checks.verse import ReadDraft, read_draft
from jieqian.languages import Language
from jieqian.lots.lot import Collection, Lot
from jieqian.sections.section import SectionName


class Rule(StrEnum):
    """The rules, as a report names them."""

    LINES_COVERED = "lines covered"
    LOT_CITED = "lot cited"
    LANGUAGE_RIGHT = "language right"
    POLARITY_KEPT = "polarity kept"
    SECTIONS_DISTINCT = "sections distinct"
    QUESTION_ADDRESSED = "question addressed"


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a rule is not kept: `why` in one sentence, `offending` the text itself ("": something is missing)."""

    rule: Rule
    section: SectionName | None
    why: str
    offending: str = ""


@dataclass(frozen=True, slots=True)
class Scored:
    """What one rule gives. `score`: a section the model did not write counts 0; `own`: of those it wrote alone."""

    score: float
    own: float | None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Written:
    """The sections a model wrote of one reading, and what they are held against."""

    texts: Mapping[SectionName, str]
    lot: Lot
    collection: Collection
    language: Language
    question: str
    topic: str

    @cached_property
    def reads(self) -> dict[SectionName, ReadDraft]:
        """Each ready to be checked (`checks/verse.py`)."""
        return {
            name: read_draft(
                SectionDraft(
                    section=name,
                    text=text,
                    lot=self.lot,
                    collection=self.collection,
                    language=self.language,
                    question=self.question,
                )
            )
            for name, text in self.texts.items()
        }


def over_sections(marks: Mapping[SectionName, float], of: int, faults: Sequence[Fault]) -> Scored:
    """The mean over `of` sections, those without a mark counting 0."""
    return Scored(sum(marks.values()) / of, fmean(marks.values()) if marks else None, tuple(faults))
