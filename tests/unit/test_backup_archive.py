"""A backup is of one moment and whole; what is not so is refused before anything changes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kept_data import backup_of, everything, fill, hear_nothing, settings_for, tasks_in

from jieqian.cli.backup import remove_half_made_by_the_dead
from jieqian.errors import BackupError, JieqianError, StoreError, UsageError
from jieqian.keeping.archive import is_ours
from jieqian.keeping.folder import own_data_dir
from jieqian.keeping.restore import restore_archive
from jieqian.settings import Settings
from jieqian.tasks.copying import copy_database


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    """A data folder and a backup of it."""
    folder = tmp_path_factory.mktemp("kept")
    settings = fill(folder / "data")
    backup_of(settings, folder / "kept.zip")
    return settings, folder / "kept.zip"


def test_what_is_in_it_and_what_is_not(kept: tuple[Settings, Path], tmp_path: Path) -> None:
    settings, archive = kept
    for name in ("models", "index", "backups"):
        (settings.data_dir / name).mkdir(exist_ok=True)
        (settings.data_dir / name / "x").touch()
    made = backup_of(settings, tmp_path / "again.zip")
    assert stat.S_IMODE((tmp_path / "again.zip").stat().st_mode) == 0o600
    assert made.sha256 == hashlib.sha256((tmp_path / "again.zip").read_bytes()).hexdigest()
    with zipfile.ZipFile(archive) as opened:
        names = ["jieqian.db", "secret_key", "model.json", "collections/mine/lots.yaml", "manifest.json"]
        assert opened.namelist() == names
        manifest = json.loads(opened.read("manifest.json"))
    assert manifest["format"] == 1
    assert (manifest["readings"], manifest["secret_in_settings"]) == (3, False)
    assert manifest["files"][1]["sha256"] == hashlib.sha256((settings.data_dir / "secret_key").read_bytes()).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == ["again.zip"]


def test_restored_it_is_what_it_was(kept: tuple[Settings, Path], tmp_path: Path) -> None:
    settings, archive = kept
    restored = restore_archive(archive, settings_for(tmp_path / "new"), hear_nothing)
    assert (restored.manifest.readings, restored.aside) == (3, None)
    for name in ("secret_key", "model.json", "collections/mine/lots.yaml"):
        assert (tmp_path / "new" / name).read_bytes() == (settings.data_dir / name).read_bytes()
    assert tasks_in(tmp_path / "new" / "jieqian.db") == tasks_in(settings.data_dir / "jieqian.db")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert modes == {0o600}


def test_progress_goes_on_to_its_end(kept: tuple[Settings, Path], tmp_path: Path) -> None:
    settings, archive = kept
    for work in (
        lambda hear: backup_of(settings, tmp_path / "b.zip", hear),
        lambda hear: restore_archive(archive, settings_for(tmp_path / "new"), hear),
    ):
        heard: list[tuple[int, int]] = []
        work(lambda done, of, _what, heard=heard: heard.append((done, of)))
        assert [done for done, _ in heard] == sorted(done for done, _ in heard)
        assert heard[-1][0] == heard[-1][1]


def test_one_who_stops_listening_ends_the_work_and_no_half_is_left(kept: tuple[Settings, Path], tmp_path: Path) -> None:
    settings, _ = kept

    def gone(_done: int, _of: int, what: str) -> None:
        if what == "packed":
            raise BackupError("The caller went away.")

    with pytest.raises(BackupError, match="went away"):
        backup_of(settings, tmp_path / "b.zip", gone)
    assert not list(tmp_path.iterdir())


def test_a_copy_is_of_one_moment_though_others_write(tmp_path: Path) -> None:
    source = tmp_path / "source.db"
    with contextlib.closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table pairs (a, b, filling)")
        connection.executemany("insert into pairs values (0, 0, ?)", [("x" * 4000,)] * 3000)
    written, steps, stop = threading.Semaphore(0), [0], threading.Event()

    def write() -> None:
        with contextlib.closing(sqlite3.connect(source, isolation_level=None, timeout=0)) as connection:
            while not stop.is_set():
                connection.execute("update pairs set a = a + 1, b = b + 1 where rowid % 100 = 0")
                written.release()

    def step(_done: int, _of: int) -> None:
        steps[0] += 1
        while written.acquire(blocking=False):
            pass
        for _ in range(2):  # at least one write is made wholly between two steps
            assert written.acquire(timeout=60), "the writer was held up"

    writer = threading.Thread(target=write)
    writer.start()
    assert written.acquire(timeout=60)  # both opened at once would each hinder the other for a moment
    try:
        copy_database(source, tmp_path / "copy.db", step)
    finally:
        stop.set()
        writer.join()
    assert steps[0] > 5
    with contextlib.closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("select count(*), sum(a <> b) from pairs").fetchone() == (3000, 0)
        moments = copy.execute("select distinct a from pairs where rowid % 100 = 0").fetchall()
        assert len(moments) == 1
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.db"]


def test_a_damaged_database_is_no_backup(tmp_path: Path) -> None:
    settings = fill(tmp_path / "data")
    database = tmp_path / "data" / "jieqian.db"
    raw = bytearray(database.read_bytes())
    raw[2 * 4096 + 8 : 3 * 4096] = b"\xaa" * (4096 - 8)
    database.write_bytes(bytes(raw))
    with pytest.raises(StoreError, match=r"cannot be copied|cannot be opened"):
        backup_of(settings, tmp_path / "b.zip")
    assert not list(tmp_path.glob("b.zip*"))


# -- broken archives ---------------------------------------------------------------------------------------------------


def rewritten(archive: Path, target: Path, change: Callable[[dict[str, bytes], dict[str, Any]], None]) -> Path:
    """The archive with changed members and manifest."""
    with zipfile.ZipFile(archive) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    manifest = json.loads(members.pop("manifest.json"))
    change(members, manifest)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as changed:
        for name, data in members.items():
            changed.writestr(name, data)
        if manifest:
            changed.writestr("manifest.json", json.dumps(manifest))
    return target


def listed(path: str, data: bytes) -> dict[str, Any]:
    return {"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def with_file(path: str) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    def change(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
        members[path] = b"x"
        manifest["files"].append(listed(path, b"x"))

    return change


def with_manifest(**fields: Any) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    return lambda _members, manifest: manifest.update(fields)


def with_database(data: bytes) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    def change(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
        members["jieqian.db"] = data
        manifest["files"][0] = listed("jieqian.db", data)

    return change


def of_another(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table photos (id)")
        with_database(connection.serialize())(members, manifest)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _members, manifest: manifest.clear(), "no manifest.json"),
        (lambda members, _: members.update({"secret_key": b"other"}), "broken"),
        (lambda members, _: members.pop("secret_key"), "other files"),
        (lambda members, _: members.update({"more": b""}), "other files"),
        (with_manifest(schema="0999"), "later version"),
        (with_manifest(format=2), "another version"),
        (with_manifest(format="1"), "broken"),
        (with_manifest(files=[]), "broken"),
        (with_manifest(readings=float("inf")), "broken"),
        (with_manifest(readings=-5), "broken"),
        (with_manifest(files=[{**listed("jieqian.db", b""), "bytes": 10**400}]), "broken"),
        (with_manifest(files=[{"path": "jieqian.db"}]), "broken"),
        (with_manifest(schema="0001"), "not what its manifest says"),
        (with_file("../outside"), "would put a file"),
        (with_file("/tmp/outside"), "would put a file"),
        (with_file("collections/../../outside"), "would put a file"),
        (with_file("collections/a\\..\\b"), "would put a file"),
        (with_file("jieqian.lock"), "would put a file"),
        (with_database(b"no database " * 999), "not a database"),
        (of_another, "another application"),
    ],
)
def test_what_is_not_as_it_was_written_is_refused(
    kept: tuple[Settings, Path],
    tmp_path: Path,
    change: Callable[[dict[str, bytes], dict[str, Any]], None],
    said: str,
) -> None:
    archive = rewritten(kept[1], tmp_path / "changed.zip", change)
    with pytest.raises(JieqianError, match=said) as refused:
        restore_archive(archive, settings_for(tmp_path / "new"), hear_nothing)
    assert isinstance(refused.value, BackupError | StoreError)
    assert "\n" not in refused.value.detail
    assert [path.name for path in tmp_path.iterdir()] == ["changed.zip"]


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04 and no more", b"a letter, and no backup", b"PK\x05\x06" + b"\0" * 18]
)
def test_a_file_that_is_no_backup_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "b.zip").write_bytes(data)
    for named in ("b.zip", "none.zip", "."):
        with pytest.raises(BackupError):
            restore_archive(tmp_path / named, settings_for(tmp_path / "new"), hear_nothing)
    assert not (tmp_path / "new").exists()


def test_a_link_in_it_is_refused(kept: tuple[Settings, Path], tmp_path: Path) -> None:
    data = b"/etc/passwd"

    def change(_members: dict[str, bytes], manifest: dict[str, Any]) -> None:
        manifest["files"].append(listed("collections/link", data))

    archive = rewritten(kept[1], tmp_path / "b.zip", change)
    link = zipfile.ZipInfo("collections/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(link, data)
    with pytest.raises(BackupError, match="no plain file"):
        restore_archive(archive, settings_for(tmp_path / "new"), hear_nothing)


def test_a_bomb_is_read_no_further_than_its_manifest_says(kept: tuple[Settings, Path], tmp_path: Path) -> None:
    def change(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
        members["collections/bomb"] = b"\0" * (100 << 20)
        manifest["files"].append(listed("collections/bomb", b"\0" * 1000))

    archive = rewritten(kept[1], tmp_path / "b.zip", change)
    heard: list[int] = []
    with pytest.raises(BackupError, match="another size"):
        restore_archive(archive, settings_for(tmp_path / "new"), lambda done, _of, _what: heard.append(done))
    assert max(heard) < 1 << 20


def test_more_than_the_disk_takes_is_refused_at_once(kept: tuple[Settings, Path], tmp_path: Path) -> None:
    def change(members: dict[str, bytes], manifest: dict[str, Any]) -> None:
        manifest["files"].append({**listed("collections/a", b""), "bytes": 1 << 60})
        members["collections/a"] = b""

    archive = rewritten(kept[1], tmp_path / "b.zip", change)
    with pytest.raises(BackupError, match=r"another size|room"):
        restore_archive(archive, settings_for(tmp_path / "new"), hear_nothing)


def test_cut_short_or_with_a_byte_changed_it_is_refused_or_harmless(
    kept: tuple[Settings, Path], tmp_path: Path
) -> None:
    settings, archive = kept
    whole = archive.read_bytes()
    expected = {name: (settings.data_dir / name).read_bytes() for name in ("secret_key", "model.json")}
    refused = 0
    ends = [whole[: len(whole) * part // 20] for part in range(20)]
    flips = [bytearray(whole) for _ in range(60)]
    for place, flipped in enumerate(flips):
        flipped[len(whole) * place // 60] ^= 0x55
    for data in (*ends, *flips):
        (tmp_path / "b.zip").write_bytes(bytes(data))
        try:
            restore_archive(tmp_path / "b.zip", settings_for(tmp_path / "new"), hear_nothing)
        except (BackupError, StoreError):
            refused += 1
            assert not (tmp_path / "new").exists()
        else:  # a byte that says nothing of the data: a date, say
            assert {name: (tmp_path / "new" / name).read_bytes() for name in expected} == expected
            assert tasks_in(tmp_path / "new" / "jieqian.db") == tasks_in(settings.data_dir / "jieqian.db")
            shutil.rmtree(tmp_path / "new")
    assert refused > 70


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("jieqian.db", True),
        ("collections/月老/lots.yaml", True),
        ("collections/mine/...", False),
        ("collections//x", False),
        ("collections", False),
        ("collections/./x", False),
        ("collections/a\nb", False),
        ("collections/c:x", False),
        ("models/x.gguf", False),
        ("", False),
    ],
)
def test_paths_that_a_backup_may_hold(path: str, ours: bool) -> None:
    assert is_ours(path) is ours


# -- into which folder -------------------------------------------------------------------------------------------------


def test_data_that_is_there_is_refused_or_moved_aside(kept: tuple[Settings, Path], tmp_path: Path) -> None:
    there = fill(tmp_path / "there", readings=5)
    before = everything(there.data_dir)
    with pytest.raises(UsageError, match="--force"):
        restore_archive(kept[1], there, hear_nothing)
    assert everything(there.data_dir) == before
    restored = restore_archive(kept[1], there, hear_nothing, force=True)
    assert restored.aside is not None
    assert everything(restored.aside) == before
    assert len(tasks_in(there.data_dir / "jieqian.db")) == 3


def test_a_folder_in_use_is_refused(kept: tuple[Settings, Path], tmp_path: Path) -> None:
    owner = own_data_dir(tmp_path / "new")
    try:
        with pytest.raises(UsageError, match="Another jieqian process"):
            restore_archive(kept[1], settings_for(tmp_path / "new"), hear_nothing)
    finally:
        owner.release()


def test_a_database_elsewhere_is_told(kept: tuple[Settings, Path], tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "new", database_url=f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(UsageError, match="DATABASE_URL"):
        restore_archive(kept[1], settings, hear_nothing)
    inside = settings_for(tmp_path / "new", database_url=f"sqlite:///{tmp_path}/new/jieqian.db")
    restore_archive(kept[1], inside, hear_nothing)


#: Restores, and is killed in the middle of a step: before the renaming of that number, or the unpacking of a file.
KILLED = """
import os, sys
from pathlib import Path
step, done = int(sys.argv[3]), [0]
def hook(event, arguments):
    moves = event == "os.rename" or (event == "open" and "restoring" in str(arguments[0]) and "x" in str(arguments[1]))
    done[0] += moves
    if moves and done[0] == step:
        os.kill(os.getpid(), 9)
