"""Which folder is taken for the data, and that a refusal leaves it as it was."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from kept_data import settings_for

from jieqian.errors import DataFolderOwned, JieqianError, UsageError
from jieqian.keeping.folder import own_data_dir, own_database
from jieqian.wiring import House


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    "there",
    [
        (),
        ("jieqian.db", "anything else"),
        ("secret_key", "notes.txt"),
        ("jieqian.lock", "notes.txt"),
        ("collections", "models", "model.json"),
        (".env", ".gitignore", "lost+found", "index"),
    ],
)
def test_a_folder_that_is_empty_or_ours_is_taken(tmp_path: Path, there: tuple[str, ...]) -> None:
    for name in there:
        (tmp_path / name).touch()
    own_data_dir(tmp_path).release()
    assert names(tmp_path) == {*there, "jieqian.lock", "jieqian.pid"}


@pytest.mark.parametrize(
    "there", [("photos",), ("models", "README.md"), (".bashrc", ".profile"), ("a\nb", "c", "d", "e")]
)
def test_a_folder_of_other_things_is_refused_and_left_as_it_is(tmp_path: Path, there: tuple[str, ...]) -> None:
    for name in there:
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match="holds other things") as refused:
        House(settings_for(tmp_path))
    assert names(tmp_path) == set(there)
    assert "\n" not in refused.value.detail
    assert str(tmp_path / "jieqian") in refused.value.detail


def test_the_folder_itself_is_locked_and_not_only_a_file_that_may_be_removed(tmp_path: Path) -> None:
    owner = own_data_dir(tmp_path)
    (tmp_path / "jieqian.lock").unlink()
    with pytest.raises(DataFolderOwned):
        own_data_dir(tmp_path)
    owner.release()
    own_data_dir(tmp_path).release()


def test_a_database_elsewhere_is_locked_where_it_lies(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere.db"
    data.mkdir()
    assert own_database(data / "jieqian.db", data) is None
    owner = own_database(elsewhere, data)
    assert owner is not None
    with pytest.raises(DataFolderOwned, match=r"elsewhere\.db"):
        own_database(elsewhere, data)
    owner.release()
    assert own_database(tmp_path / "no folder" / "a.db", data) is None
    assert not (tmp_path / "no folder").exists()


@pytest.mark.parametrize("database", [b"no database " * 500, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_database_that_is_none_is_refused_before_anything_is_written(tmp_path: Path, database: bytes) -> None:
    (tmp_path / "jieqian.db").write_bytes(database)
    with pytest.raises(JieqianError, match=r"jieqian\.db"):
        House(settings_for(tmp_path))
    assert names(tmp_path) == {"jieqian.db"}
    assert (tmp_path / "jieqian.db").read_bytes() == database


def test_a_database_elsewhere_that_is_not_ours_leaves_the_folder_unmade(tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(b"no database " * 500)
    with pytest.raises(JieqianError, match=r"other\.db"):
        House(settings_for(tmp_path / "data", database_url=f"sqlite:///{tmp_path}/other.db"))
    assert names(tmp_path) == {"other.db"}


@pytest.mark.parametrize("where", ["data", "data/under"])
def test_a_file_in_its_place_is_told(tmp_path: Path, where: str) -> None:
    (tmp_path / "data").write_text("mine")
    with pytest.raises(UsageError, match=r"it is a file.*JIEQIAN_DATA_DIR"):
        own_data_dir(tmp_path / where)
    assert (tmp_path / "data").read_text() == "mine"


def test_the_owner_is_named(tmp_path: Path) -> None:
    owner = own_data_dir(tmp_path)
    with pytest.raises(DataFolderOwned, match=rf"Another jieqian process \({os.getpid()}\) uses the data folder"):
        own_data_dir(tmp_path)
    owner.release()
    own_data_dir(tmp_path).release()


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
@pytest.mark.parametrize(("name", "mode"), [("", 0o777), ("secret_key", 0o644), ("jieqian.db", 0o640)])
def test_what_others_can_reach_is_warned_of(
    tmp_path: Path, name: str, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "secret_key").touch(mode=0o600)
    (tmp_path / "jieqian.db").touch(mode=0o600)
    (tmp_path / name).chmod(mode)
    with caplog.at_level(logging.WARNING):
        own_data_dir(tmp_path).release()
    (record,) = caplog.records
    assert str(tmp_path / name) in record.getMessage()
    (tmp_path / name).chmod(0o700)


def test_archives_that_nobody_fetched_go_with_their_owner(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    for name in ("outgoing-abc.zip", "before-0002-20260101-000000.db"):
        (tmp_path / "backups" / name).touch()
    own_data_dir(tmp_path).release()
    assert names(tmp_path / "backups") == {"before-0002-20260101-000000.db"}
