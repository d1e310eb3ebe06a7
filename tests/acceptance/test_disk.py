"""The disk is full, read-only, or gives back something else than was written."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from lasting import Watcher, check_whole, what_is_left
from program import Client, ModelServer, Program, wait_until
from test_reading import finished_texts, shown_texts

Start = Callable[..., Program]
NO_LIMIT = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def mount(*arguments: str) -> bool:
    """Mount something; False where this user or this machine may not."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        return False
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB, with the data folder on it."""
    place = tmp_path / "disk"
    place.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)):
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)
    return ballast


def check_red(client: Client) -> None:
    """What a caller and a balancer are told while nothing can be written."""
    answer = client.call("POST", "/api/v1/tasks", {"collection": "yuelao", "lot": 2, "question": "會順利嗎？"})
    assert answer.status == 503
    problem = answer.json()
    assert (problem["code"], problem["retryable"]) == ("store_unwritable", True)
    assert "disk" in problem["detail"]
    ready = client.call("GET", "/readyz")
    assert ready.status == 503
    assert "database: The database cannot be written" in ready.body.decode()
    assert client.call("GET", "/healthz").status == 200


def check_it_goes_on(program: Program, client: Client, watchers: list[Watcher]) -> None:
    wait_until(lambda: client.call("GET", "/readyz").status == 200)
    for watcher in watchers:
        watcher.join()
        check_whole(watcher)
        timings = watcher.events[-1].data["timings"]
        assert timings["sections_from_model"] == 7
        assert what_is_left(program.data_dir)[watcher.task_id].deliveries == 1, "a full disk is not the task's fault"
    last = Watcher(client, client.ask(question="還有人在嗎？"))
    last.join()


def ask_two(program: Program, ollama: ModelServer) -> tuple[Client, list[Watcher]]:
    """One reading in the middle of its text, and one that waits behind it."""
    ollama.script(default={"tokens": 300, "tokens_per_second": 80, "first_token_ms": 0})
    client = program.client()
    watchers = [Watcher(client, client.ask(question=f"第{place}個問題")) for place in range(2)]
    wait_until(lambda: any(event.type == "section_finished" for event in watchers[0].events))
    return client, watchers


def test_a_full_disk_loses_nothing_and_work_goes_on_by_itself(
    start: Start, ollama: ModelServer, small_disk: Path
) -> None:
    program = start(str(small_disk), llm_base_url=ollama.url, workers="1")
    client, watchers = ask_two(program, ollama)
    kept = what_is_left(program.data_dir)
    ballast = fill(small_disk)
    wait_until(lambda: client.call("GET", "/readyz").status == 503)
    check_red(client)
    wait_until(lambda: "cannot write" in program.log.read_text())  # the log lies elsewhere
    assert {task["status"] for task in client.call("GET", "/api/v1/tasks").json()["tasks"]} == {"running", "queued"}
    ollama.script()
    ballast.unlink()
    freed = time.monotonic()
    check_it_goes_on(program, client, watchers)
    waits = [watcher.went_on(freed) for watcher in watchers]
    sys.stdout.write(f"full disk: {waits} s after there was space again\n")
    for task_id, left in kept.items():
        now = what_is_left(program.data_dir)[task_id]
        assert {name: now.sections[name] for name in left.sections} == left.sections


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux's prlimit")
def test_files_that_may_grow_no_more(start: Start, ollama: ModelServer) -> None:
    program = start(llm_base_url=ollama.url, workers="1")
    client, watchers = ask_two(program, ollama)
    journal = program.data_dir / "jieqian.db-wal"
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (journal.stat().st_size, resource.RLIM_INFINITY))
    wait_until(lambda: client.call("GET", "/readyz").status == 503)
    check_red(client)
    ollama.script()
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, NO_LIMIT)
    check_it_goes_on(program, client, watchers)


def serve_in_vain(program: Program) -> str:
    """`serve` where it cannot: ends with status 1; answers its one line."""
    tried = subprocess.run(
        [sys.executable, "-m", "jieqian", "serve", "--port", "0"],
        env=program.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert tried.returncode == 1, tried.stderr
    assert tried.stdout == ""
    told = [line for line in tried.stderr.splitlines() if " WARNING " not in line]
    assert len(told) == 1, tried.stderr
    return told[0]


@pytest.fixture
def lock_up(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Makes a folder read-only: by its mode, or for root, whom no mode stops, by a mount."""
    locked: list[Path] = []

    def lock(folder: Path) -> None:
        if os.geteuid() != 0:
            folder.chmod(0o555)
        elif not (mount("--bind", str(folder), str(folder)) and mount("-o", "remount,bind,ro", str(folder))):
            pytest.skip("needs the right to mount")
        locked.append(folder)

    yield lock
    for folder in locked:
        if os.geteuid() == 0:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        else:
            folder.chmod(0o755)


@pytest.mark.parametrize("used_before", [False, True])
def test_a_read_only_folder_is_told_in_one_line(
    start: Start, lock_up: Callable[[Path], None], tmp_path: Path, used_before: bool
) -> None:
    data = tmp_path / "data"
    if used_before:
        start(llm_provider="commentary").stop()
    else:
        data.mkdir()
    before = sorted(entry.name for entry in data.iterdir())
    lock_up(data)
    told = serve_in_vain(Program(data, llm_provider="commentary"))
    assert str(data) in told
    assert sorted(entry.name for entry in data.iterdir()) == before, "nothing is half-started"


