"""Finds a reading's passages: by vectors (and characters) where the index is ready, else by characters alone.

Keeps both up to date.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from jieqian.errors import IndexFailed, JieqianError
from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import Lot
from jieqian.prompt.builder import is_foreign
from jieqian.retrieval.catalogue import Catalogue, make_catalogue
from jieqian.retrieval.choosing import choose_passages
from jieqian.retrieval.embedders import Embedder
from jieqian.retrieval.finding import Found, Near
from jieqian.retrieval.index import PATIENCE_SECONDS, VectorIndex
from jieqian.retrieval.lexical import Lexicon
from jieqian.retrieval.passage import FaqPassage, StoredPassage
from jieqian.sections.topics import topic_of

logger = logging.getLogger(__name__)

#: How often it is looked whether collections came or went, in seconds: a look is a comparison of tuples.
_LOOK_SECONDS = 1.0
#: Added to the similarity of a passage on the question's topic: the e5 models' similarities all lie between 0.75 and
#: 0.9, and a bare "will he come back" is nearer to many lines of verse than to any counsel on love.
_TOPIC_NEARER = 0.03
#: Added besides to all of these where some are in another language than the reading: likeness across languages is some
#: 0.04 smaller, and the sense of any lot in the question's own would go before all counsel (a Japanese commentary may
#: have none).
_FOREIGN_TOPIC_NEARER = 0.05
#: Taken from counsel on a topic where the question shows none: the sense of a whole lot then tells more.
_NO_TOPIC_FARTHER = 0.01
INDEX_FOLDER = "index"
#: Changes when what the index finds is ranked in another way. After the dash: the start of `leaning.npz`'s SHA-256,
#: which `tools/learn_leaning.py` tells.
RANKING = "2-296c4323"

ListFaq = Callable[[], Awaitable[Sequence[FaqPassage]]]


class Retriever:
    """`PassageFinder` and `FaqIndex` over the library and the approved FAQ entries.

    `most` passages a reading; 0 where retrieval is turned off. Without `embedder` all are found by their characters;
    `why` says in a few words why it is so. `with_characters`: where it was learned what that is worth, characters count
    beside vectors (docs/reports/retrieval.md).
    """

    def __init__(
        self,
        lots: LotLibrary,
        folder: Path,
        *,
        most: int,
        list_faq: ListFaq,
        embedder: Embedder | None,
        why: str = "",
        with_characters: bool = True,
    ) -> None:
        self._lots, self._most, self._list_faq, self._why = lots, most, list_faq, why
        self._with_characters = with_characters
        self._faq: dict[str, FaqPassage] = {}
        self._removed: set[str] = set()  # while the list of the start is being read
        self._catalogue = Catalogue({}, {})
        self._shelf: list[tuple[Lot, ...]] = []
        self._lexicons: dict[tuple[str, Language], Lexicon] = {}
        self._renewing = asyncio.Lock()
        self._index = VectorIndex(folder / INDEX_FOLDER, embedder, lambda: self._catalogue) if embedder else None
        self._tasks: list[asyncio.Task[None]] = []
        self._faq_known = False
        self._indexing = False

    # -- for readings ---------------------------------------------------------------------------------------------

    async def find(self, question: str, lot: Lot, language: Language) -> Found:
        """See `PassageFinder.find`."""
        if self._most == 0:
            return Found((), "none", self._why, self._version(lot.collection, "lexical"))
        topic = topic_of(question)
        note: str | None = self._why
        try:
            await self._renew_where_needed()
            catalogue = self._catalogue
            if self._index is not None:
                whole = self._index.whole(lot.collection)
                try:
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        near = await self._index.search(question, lot, language, topic)
                    if near.passages or not self._catalogue.of(lot.collection, language):
                        ranked = await self._ranked(near, question, lot, language, topic)
                        found = self._found(ranked, lot, language, catalogue, "vector", None)
                        return found if whole and self._catalogue is catalogue else replace(found, version="")
                    note = "the index found none of them"
                except IndexFailed as failed:
                    note = failed.detail
                except TimeoutError:
                    self._index.too_slow()
                    note = f"the index did not answer within {PATIENCE_SECONDS:g} s"
            catalogue, lexicons = self._catalogue, self._lexicons
            search = partial(_search_characters, catalogue, lexicons)
            by_characters = await asyncio.to_thread(search, question, lot, language, topic)
            found = self._found(by_characters, lot, language, catalogue, "lexical", note)
            return found if self._catalogue is catalogue else replace(found, version="")
        except Exception:
            logger.exception("no passages for a reading", extra={"action": "retrieval_failed"})
            return Found((), "none", "Looking for passages failed; the log says why.")

    async def _ranked(
        self, near: Near, question: str, lot: Lot, language: Language, topic: str | None
    ) -> list[tuple[StoredPassage, float]]:
        """What the index found, best first."""
        if near.worth is None:
            return _by_topic(near.passages, topic, language)
        points: dict[str, float] = {}
        if self._with_characters:
            lexicon = partial(_lexicon, self._catalogue, self._lexicons, lot.collection, language)
            alike = await asyncio.to_thread(lambda: lexicon().search(question, None))
            points = {passage.id: score for passage, score in alike}
        return _by_worth(near, points)

    def _found(
        self,
        ranked: list[tuple[StoredPassage, float]],
        lot: Lot,
        language: Language,
        catalogue: Catalogue,
        how: str,
        note: str | None,
    ) -> Found:
        """Chosen from the catalogue they were ranked by: another may have come meanwhile."""
        how_exactly = self._index.embedder_id if how == "vector" and self._index is not None else "lexical"
        if self._catalogue is not catalogue:  # an answer that was withdrawn while it was looked for is given to nobody
            ranked = [found for found in ranked if found[0].id in self._catalogue.passages]
        chosen = choose_passages(ranked, lot, language, self._most, catalogue)
        return Found(chosen, how, note, self._version(lot.collection, how_exactly))

    def version(self, collection: str) -> str:
        """The `Found.version` of a reading of that collection where nothing is in a reading's way.

        Of an index that is still being opened it is that of its vectors; of one that cannot be used, of characters.
        """
        by_vectors = self._index is not None and self._index.failed is None
        return self._version(collection, self._index.embedder_id if self._index and by_vectors else "lexical")

    def _version(self, collection: str, how: str) -> str:
        by = how if how == "lexical" else f"{how} {RANKING}{'+' * self._with_characters}"
        return f"{self._most} {by} {self._catalogue.versions.get(collection, '')}"

    # -- for the FAQ ----------------------------------------------------------------------------------------------

    async def add_faq(self, entries: Iterable[FaqPassage]) -> None:
        """See `FaqIndex.add_faq`."""
        added = {entry.id: entry for entry in entries}
        self._faq |= added
        self._removed -= added.keys()
        await self._faq_changed()

    async def remove_faq(self, ids: Iterable[str]) -> None:
        """See `FaqIndex.remove_faq`."""
        for place in ids:
            self._faq.pop(place, None)
            if not self._faq_known:
                self._removed.add(place)
        await self._faq_changed()

    async def _faq_changed(self) -> None:
        """By characters it is found from now on; by vectors in a moment, for which this waits a little."""
        await self._renew()
        until = time.monotonic() + PATIENCE_SECONDS
        while self._index is not None and not self._index.level and time.monotonic() < until:
            if self._index.failed is not None or not self._indexing:
                return
            await asyncio.sleep(0.02)

    # -- keeping --------------------------------------------------------------------------------------------------

    async def start(self, *, with_index: bool = True) -> None:
        """Cut what there is; then follow collections and, with `with_index`, fill the index, both in the background.

        Cut before it returns: until then `version` could tell of no passages, and no kept answer would be found again.
        """
        if self._most == 0:
            return
        await self._look()
        if self._index is not None:
            await self._index.recall()
        self._tasks = [asyncio.create_task(self._keep_looking(), name="passages")]
        if with_index:
            self._start_index()

    def _start_index(self) -> None:
        if self._index is not None and not self._indexing:
            self._indexing = True
            self._tasks.append(asyncio.create_task(self._index.run(), name="index"))

    async def stop(self) -> None:
        """End the index's process and everything in the background."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def note(self) -> str:
        """One line on how passages are found."""
        if self._most == 0:
            return f"off: {self._why}"
        if self._index is None:
            return f"passages are found by their characters: {self._why}"
        return self._index.note if self._indexing else "not at work here"

    async def reindex(self, *, force: bool = False) -> AsyncIterator[dict[str, Any]]:
        """Bring the index level, `force` from scratch; gives steps `{"done", "of", "what"}`, then `{"result"}`.

        Raises `IndexFailed` where there is no index of vectors or it cannot be used.
        """
        index = self._index
        if index is None:
            raise IndexFailed("missing", f"There is no index of vectors: {self._why}")
        await self._renew()
        before = index.rounds
        if force:
            index.make_anew()
        else:
            index.wake()
        self._start_index()
        told = None
        while index.rounds == before or not (index.level or index.failed):
            if not self._tasks or self._tasks[-1].done():
                raise IndexFailed("died", "The service is stopping.")
            if told is not index.progress:
                told = index.progress
                yield {"done": told.done, "of": told.of, "what": told.what}
            await asyncio.sleep(0.1)
        if index.failed is not None:
            raise IndexFailed(index.failed.kind, index.note[0].upper() + index.note[1:])
        done = index.progress
        yield {"done": done.done, "of": done.of, "what": None}
        yield {"result": {"passages": done.done, "embedder": index.embedder_id, "note": index.note}}

    async def _keep_looking(self) -> None:
        """Follow the collections, for ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        """Load the approved entries if that is still to be done, and cut anew what came or went."""
        if not self._faq_known:
            try:
                known = await self._list_faq()
            except JieqianError as error:
                logger.error("approved answers cannot be read: %s", error, extra={"action": "faq_unread"})
            else:
                self._faq = {entry.id: entry for entry in known if entry.id not in self._removed} | self._faq
                self._faq_known = True
                self._shelf = []  # cut anew
        try:
            await self._renew_where_needed()
        except Exception:  # a collection that is odd must not end the looking
            logger.exception("passages cannot be cut", extra={"action": "cutting_failed"})

    async def _renew_where_needed(self) -> None:
        now = self._on_the_shelf()
        if len(now) != len(self._shelf) or any(one is not other for one, other in zip(now, self._shelf, strict=True)):
            await self._renew()

    async def _renew(self) -> None:
        """Cut passages anew; whoever searches sees the old ones or the new."""
        async with self._renewing:
            shelf = self._on_the_shelf()
            faq = tuple(entry for _, entry in sorted(self._faq.items()))  # of equals the first is taken
            self._catalogue = await asyncio.to_thread(make_catalogue, self._lots, faq)
            self._lexicons = {}
            self._shelf = shelf
            if self._index is not None:
                self._index.wake()

    def _on_the_shelf(self) -> list[tuple[Lot, ...]]:
        """What a reload of the library puts others in the place of."""
        with suppress(JieqianError):  # a collection that went in this very moment
            return [self._lots.lots(each.id) for each in self._lots.collections()]
        return []


def _search_characters(
    catalogue: Catalogue,
    lexicons: dict[tuple[str, Language], Lexicon],
    question: str,
    lot: Lot,
    language: Language,
    topic: str | None,
) -> list[tuple[StoredPassage, float]]:
    lexicon = _lexicon(catalogue, lexicons, lot.collection, language)
    return _by_tone(lexicon.search(question, topic), lot, catalogue)


def _lexicon(
    catalogue: Catalogue, lexicons: dict[tuple[str, Language], Lexicon], collection: str, language: Language
) -> Lexicon:
    lexicon = lexicons.get((collection, language))
    if lexicon is None:
        passages = catalogue.of(collection, language)
        # Both Chinese scripts are mostly served by the same.
        alike = (known for known in lexicons.values() if known.passages == passages)
        lexicon = lexicons[collection, language] = next(alike, None) or Lexicon(passages)
    return lexicon


def _by_worth(near: Near, points: Mapping[str, float]) -> list[tuple[StoredPassage, float]]:
    """Sorted by what they are worth with what they have in common in characters; the scores shown stay as they were."""
    worth = near.worth or {}

    def total(found: tuple[StoredPassage, float]) -> float:
        place = found[0].id
        return worth[place] + near.characters * points.get(place, 0.0)

    return sorted(near.passages, key=lambda found: -total(found))


def _by_topic(
    ranked: list[tuple[StoredPassage, float]], topic: str | None, language: Language
) -> list[tuple[StoredPassage, float]]:
    """Sorted anew with the question's topic in mind; the scores shown stay as they were."""
    foreign = any(passage.topic == topic and is_foreign(passage.language, language) for passage, _ in ranked)
    nearer = _TOPIC_NEARER + _FOREIGN_TOPIC_NEARER * foreign

    def worth(found: tuple[StoredPassage, float]) -> float:
        passage, score = found
        if topic is None:
            return score - _NO_TOPIC_FARTHER * (passage.topic is not None)
        return score + nearer * (passage.topic == topic)

    return sorted(ranked, key=lambda found: -worth(found))


def _by_tone(
    ranked: list[tuple[StoredPassage, float]], lot: Lot, catalogue: Catalogue
) -> list[tuple[StoredPassage, float]]:
    """Among equals (a question in another language shares no characters) lots that speak in the same tone first."""

    def key(found: tuple[StoredPassage, float]) -> tuple[float, bool]:
        passage, score = found
        its = catalogue.lots[f"{passage.collection}/{passage.lot}"].fortune
        alike = its is not None and lot.fortune is not None and its.polarity is lot.fortune.polarity
        return -score, not alike

    return sorted(ranked, key=key)
