"""`server.json`: believed only where its process owns the folder."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest

from jieqian.cli.running import (
    owners_service,
    quoted_id,
    read_server_file,
    remove_server_file,
    running_service,
    told_error,
    write_server_file,
)
from jieqian.errors import ServiceUnreachable, UsageError
from jieqian.settings import Settings

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jieqian.pid").write_text(f"{os.getpid()}\n", encoding="ascii")
    return tmp_path


def test_what_the_owner_wrote_is_read_and_is_for_its_user_alone(folder: Path) -> None:
    write_server_file(folder, NOBODY, "secret", passing=True)
    told = read_server_file(folder)
    assert told is not None
    assert (told.url, told.token, told.pid, told.passing) == (NOBODY, "secret", os.getpid(), True)
    assert stat.S_IMODE((folder / "server.json").stat().st_mode) == 0o600
    remove_server_file(folder)
    assert read_server_file(folder) is None


@pytest.mark.parametrize(
    "pid",
    ["1\n", "", "nonsense", "-5"],
)
def test_a_file_left_by_a_process_that_is_not_the_owner_counts_as_none(folder: Path, pid: str) -> None:
    write_server_file(folder, NOBODY, "secret")
    (folder / "jieqian.pid").write_text(pid, encoding="ascii")
    assert read_server_file(folder) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'"x"', b"{}", b"\xff\xfe", json.dumps({"url": "x", "token": "y", "pid": "z"}).encode()],
)
def test_a_broken_file_counts_as_none(folder: Path, content: bytes) -> None:
    (folder / "server.json").write_bytes(content)
    assert read_server_file(folder) is None


async def test_an_address_where_nobody_or_somebody_else_answers_is_no_owner(folder: Path) -> None:
    await asyncio.to_thread(write_server_file, folder, NOBODY, "secret")
    assert await owners_service(folder) is None


async def test_without_leave_to_own_it_waits_for_a_server_and_gives_up(folder: Path) -> None:
    with pytest.raises(ServiceUnreachable, match="jieqian serve"):
        async with running_service(Settings(data_dir=folder), may_own=False, wait=0.3):
            pass
    assert not (folder / "jieqian.db").exists()


def test_a_told_error_keeps_what_the_service_said() -> None:
    error = told_error({"detail": "There is none.", "code": "unknown_lot", "status": 404, "usage": True})
    assert (error.detail, error.extra) == ("There is none.", {"told_code": "unknown_lot", "told_status": 404})
    assert told_error({}).detail


@pytest.mark.parametrize("written", ["", " ", ".", "..", "../keys", "a/b"])
def test_an_id_that_would_be_another_path_is_refused(written: str) -> None:
    with pytest.raises(UsageError, match=r"is no id\. `jieqian keys list`") as refused:
        quoted_id(written, "jieqian keys list")
    assert refused.value.extra["usage"] is True


def test_an_id_is_one_part_of_a_path() -> None:
    assert quoted_id("3f0c-a?#%\\籤", "") == "3f0c-a%3F%23%25%5C%E7%B1%A4"


@pytest.mark.parametrize("place", ["a file", os.devnull])
async def test_a_data_folder_that_is_none_is_called_so(tmp_path: Path, place: str) -> None:
    def make() -> Path:
        (tmp_path / "a file").write_text("mine")
        (tmp_path / "data").symlink_to(tmp_path / place)
        return tmp_path / "data"

    with pytest.raises(UsageError, match="is no folder"):
        async with running_service(Settings(data_dir=await asyncio.to_thread(make))):
            pass
