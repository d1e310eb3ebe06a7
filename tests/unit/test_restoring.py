"""A restore replaces nothing that was set aside, gives out no event id again, and says what it could not bring."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from kept_data import backup_of, everything, fill, hear_nothing, settings_for, tasks_in

from jieqian.cli.backup import missing_model
from jieqian.errors import BackupError, UsageError
from jieqian.keeping.folder import own_data_dir
from jieqian.keeping.placing import finish_restore, free_name, is_restore_pending
from jieqian.keeping.restore import restore_archive
from jieqian.settings import Settings
from jieqian.tasks.database import begins_another_boot, open_engine, sqlite_url, url_of
from jieqian.tasks.sql_store import EVENTS_A_POWER_CUT_TAKES, SqlTaskStore


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    """A data folder, of whose readings one is under way, and a backup of it."""
    folder = tmp_path_factory.mktemp("kept")
    settings = fill(folder / "data")

    async def begin() -> None:
        store = await asyncio.to_thread(SqlTaskStore, url_of(settings))
        assert await store.claim("token", time.time(), 60)
        await store.close()

    asyncio.run(begin())
    backup_of(settings, folder / "kept.zip")
    return settings, folder / "kept.zip"


# -- what was there ----------------------------------------------------------------------------------------------------


def test_each_restore_sets_aside_what_was_there_under_a_name_of_its_own(
    kept: tuple[Settings, Path], tmp_path: Path
) -> None:
    there = fill(tmp_path / "there")
    asides = []
    for number in range(4):  # some of these fall into the same second
        (there.data_dir / "secret_key").write_text(f"old {number}")
        restored = restore_archive(kept[1], there, hear_nothing, force=True)
        assert restored.aside is not None
        asides.append(restored.aside)
    assert len(set(asides)) == 4
    assert [(aside / "secret_key").read_text() for aside in asides] == [f"old {number}" for number in range(4)]
    own_data_dir(there.data_dir).release()


def test_a_name_that_is_taken_is_not_given(tmp_path: Path) -> None:
    assert free_name(tmp_path / "aside") == tmp_path / "aside"
    (tmp_path / "aside").mkdir()
    (tmp_path / "aside-2").touch()
    assert free_name(tmp_path / "aside") == tmp_path / "aside-3"


@pytest.mark.parametrize("at", ["restored", "placing"])
def test_one_that_was_cut_off_and_finds_its_names_taken_replaces_nothing(tmp_path: Path, at: str) -> None:
    for folder, told in ((at, "new"), (".", "old"), ("backups/aside", "set aside before")):
        (tmp_path / folder / "collections" / "mine").mkdir(parents=True)
        for file in ("secret_key", "collections/mine/lots.yaml"):
            (tmp_path / folder / file).write_text(told)
    (tmp_path / at / "moved-aside-to").write_text("backups/aside")
    finish_restore(tmp_path)
    files = ("collections/mine/lots.yaml", "secret_key")
    assert everything(tmp_path) == {
        **{f"backups/aside-2/{file}": b"old" for file in files},
        **{f"backups/aside/{file}": b"set aside before" for file in files},
        **dict.fromkeys(files, b"new"),
    }


def test_what_cannot_be_moved_is_told_with_its_path_and_the_next_start_goes_on(
    kept: tuple[Settings, Path], tmp_path: Path
) -> None:
    there = fill(tmp_path / "there", readings=5)
    (there.data_dir / "backups").touch()  # a file where the folder should be
    with pytest.raises(BackupError, match=r"there/backups.*the next start") as refused:
        restore_archive(kept[1], there, hear_nothing, force=True)
    assert "\n" not in refused.value.detail
    with pytest.raises(UsageError, match="cannot be used"):
        own_data_dir(there.data_dir)
    (there.data_dir / "backups").unlink()
    own_data_dir(there.data_dir).release()
    assert len(tasks_in(there.data_dir / "jieqian.db")) == 3


def test_a_folder_that_cannot_be_looked_into_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^The data folder .* cannot be used: .*JIEQIAN_DATA_DIR"):
        is_restore_pending(tmp_path / ("x" * 300))  # root may look into all, but no name is so long
    assert not is_restore_pending(tmp_path / "none")


# -- ids ---------------------------------------------------------------------------------------------------------------


def test_ids_of_what_had_not_ended_go_on_behind_those_given_out_where_the_backup_came_from(
    kept: tuple[Settings, Path], tmp_path: Path
) -> None:
    def rows(data_dir: Path) -> list[Any]:
        with contextlib.closing(sqlite3.connect(data_dir / "jieqian.db")) as database:
            return database.execute("select last_event_id, touched_at = created_at from tasks order by id").fetchall()

    async def take_over() -> None:
        store = await asyncio.to_thread(SqlTaskStore, url_of(settings))
        assert [await store.release_leases(), await store.release_leases()] == [1, 0]
        await store.close()

    settings = settings_for(tmp_path / "new")
    restore_archive(kept[1], settings, hear_nothing)
    asyncio.run(take_over())
    before = rows(kept[0].data_dir)
    after = rows(settings.data_dir)
    assert [last for last, _ in after] == [last + EVENTS_A_POWER_CUT_TAKES for last, _ in before]
    assert [untouched for _, untouched in after[1:]] == [0, 0], "what waited may have begun there"


@pytest.mark.parametrize(
    ("known", "boot", "another"),
    [(0, 0, False), (0, 7, False), (7, 7, False), (7, 0, False), (7, 8, True), (-1, 7, True), (-1, 0, True)],
)
def test_a_restored_database_is_in_another_boot_once_on_every_system(
    tmp_path: Path, known: int, boot: int, another: bool
) -> None:
    engine = open_engine(sqlite_url(tmp_path / "x.db"), writes=True)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"PRAGMA user_version = {known}")
        assert begins_another_boot(connection, boot) is another
        assert begins_another_boot(connection, boot) is False
    engine.dispose()


# -- the chosen model --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"model": "gemma-3-1b", "file": "Qwen3-4B.gguf"}, "jieqian model get gemma-3-1b"),
        ({"model": "mine", "file": "/nowhere/mine.gguf"}, "copy it to /nowhere/mine.gguf"),
        ({}, "cannot be read"),
    ],
)
def test_a_chosen_model_that_is_not_here_is_told(tmp_path: Path, choice: dict[str, str], told: str) -> None:
    (tmp_path / "model.json").write_text(json.dumps(choice))
    missing = missing_model(tmp_path)
    assert missing is not None
    assert told in missing
    assert "jieqian model use auto" in missing


def test_of_a_model_that_is_here_or_none_nothing_is_told(tmp_path: Path) -> None:
    assert missing_model(tmp_path) is None
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.gguf").touch()
    for choice in ({"model": "mine", "file": "mine.gguf"}, {"model": "auto"}, {"model": "commentary"}):
        (tmp_path / "model.json").write_text(json.dumps(choice))
        assert missing_model(tmp_path) is None
