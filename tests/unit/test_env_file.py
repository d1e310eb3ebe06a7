"""A broken `.env` is told in one line, with its line's number and none of its values."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from jieqian.env_file import names_in, unknown_names
from jieqian.errors import UsageError
from jieqian.settings import load_settings

KNOWN = ["JIEQIAN_WORKERS", "JIEQIAN_DATA_DIR", "JIEQIAN_LLM_MODEL"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"JIEQIAN_WORKERS 3\n", 1),
        (b"# a remark\n\n\nhello hidden\nJIEQIAN_WORKERS=3\n", 4),
        (b"JIEQIAN_WORKERS\n", 1),
        (b"A=1\r\nJIEQIAN_SECRET_KEY='hidden\r\nB=2\r\n", 2),
        (b'A=1\nJIEQIAN_SECRET_KEY="hidden" more\n', 2),
        (b"A=1\n=hidden\n", 2),
        (b"A=1\nB=\xff\xfe hidden\n", 2),
        ("JIEQIAN_WORKERS=3\n".encode("utf-16"), 1),
        ("A=1\nJIEQIAN_WORKERS=3\n".encode("utf-16-le"), 1),
    ],
)
def test_a_line_that_cannot_be_read_is_told(text: bytes, line: int) -> None:
    Path(".env").write_bytes(text)
    with pytest.raises(UsageError, match=f"^Settings: line {line} of .env (cannot be read|is not UTF-8)") as refused:
        load_settings()
    assert "hidden" not in refused.value.detail
    assert "\n" not in refused.value.detail


def test_what_a_file_may_hold(caplog: pytest.LogCaptureFixture) -> None:
    text = "\ufeff# 設定\n\nexport JIEQIAN_WORKERS=3 # three\nJIEQIAN_SECRET_KEY='a # b'\n"
    text += 'OTHER="1\n2"\nJIEQIAN_LLM_MODEL=\n'
    Path(".env").write_text(text, encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        settings = load_settings()
    assert (settings.workers, settings.secret_key, settings.llm_model) == (3, "a # b", None)
    assert not caplog.records
    assert names_in(Path(".env")) == ["JIEQIAN_WORKERS", "JIEQIAN_SECRET_KEY", "OTHER", "JIEQIAN_LLM_MODEL"]


def test_a_folder_of_that_name_is_told_unless_it_is_a_virtual_environment() -> None:
    Path(".env").mkdir()
    with pytest.raises(UsageError, match=r"^Settings: \.env is a folder"):
        load_settings()
    Path(".env/pyvenv.cfg").touch()
    assert load_settings().workers == 4


def test_no_file_is_no_fault() -> None:
    assert names_in(Path(".env")) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("JIEQIAN_WORKER", "is JIEQIAN_WORKERS meant?"),
        ("jieqian_worker", "JIEQIAN_WORKER is no setting"),
        ("JIEQIAN_DATADIR", "is JIEQIAN_DATA_DIR meant?"),
        ("JIEQIAN_XYZZYPLUGH", "JIEQIAN_XYZZYPLUGH is no setting and has no effect."),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest(name: str, said: str) -> None:
    (line,) = unknown_names([name, "PATH", "jieqian_workers", "JIEQIAN_DATA_DIR"], KNOWN)
    assert said in line


def test_an_unknown_name_is_warned_of_once_and_refuses_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("JIEQIAN_MAX_QEUE", "3")
    Path(".env").write_text("JIEQIAN_TRUSTED_PROXY=127.0.0.1\n")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            load_settings()
    assert [record.getMessage() for record in caplog.records] == [
        "Settings: JIEQIAN_MAX_QEUE is no setting and has no effect; is JIEQIAN_MAX_QUEUE meant?",
        "Settings: JIEQIAN_TRUSTED_PROXY is no setting and has no effect; is JIEQIAN_TRUSTED_PROXIES meant?",
    ]
