"""What finding passages must do, by vectors and by characters alike; and how the index is kept."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from filelock import FileLock

from jieqian.errors import IndexFailed
from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import TOPICS
from jieqian.retrieval import index
from jieqian.retrieval.embedders import missing_packages
from jieqian.retrieval.passage import FaqPassage
from jieqian.retrieval.retriever import Retriever
from jieqian.testing.embedder import CharacterEmbedder

HAS_INDEX = not missing_packages("chromadb", "numpy")
COUNSEL = {
    "love": "先把心裡的話說清楚，再看對方怎麼回應。",
    "work": "手上的案子照次序做，升遷的事等主管開口。",
    "wealth": "進出的帳每晚記一筆，月底自然看得見漏洞。",
    "health": "睡前少看螢幕，胸悶不適就早點去看醫師。",
    "study": "一章讀熟才翻下一章，錯題抄在同一本上。",
    "family": "長輩的話先聽完，晚飯桌上別提舊帳。",
    "travel": "車票提早訂好，雨具放在最上面的袋子。",
}
ENTRY = FaqPassage("e1", "river", 1, Language.ZH_HANT, "work", "主管不肯讓我升遷怎麼辦？", "先把成績攤開來談。")
Open = Callable[..., Awaitable[Retriever]]


def filling(number: int, place: int) -> str:
    """Sixteen characters that no other lot or topic has in this order."""
    return "".join(chr(0x4E00 + (number * 997 + place * 131 + step * (7 + number)) % 4000) for step in range(16))


def write_pack(folder: Path, collection: str, lots: int = 8) -> Path:
    folder.mkdir(parents=True)
    names = {"zh-Hant": f"{collection}靈籤", "en": collection}
    about = {"id": collection, "names": names, "deity": names, "aliases": [], "size": lots}
    about |= {"edition": "e", "source": "s", "licence": "l"}
    (folder / "collection.json").write_text(json.dumps(about), encoding="utf-8")
    rows = []
    for number in range(1, lots + 1):
        topics = {topic: f"{text}{filling(number, place)}。" for place, (topic, text) in enumerate(COUNSEL.items())}
        note = {"gloss": ["江水連著海。"], "overall": f"{collection}的第{number}支，講的是等潮水。", "topics": topics}
        rows.append({"number": number, "lines": ["春江潮水連海平"], "commentary": {"zh-Hant": note}, "fortune": None})
    (folder / "lots.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


@pytest.fixture
def library(tmp_path: Path) -> LotLibrary:
    """Two small collections."""
    for collection in ("river", "mountain"):
        write_pack(tmp_path / "packs" / collection, collection)
    return LotLibrary((tmp_path / "packs",), must_load=tmp_path)


@pytest_asyncio.fixture
async def open_retriever(tmp_path: Path, library: LotLibrary) -> AsyncIterator[Open]:
    """Opens a retriever over the library; with an embedder it waits until the index is level or has failed."""
    opened: list[Retriever] = []

    async def open_one(embedder: CharacterEmbedder | None, *entries: FaqPassage, wait: bool = True) -> Retriever:
        async def list_faq() -> tuple[FaqPassage, ...]:
            return entries

        retriever = Retriever(library, tmp_path, most=5, list_faq=list_faq, embedder=embedder, why="for a test")
        opened.append(retriever)
        await retriever.start()
        if embedder is not None and wait:
            await until(lambda: retriever.note.startswith(("ok", "passages are")))
        return retriever

    yield open_one
    for retriever in opened:
        await retriever.stop()


@pytest_asyncio.fixture(
    params=["lexical", pytest.param("vector", marks=pytest.mark.skipif(not HAS_INDEX, reason="chromadb is missing"))]
)
async def retriever(request: pytest.FixtureRequest, open_retriever: Open) -> Retriever:
    """Either way of finding, with what it says of itself in `how`."""
    return await open_retriever(CharacterEmbedder() if request.param == "vector" else None)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 (it polls what tells nobody)
            await asyncio.sleep(0.02)


async def test_five_passages_on_the_topic_of_other_lots_of_the_collection(retriever: Retriever, library: LotLibrary):
    for number in (1, 5):
        found = await retriever.find(
            "手上的案子，主管會開口讓我升遷嗎？", library.lot("river", number), Language.ZH_HANT
        )
        assert len(found.passages) == 5
        assert {passage.topic for passage in found.passages} == {"work"}
        assert {passage.collection for passage in found.passages} == {"river"}
        assert number not in {passage.lot for passage in found.passages}


async def test_an_approved_answer_is_found_at_once_and_a_withdrawn_one_is_not(
    retriever: Retriever, library: LotLibrary
):
    lot = library.lot("river", 1)

    async def found() -> list[str]:
        answer = await retriever.find("主管不肯讓我升遷怎麼辦", lot, Language.ZH_HANT)
        return [passage.id for passage in answer.passages]

    assert "faq/e1" not in await found()
    await retriever.add_faq([ENTRY])
    assert "faq/e1" in await found()
    elsewhere = await retriever.find("主管不肯讓我升遷怎麼辦", library.lot("mountain", 1), Language.ZH_HANT)
    assert "faq/e1" not in [passage.id for passage in elsewhere.passages]
    await retriever.remove_faq(["e1", "unknown"])
    assert "faq/e1" not in await found()


async def test_a_collection_that_is_reloaded_is_found_as_it_is_now(
    retriever: Retriever, library: LotLibrary, tmp_path: Path
):
    await asyncio.to_thread(write_pack, tmp_path / "packs" / "forest", "forest", 3)
    await asyncio.to_thread(library.reload)
    found = await retriever.find("手上的案子，主管會開口讓我升遷嗎？", library.lot("forest", 1), Language.ZH_HANT)
    assert {passage.collection for passage in found.passages} == {"forest"}


async def test_a_source_tells_what_it_is(retriever: Retriever, library: LotLibrary):
    found = await retriever.find("手上的案子，主管會開口讓我升遷嗎？", library.lot("river", 1), Language.ZH_HANS)
    source = found.passages[0].as_source()
    assert set(source) == {"id", "title", "text", "collection", "lot", "kind", "topic", "language", "score"}
    assert json.loads(json.dumps(source)) == source
    assert source["title"].startswith("river灵签 第")
    assert "升迁" in source["text"]


async def test_no_reading_is_given_more_than_was_asked_for(library: LotLibrary, tmp_path: Path):
    async def list_faq() -> tuple[FaqPassage, ...]:
        return ()

    off = Retriever(library, tmp_path, most=0, list_faq=list_faq, embedder=None, why="PASSAGES is 0.")
    found = await off.find("會順利嗎？", library.lot("river", 1), Language.ZH_HANT)
    assert (found.passages, found.how, found.note) == ((), "none", "PASSAGES is 0.")
    assert off.note == "off: PASSAGES is 0."


async def test_approved_answers_are_there_from_the_start(open_retriever: Open, library: LotLibrary):
    retriever = await open_retriever(None, ENTRY)
    found = await retriever.find(ENTRY.question, library.lot("river", 1), Language.ZH_HANT)
    assert "faq/e1" in [passage.id for passage in found.passages]


async def test_the_version_is_known_from_the_start_and_lasts_while_nothing_changes(open_retriever: Open):
    """Answers are kept under it: one that is told later, or told otherwise after a restart, loses them."""
    retriever = await open_retriever(None, ENTRY)
    version = retriever.version("river")
    assert version != retriever.version("mountain") != retriever.version("no such collection")
    await retriever.add_faq([ENTRY])
    assert retriever.version("river") == version
    again = await open_retriever(None, ENTRY)
    assert again.version("river") == version
    assert (await open_retriever(None)).version("river") != version


async def test_what_is_found_is_of_the_version_that_is_told(retriever: Retriever, library: LotLibrary):
    for collection in ("river", "mountain"):
        found = await retriever.find("會升遷嗎？", library.lot(collection, 1), Language.ZH_HANT)
        assert found.version == retriever.version(collection)


async def test_what_changes_while_passages_are_looked_for_leaves_them_without_a_version(
    open_retriever: Open, library: LotLibrary, monkeypatch: pytest.MonkeyPatch
):
    retriever = await open_retriever(None, ENTRY)
    changed = False
    real = asyncio.to_thread

    async def meanwhile(call, *arguments):
        nonlocal changed
        if not changed:
            changed = True
            await retriever.remove_faq(["e1"])
        return await real(call, *arguments)

    monkeypatch.setattr(asyncio, "to_thread", meanwhile)
    found = await retriever.find("主管不肯讓我升遷", library.lot("river", 1), Language.ZH_HANT)
    assert (changed, found.how, found.version) == (True, "lexical", "")


needs_index = pytest.mark.skipif(not HAS_INDEX, reason="chromadb or numpy is not installed")


@needs_index
async def test_what_is_indexed_is_not_embedded_again_and_what_changed_is(
    open_retriever: Open, library: LotLibrary, tmp_path: Path
):
    first = CharacterEmbedder()
    retriever = await open_retriever(first)
    assert len(first.embedded) == 2 * 8 * (5 + 1 + 1 + len(TOPICS) - 1)
    await retriever.stop()
    lots = tmp_path / "packs" / "river" / "lots.jsonl"
    await asyncio.to_thread(replace_in, lots, json.dumps("river的第3支")[1:-1], json.dumps("river的第三支")[1:-1])
    await asyncio.to_thread(library.reload)
    second = CharacterEmbedder()
    await open_retriever(second)
    assert second.embedded == ["river的第三支，講的是等潮水。"]


def replace_in(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


@needs_index
async def test_a_passage_that_ends_the_process_twice_is_left_out_and_the_others_are_not(
    open_retriever: Open, library: LotLibrary, monkeypatch: pytest.MonkeyPatch
):
    vectors = CharacterEmbedder()
    ask = index.VectorIndex._ask

    class InIndex(CharacterEmbedder):
        async def passages(self, texts):
            return None

    async def asked(self, operation, seconds=60.0, **values):
        if "texts" in values:
            texts = values.pop("texts")
            if any("成績攤開" in text for text in texts):
                self._process._process.kill()
            values["vectors"] = await vectors.passages(texts)
        return await ask(self, operation, seconds, **values)

    monkeypatch.setattr(index.VectorIndex, "_ask", asked)
    monkeypatch.setitem(index._AGAIN, "died", 0.1)
    retriever = await open_retriever(InIndex(), ENTRY, wait=False)
    await until(lambda: retriever.note.startswith("ok"))
    assert "without faq/e1 (no vector could be made)" in retriever.note
    found = await retriever.find("主管不肯讓我升遷", library.lot("river", 1), Language.ZH_HANT)
    assert (found.how, found.version) == ("vector", retriever.version("river"))
    assert len(found.passages) == 5
    await retriever.add_faq([replace(ENTRY, answer="先談。")])
    await until(lambda: retriever.note.startswith("ok") and "without" not in retriever.note)


@needs_index
async def test_a_passage_the_embedder_refuses_is_left_out_and_the_others_are_not(
    open_retriever: Open, library: LotLibrary
):
    class Refusing(CharacterEmbedder):
        async def passages(self, texts):
            if any("成績攤開" in text for text in texts):
                raise IndexFailed("embedder", "it is not to its taste")
            return await super().passages(texts)

    retriever = await open_retriever(Refusing(), ENTRY, wait=False)
    await until(lambda: retriever.note.startswith("ok"))
    assert "without faq/e1 (no vector could be made)" in retriever.note
    found = await retriever.find("主管不肯讓我升遷", library.lot("river", 1), Language.ZH_HANT)
    assert (found.how, len(found.passages)) == ("vector", 5)


@needs_index
async def test_what_a_passage_serves_no_more_is_not_looked_through_for_it(
    open_retriever: Open, library: LotLibrary, tmp_path: Path
):
    retriever = await open_retriever(CharacterEmbedder())
    lot = library.lot("river", 1)
    was = len((await retriever._index.search("順利嗎", lot, Language.JA, None)).passages)
    await asyncio.to_thread(add_japanese, tmp_path / "packs" / "river" / "lots.jsonl")
    await asyncio.to_thread(library.reload)
    await until(lambda: not retriever.note.startswith("ok"))
    await until(lambda: retriever.note.startswith("ok"))
    found = (await retriever._index.search("順利嗎", library.lot("river", 1), Language.JA, None)).passages
    assert len(found) == was
    assert all(Language.JA in passage.serves for passage, _ in found), "each takes another's room"


def add_japanese(file: Path) -> None:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        said = f"{row['number']}番は潮を待つ話です。"
        topics = {topic: f"{topic}については、{said}" for topic in TOPICS}
        gloss = [f"{said}その{place}。" for place, _ in enumerate(row["lines"])]
        row["commentary"]["ja"] = {"gloss": gloss, "overall": said, "topics": topics}
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@needs_index
async def test_a_collection_taken_away_leaves_nothing_in_the_index(
    open_retriever: Open, library: LotLibrary, tmp_path: Path
):
    retriever = await open_retriever(CharacterEmbedder())
    before = retriever.note
    await asyncio.to_thread(shutil.rmtree, tmp_path / "packs" / "mountain")
    await asyncio.to_thread(library.reload)
    await until(lambda: retriever.note.startswith("ok") and retriever.note != before)
    assert int(retriever.note.split("(")[1].split()[0]) * 2 == int(before.split("(")[1].split()[0])


@needs_index
async def test_an_index_of_another_embedder_is_made_anew(open_retriever: Open, tmp_path: Path):
    one = CharacterEmbedder("one")
    await (await open_retriever(one)).stop()
    other = CharacterEmbedder("other")
    retriever = await open_retriever(other)
    assert sorted(other.embedded) == sorted(one.embedded)
    assert "by other" in retriever.note
    about = await asyncio.to_thread((tmp_path / "index" / "about.json").read_text)
    assert json.loads(about)["embedder"] == "other"


@needs_index
async def test_while_the_index_is_opened_answers_of_its_vectors_are_looked_for(
    open_retriever: Open, library: LotLibrary
):
    before = await open_retriever(CharacterEmbedder())
    version = before.version("river")
    await before.stop()

    class Slow(CharacterEmbedder):
        async def identify(self) -> tuple[str, int]:
            await asyncio.Event().wait()
            raise AssertionError

    starting = await open_retriever(Slow(), wait=False)
    assert starting.version("river") == version
    found = await starting.find("會升遷嗎？", library.lot("river", 1), Language.ZH_HANT)
    assert (found.how, found.version != version) == ("lexical", True)


@needs_index
async def test_an_answer_not_in_the_index_yet_leaves_what_is_found_without_a_version(
    open_retriever: Open, library: LotLibrary
):
    class Stuck(CharacterEmbedder):
        def __init__(self) -> None:
            super().__init__()
            self.goes_on = asyncio.Event()
            self.goes_on.set()

        async def passages(self, texts):
            await self.goes_on.wait()
            return await super().passages(texts)

    embedder = Stuck()
    retriever = await open_retriever(embedder)
    embedder.goes_on.clear()
    adding = asyncio.create_task(retriever.add_faq([ENTRY]))
    await until(lambda: retriever._index is not None and not retriever._index.whole("river"))
    found = await retriever.find("主管不肯讓我升遷", library.lot("river", 1), Language.ZH_HANT)
    assert (found.how, found.version) == ("vector", "")
    elsewhere = await retriever.find("主管不肯讓我升遷", library.lot("mountain", 1), Language.ZH_HANT)
    assert elsewhere.version == retriever.version("mountain")
    embedder.goes_on.set()
    await adding
    found = await retriever.find("主管不肯讓我升遷", library.lot("river", 1), Language.ZH_HANT)
    assert (found.how, found.version) == ("vector", retriever.version("river"))


@needs_index
async def test_reindexing_tells_its_steps_and_its_end(open_retriever: Open):
    retriever = await open_retriever(CharacterEmbedder())
    steps = [step async for step in retriever.reindex(force=True)]
    assert steps[-1]["result"]["passages"] == steps[-2]["done"] == steps[-2]["of"]
    assert steps[-1]["result"]["embedder"] == "characters"
    only_looked_at = [step async for step in retriever.reindex()]
    assert only_looked_at[-1] == steps[-1]


@needs_index
async def test_reindexing_what_is_locked_is_refused_in_one_line(open_retriever: Open, tmp_path: Path):
    await (await open_retriever(CharacterEmbedder())).stop()
    lock = FileLock(tmp_path / "index" / "index.lock", thread_local=False)
    await asyncio.to_thread(lock.acquire)
    try:
        retriever = await open_retriever(CharacterEmbedder())
        with pytest.raises(IndexFailed, match="another process holds") as refused:
            _ = [step async for step in retriever.reindex()]
        assert "\n" not in refused.value.detail
    finally:
        await asyncio.to_thread(lock.release)


async def test_without_an_index_of_vectors_reindexing_says_why(open_retriever: Open):
    retriever = await open_retriever(None)
    with pytest.raises(IndexFailed, match="for a test"):
        _ = [step async for step in retriever.reindex()]


@needs_index
async def test_an_embedder_that_fails_is_told_and_characters_serve(open_retriever: Open, library: LotLibrary):
    class Failing(CharacterEmbedder):
        async def identify(self) -> tuple[str, int]:
            raise IndexFailed("embedder", "the model is not there")

    retriever = await open_retriever(Failing())
    assert "the model is not there. It is tried again" in retriever.note
    found = await retriever.find("會升遷嗎？", library.lot("river", 1), Language.ZH_HANT)
    assert (found.how, found.note) == ("lexical", "the model is not there")
    assert len(found.passages) == 5
    assert found.version == retriever.version("river"), "who cannot have vectors is told so by what is kept"


@needs_index
@pytest.mark.parametrize("how", ["dead", "hung"])
async def test_an_embedder_that_goes_away_is_told_and_holds_up_one_reading(
    open_retriever: Open, library: LotLibrary, how: str, monkeypatch: pytest.MonkeyPatch
):
    class Going(CharacterEmbedder):
        here, asked = True, 0

        async def identify(self) -> tuple[str, int]:
            if not self.here:
                raise IndexFailed("embedder", "the model went away")
            return await super().identify()

        async def question(self, text: str) -> list[float]:
            self.asked += 1
            if not self.here and how == "hung":
                await asyncio.sleep(60)
            if not self.here:
                raise IndexFailed("embedder", "the model went away")
            return await super().question(text)

    monkeypatch.setitem(index._AGAIN, "embedder", 0.2)
    monkeypatch.setattr(index, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(index, "LOADING_SECONDS", 0.5)
    embedder = Going()
    retriever = await open_retriever(embedder)
    lot = library.lot("river", 1)
    by_vectors = retriever.version("river")
    embedder.here = False
    first = await retriever.find("會升遷嗎？", lot, Language.ZH_HANT)
    assert (first.how, len(first.passages)) == ("lexical", 5)
    await until(lambda: retriever.note.startswith("passages are"))
    assert "went away" in retriever.note or "did not answer" in retriever.note
    asked = embedder.asked
    for _ in range(20):
        assert (await retriever.find("會升遷嗎？", lot, Language.ZH_HANT)).how == "lexical"
    assert embedder.asked == asked  # none of them waited for it
    assert retriever.version("river") == first.version != by_vectors
    embedder.here = True
    await until(lambda: retriever.note.startswith("ok"))
    assert (await retriever.find("會升遷嗎？", lot, Language.ZH_HANT)).how == "vector"


@needs_index
async def test_an_index_that_hangs_is_left_after_a_moment(open_retriever: Open, library: LotLibrary):
    retriever = await open_retriever(CharacterEmbedder())
    lot = library.lot("river", 1)
    before = await retriever.find("會升遷嗎？", lot, Language.ZH_HANT)
    assert before.how == "vector"
    pid = await asyncio.to_thread(own_index_process)
    os.kill(pid, signal.SIGSTOP)
    try:
        first = await retriever.find("會升遷嗎？", lot, Language.ZH_HANT)
        second = await retriever.find("會升遷嗎？", lot, Language.ZH_HANT)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (first.how, second.how) == ("lexical", "lexical")
    assert first.version != before.version == retriever.version("river"), "what is kept meanwhile serves nobody else"
    assert "did not answer" in (first.note or "")
    await until(lambda: retriever.note.startswith("ok"))
    assert (await retriever.find("會升遷嗎？", lot, Language.ZH_HANT)).how == "vector"


def own_index_process() -> int:
    pids = [pid for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()]
    return next(int(pid) for pid in pids if "index_child" in Path(f"/proc/{pid}/cmdline").read_text())


@needs_index
async def test_a_folder_that_refuses_is_told_and_characters_serve(library: LotLibrary, tmp_path: Path):
    await asyncio.to_thread((tmp_path / "no folder").write_bytes, b"")

    async def list_faq() -> tuple[FaqPassage, ...]:
        return ()

    refused = tmp_path / "no folder"
    retriever = Retriever(library, refused, most=5, list_faq=list_faq, embedder=CharacterEmbedder(), why="")
    await retriever.start()
    try:
        await until(lambda: retriever.note.startswith("passages are"))
        assert "See to rights and free space of" in retriever.note
        found = await retriever.find("手上的案子，主管會開口讓我升遷嗎？", library.lot("river", 1), Language.ZH_HANT)
        assert (found.how, len(found.passages)) == ("lexical", 5)
    finally:
        await retriever.stop()
