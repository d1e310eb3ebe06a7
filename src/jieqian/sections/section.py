"""The seven sections of a reading: values only, imported anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class SectionName(StrEnum):
    """The seven, in the order a reading shows them."""

    LINE_BY_LINE = "line_by_line"
    OVERALL_DEVELOPMENT = "overall_development"
    POSITIVE_FACTORS = "positive_factors"
    CHALLENGES = "challenges"
    SUGGESTED_ACTIONS = "suggested_actions"
    SUPPLEMENTARY_NOTES = "supplementary_notes"
    CONCLUSION = "conclusion"


SECTIONS: tuple[SectionName, ...] = tuple(SectionName)


class SectionSource(StrEnum):
    """Who wrote a section."""

    MODEL = "model"
    COMMENTARY = "commentary"


@dataclass(frozen=True, slots=True)
class Section:
    """One finished section. `attempt` is 1 to 3; `ms` is the time from its start to its end."""

    name: SectionName
    text: str
    source: SectionSource
    attempt: int
    ms: int

    def as_dict(self) -> dict[str, Any]:
        """`{"text", "source", "attempt"}`, as a reading shows it."""
        return {"text": self.text, "source": self.source.value, "attempt": self.attempt}
