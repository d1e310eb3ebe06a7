"""What the model is told, in the order that lets its server reuse the work of earlier askers."""

from __future__ import annotations

from dataclasses import dataclass

from jieqian.languages import Language
from jieqian.lots.lot import Collection, Lot


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One retrieved passage, as the contract's `sources` show it."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentReading:
    """The reading a follow-up question stands on."""

    lot_title: str
    question: str
    conclusion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One reading's prompt.

    `prefix` is byte-identical for a lot, language, mode and template version: rules, then the lot and its commentary.
    `question` holds what follows it: passages, the parent reading, the question. `asked` is the bare question, `about`
    the same with what tells its topic, if only the parent's question does. What to write comes last and is the
    strategy's.
    """

    prefix: str
    question: str
    asked: str
    about: str
    lot: Lot
    collection: Collection
    language: Language
    template_version: str
