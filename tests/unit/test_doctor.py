"""What `jieqian doctor` says of a folder and of models."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jieqian.cli.doctor import _command_in, _retrieval, _writer
from jieqian.cli.examining import State, examine_folder, examine_machine
from jieqian.settings import Settings

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens


def test_a_folder_of_other_things_fails_and_nobody_is_told_to_change_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "passwd").touch()
    (found,) = examine_folder(Settings(data_dir=tmp_path))
    assert (found.state, found.what) == (State.FAIL, "data folder")
    assert "'passwd'" in found.told
    assert "chmod" not in found.mend
    assert str(tmp_path / "jieqian") in found.mend


def test_a_folder_of_ours_that_is_open_is_to_be_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "passwd").touch()
    (tmp_path / "jieqian.db").touch()
    found = next(iter(examine_folder(Settings(data_dir=tmp_path))))
    assert (found.state, found.mend) == (State.WARN, f"chmod 700 {tmp_path}")


@pytest.mark.parametrize("where", ["file", "file/under", "dangling"])
def test_what_is_no_folder_and_can_be_none_fails(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (found,) = examine_folder(Settings(data_dir=tmp_path / where))
    assert found.state is State.FAIL


@pytest.mark.parametrize(
    ("provider", "reachable", "tiny", "note", "state", "mend"),
    [
        ("ollama", True, False, "Ollama speaks.", State.OK, ""),
        ("commentary", False, False, "No model is used, as `jieqian model use commentary` asked.", State.OK, ""),
        ("commentary", False, False, "No model server answers.", State.WARN, "JIEQIAN_LLM_BASE_URL"),
        ("ollama", False, False, "No model server answers at x.", State.WARN, "JIEQIAN_LLM_BASE_URL"),
        ("ollama", False, False, "It has none. `ollama pull a` gets one.", State.WARN, "ollama pull a"),
        ("llamacpp", True, True, "Very small: `jieqian model get b`.", State.WARN, "jieqian model get b"),
    ],
)
def test_who_writes_is_right_only_if_it_was_meant(
    provider: str, reachable: bool, tiny: bool, note: str, state: State, mend: str
) -> None:
    found = _writer(provider, note, reachable=reachable, tiny=tiny)
    assert (found.state, found.told) == (state, note)
    assert mend in found.mend
    assert bool(mend) is bool(found.mend)


def test_packages_go_into_the_python_that_runs_this() -> None:
    assert _command_in("Needs `pip install 'jieqian[x]'`.") == f"{sys.executable} -m pip install 'jieqian[x]'"
    assert not any(found.mend.startswith("pip ") for found in examine_machine())


def test_an_embedder_on_a_server_that_is_not_there_warns(tmp_path: Path) -> None:
    pytest.importorskip("chromadb")
    settings = Settings(data_dir=tmp_path, embedder="ollama:bge-m3", llm_base_url=NOBODY)
    (found,) = _retrieval(settings)
    assert (found.state, found.what) == (State.WARN, "retrieval")
    assert "JIEQIAN_LLM_BASE_URL" in found.mend
