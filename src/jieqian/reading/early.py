"""Passages are looked for while a task is still being stored and claimed: the question is known by then."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

from jieqian.languages import Language
from jieqian.lots.lot import Lot
from jieqian.retrieval.finding import Found, PassageFinder

#: So many searches nobody has asked for yet are kept, and for so many seconds: passages may change.
MOST_WAITING, FRESH_SECONDS = 64, 5.0
_What = tuple[str, str, Language]


class EarlyFinder:
    """A `PassageFinder` that may have begun before it is asked."""

    def __init__(self, passages: PassageFinder) -> None:
        self._passages = passages
        self._begun: OrderedDict[_What, tuple[float, asyncio.Task[Found]]] = OrderedDict()

    def begin(self, question: str, lot: Lot, language: Language) -> None:
        """That will be asked in a moment. What nobody asks for in the end is forgotten."""
        what = question, lot.id, language
        if what in self._begun:
            return
        search = asyncio.create_task(self._passages.find(question, lot, language), name="early-passages")
        self._begun[what] = time.monotonic(), search
        if len(self._begun) > MOST_WAITING:
            _, (_, oldest) = self._begun.popitem(last=False)
            oldest.cancel()

    async def find(self, question: str, lot: Lot, language: Language) -> Found:
        """See `PassageFinder.find`."""
        begun, search = self._begun.pop((question, lot.id, language), (0.0, None))
        if search is not None and time.monotonic() - begun <= FRESH_SECONDS:
            return await search
        if search is not None:
            search.cancel()
        return await self._passages.find(question, lot, language)

    def forget(self) -> None:
        """What passages there are has changed: searches that nobody has asked for yet are made anew."""
        begun, self._begun = self._begun, OrderedDict()
        for _, search in begun.values():
            search.cancel()