from jieqian.keeping.restore import restore_archive
from jieqian.settings import Settings
sys.addaudithook(hook)
settings = Settings(data_dir=Path(sys.argv[2]), _env_file=None)
restore_archive(Path(sys.argv[1]), settings, lambda *_: None, force=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_restore_killed_at_any_step_leaves_the_old_data_or_the_new(
    kept: tuple[Settings, Path], tmp_path: Path
) -> None:
    fill(tmp_path / "old", readings=5)
    names = ("jieqian.db", "secret_key", "model.json", "collections/mine/lots.yaml")
    old = {name: (tmp_path / "old" / name).read_bytes() for name in names}
    restore_archive(kept[1], settings_for(tmp_path / "new"), hear_nothing)
    new = {name: (tmp_path / "new" / name).read_bytes() for name in names}
    assert old != new
    states = []
    for step in range(1, 30):
        data_dir = tmp_path / f"killed {step}"
        shutil.copytree(tmp_path / "old", data_dir)
        command = [sys.executable, "-c", KILLED, str(kept[1]), str(data_dir), str(step)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        own_data_dir(data_dir).release()  # the next start
        now = {name: (data_dir / name).read_bytes() for name in names}
        assert now in (old, new), f"neither the old data nor the new after step {step}"
        states.append(now == new)
        assert not {path.name for path in data_dir.iterdir()} & {"restoring", "restored", "placing"}
        if ended.returncode != -signal.SIGKILL:
            break
    assert ended.returncode == 0, ended.stderr
    assert states == sorted(states)
    assert len(states) > 10
    assert states.count(False) >= 5, "kills while it unpacks and before the switch leave the old data"
    assert states.count(True) >= 5


def test_a_large_member_is_written_in_pieces(tmp_path: Path) -> None:
    settings = fill(tmp_path / "data")
    large = b"\x01\x02" * (3 << 20)
    (settings.data_dir / "collections" / "mine" / "large").write_bytes(large)
    backup_of(settings, tmp_path / "b.zip")
    restore_archive(tmp_path / "b.zip", settings_for(tmp_path / "new"), hear_nothing)
    assert (tmp_path / "new" / "collections" / "mine" / "large").read_bytes() == large


def test_what_came_into_the_folder_meanwhile_is_not_replaced(kept: tuple[Settings, Path], tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "new")

    def somebody_comes(_done: int, _of: int, what: str) -> None:
        if what == "checked" and not settings.data_dir.exists():
            settings.data_dir.mkdir()
            (settings.data_dir / "secret_key").write_text("theirs")

    with pytest.raises(UsageError, match="has data already"):
        restore_archive(kept[1], settings, somebody_comes)
    assert (settings.data_dir / "secret_key").read_text() == "theirs"
    assert not (settings.data_dir / "jieqian.db").exists()


def test_half_made_copies_of_the_dead_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = [f".b.zip.{ended.pid}.part", f".c.zip.{ended.pid}.part.db"]
    kept = [f".b.zip.{os.getpid()}.part", f"b.zip.{ended.pid}.part", ".notes.part", "b.zip"]
    for name in (*gone, *kept):
        (tmp_path / name).touch()
    remove_half_made_by_the_dead(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