def completed_tasks(start: Start, number: int = 3) -> tuple[Program, Client, list[Watcher]]:
    program = start(llm_provider="commentary")
    client = program.client()
    watchers = [Watcher(client, client.ask(question=f"第{place}個問題", lot=place + 1)) for place in range(number)]
    for watcher in watchers:
        watcher.join()
    return program, client, watchers


def test_a_broken_database_is_told_in_one_line_and_left_as_it_is(start: Start) -> None:
    program, _, watchers = completed_tasks(start)
    program.stop()
    file = program.data_dir / "jieqian.db"
    whole = file.read_bytes()
    for broken in (b"This is no database.\n" * 1000, bytes(4096) + whole[4096:], whole[: len(whole) // 2]):
        file.write_bytes(broken)
        assert "jieqian.db" in serve_in_vain(program)
        assert file.read_bytes() == broken, "whoever mends it finds it as it was"
    file.write_bytes(whole)
    program.start()
    for watcher in watchers:
        check_whole(watcher)


def test_pages_that_are_broken_in_the_middle_end_no_service(start: Start) -> None:
    program, client, _ = completed_tasks(start, 12)
    program.stop()
    file = program.data_dir / "jieqian.db"
    with closing(sqlite3.connect(file)) as database:
        (page,) = database.execute("select rootpage from sqlite_schema where name = 'events'").fetchone()
        (size,) = database.execute("pragma page_size").fetchone()
    with file.open("r+b") as database_file:
        database_file.seek((page - 1) * size)
        database_file.write(os.urandom(size))
    try:
        program.start()
    except AssertionError:
        assert "Traceback" not in program.log.read_text()
        assert "jieqian.db" in program.log.read_text().splitlines()[-1]
        return
    answer = client.call("POST", "/api/v1/tasks", {"collection": "yuelao", "lot": 2, "question": "會順利嗎？"})
    assert answer.status == 503
    assert answer.json()["code"] == "store_error"
    assert program.process is not None
    assert program.process.poll() is None


def test_a_torn_journal_loses_nothing_that_was_committed(start: Start, ollama: ModelServer) -> None:
    """What a power cut may leave: behind the last commit something that was never finished."""
    ollama.script(default={"tokens": 300, "tokens_per_second": 100, "first_token_ms": 0})
    program = start(llm_base_url=ollama.url)
    client = program.client()
    watcher = Watcher(client, client.ask(question="她還會回信給我嗎？"))
    wait_until(lambda: any(event.type == "section_finished" for event in watcher.events))
    program.kill()
    before = what_is_left(program.data_dir)
    journal = program.data_dir / "jieqian.db-wal"
    whole = journal.read_bytes()
    torn = whole[-4120:][:2000]  # the beginning of a frame
    journal.write_bytes(whole + torn + os.urandom(3000))
    assert what_is_left(program.data_dir) == before
    program.start()
    watcher.join()
    check_whole(watcher)
    assert watcher.events[-1].data["timings"]["sections_from_model"] == 7


def test_a_journal_that_is_broken_stops_no_start(start: Start) -> None:
    program, client, watchers = completed_tasks(start)
    program.stop()  # all of it is in the database now
    program.start()
    Watcher(client, client.ask(question="後來的問題")).join()
    program.kill()
    journal = program.data_dir / "jieqian.db-wal"
    database = program.data_dir / "jieqian.db"
    left, whole = journal.read_bytes(), database.read_bytes()
    assert left
    for broken in (os.urandom(len(left)), left[: len(left) // 2], b""):
        database.write_bytes(whole)
        journal.write_bytes(broken)
        program.start()
        for watcher in watchers:
            check_whole(watcher)
        assert client.call("GET", "/readyz").status == 200
        Watcher(client, client.ask(question="還有人在嗎？")).join()
        program.kill()


@pytest.mark.parametrize("sections", [0, 1])
def test_where_a_power_cut_took_the_end_of_the_log_ids_go_on_behind_it(
    start: Start, ollama: ModelServer, sections: int
) -> None:
    """Text is stored without waiting for the disk. Made here by hand: the last writes gone, and another boot."""
    ollama.script(default={"tokens": 300, "tokens_per_second": 100, "first_token_ms": 0})
    program = start(llm_base_url=ollama.url)
    client = program.client()
    watcher = Watcher(client, client.ask(question="她還會回信給我嗎？"))
    wait_until(lambda: [event.type for event in watcher.events].count("section_finished") >= sections)
    seen = len(watcher.events)
    wait_until(lambda: [event.type for event in watcher.events[seen:]].count("section_delta") > 3)
    program.kill()
    time.sleep(0.2)
    durable = "section_finished" if sections else "lot"
    lost = [event.id for event in watcher.events if event.type == durable][-1]
    with closing(sqlite3.connect(program.data_dir / "jieqian.db")) as database, database:
        database.execute("delete from events where id > ?", (lost,))
        database.execute("update tasks set last_event_id = ?", (lost,))
        if not sections:  # nor are the passages there
            database.execute("update tasks set touched_at = created_at, sources = '[]', timings = '{}'")
        database.execute("pragma user_version = 12345")
    program.start()
    watcher.join()
    ids = [event.id for event in watcher.events]
    assert ids == sorted(set(ids)), "forward, never back"
    assert shown_texts(watcher.events) == finished_texts(watcher.events), "what nobody can vouch for was taken back"
    replay = list(client.events(watcher.task_id))
    assert shown_texts(replay) == finished_texts(replay) == finished_texts(watcher.events)
    assert replay[-1] == watcher.events[-1]
    assert replay[-1].data["timings"]["sections_from_model"] == 7
