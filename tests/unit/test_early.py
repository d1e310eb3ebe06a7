"""Passages looked for before a worker asks: one search for both, forgotten where nobody comes, not used when stale."""

from __future__ import annotations

import asyncio

import pytest
from sample_lots import sample_lot

from jieqian.languages import Language
from jieqian.lots.lot import Lot
from jieqian.reading import early
from jieqian.reading.early import MOST_WAITING, EarlyFinder
from jieqian.retrieval.finding import Found


class Finder:
    """Counts searches; each answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Language]] = []
        self.ended_early = 0
        self.goes_on = asyncio.Event()

    async def find(self, question: str, lot: Lot, language: Language) -> Found:
        self.asked.append((question, lot.id, language))
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            self.ended_early += 1
            raise
        return Found((), "none", question, "v")


@pytest.fixture
def finder() -> Finder:
    return Finder()


async def test_what_was_begun_is_what_is_found(finder: Finder):
    early_finder, lot = EarlyFinder(finder), sample_lot()
    early_finder.begin("好嗎", lot, Language.ZH_HANT)
    early_finder.begin("好嗎", lot, Language.ZH_HANT)
    finding = asyncio.create_task(early_finder.find("好嗎", lot, Language.ZH_HANT))
    await asyncio.sleep(0)
    finder.goes_on.set()
    assert (await finding).note == "好嗎"
    assert len(finder.asked) == 1
    await early_finder.find("好嗎", lot, Language.ZH_HANT)
    assert len(finder.asked) == 2, "it is used once"


async def test_another_question_lot_or_language_is_another_search(finder: Finder):
    early_finder, lot = EarlyFinder(finder), sample_lot()
    finder.goes_on.set()
    early_finder.begin("好嗎", lot, Language.ZH_HANT)
    await asyncio.sleep(0)
    for question, its, language in (
        ("好吗", lot, Language.ZH_HANT),
        ("好嗎", sample_lot(number=2), Language.ZH_HANT),
        ("好嗎", lot, Language.EN),
    ):
        assert (await early_finder.find(question, its, language)).note == question
        assert finder.asked[-1] == (question, its.id, language)
    assert len(finder.asked) == 4


async def test_what_was_begun_long_ago_is_not_used(finder: Finder, monkeypatch: pytest.MonkeyPatch):
    early_finder, lot = EarlyFinder(finder), sample_lot()
    early_finder.begin("好嗎", lot, Language.ZH_HANT)
    await asyncio.sleep(0)
    monkeypatch.setattr(early, "FRESH_SECONDS", -1.0)
    finding = asyncio.create_task(early_finder.find("好嗎", lot, Language.ZH_HANT))
    for _ in range(3):
        await asyncio.sleep(0)
    assert (len(finder.asked), finder.ended_early) == (2, 1)
    finder.goes_on.set()
    await finding


async def test_only_so_many_wait(finder: Finder):
    early_finder, lot = EarlyFinder(finder), sample_lot()
    for number in range(MOST_WAITING + 3):
        early_finder.begin(f"{number}", lot, Language.ZH_HANT)
        await asyncio.sleep(0)
    for _ in range(3):
        await asyncio.sleep(0)
    assert finder.ended_early == 3
    finder.goes_on.set()
    assert (await early_finder.find("0", lot, Language.ZH_HANT)).note == "0"
    assert (await early_finder.find(f"{MOST_WAITING}", lot, Language.ZH_HANT)).note == f"{MOST_WAITING}"


async def test_whoever_asked_and_is_stopped_ends_the_search(finder: Finder):
    early_finder, lot = EarlyFinder(finder), sample_lot()
    early_finder.begin("好嗎", lot, Language.ZH_HANT)
    finding = asyncio.create_task(early_finder.find("好嗎", lot, Language.ZH_HANT))
    await asyncio.sleep(0)
    finding.cancel()
    await asyncio.gather(finding, return_exceptions=True)
    assert finder.ended_early == 1


async def test_what_was_begun_before_passages_changed_is_looked_for_again(finder: Finder):
    early_finder = EarlyFinder(finder)
    early_finder.begin("q", sample_lot(), Language.EN)
    await asyncio.sleep(0)
    early_finder.forget()
    finder.goes_on.set()
    assert (await early_finder.find("q", sample_lot(), Language.EN)).note == "q"
    await asyncio.sleep(0)
    assert (len(finder.asked), finder.ended_early) == (2, 1)
