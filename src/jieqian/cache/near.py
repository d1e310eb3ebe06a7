"""The seam for semantic matches: served only from the caller's own readings or reviewed FAQ entries, and marked.

It stays off until a threshold has been measured on labelled pairs of questions: no figure, no switch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from jieqian.cache.answer import KeptAnswer
from jieqian.languages import Language
from jieqian.lots.lot import Lot


@dataclass(frozen=True, slots=True)
class NearAnswer:
    """An answer to a question that is near: `similarity` from 0 to 1."""

    answer: KeptAnswer
    similarity: float


class NearAnswers(Protocol):
    """Finds the answer to a question of the same sense that this caller may be given."""

    async def find(self, question: str, lot: Lot, language: Language, caller: str) -> NearAnswer | None:
        """The nearest one over the threshold; None where there is none, and where the switch is off."""
        ...


class NoNearAnswers:
    """The switch is off."""

    async def find(self, _question: str, _lot: Lot, _language: Language, _caller: str) -> None:
        """Nothing is near enough while nobody has measured what near is."""
