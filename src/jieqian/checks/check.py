"""What a check of a section is given and what it answers: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jieqian.languages import Language
from jieqian.lots.lot import Collection, Lot
from jieqian.sections.section import SectionName


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionDraft:
    """One section to be checked; `written` are the reading's finished sections."""

    section: SectionName
    text: str
    lot: Lot
    collection: Collection
    language: Language
    question: str
    written: Mapping[SectionName, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why a section was refused. `reason` is stable and for logs and events; `advice` is told to the model."""

    reason: str
    advice: str
