"""`jieqian draw`: the ritual, its proof, and the check of one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from commands import Commands

from jieqian.lots.draw import verify


@pytest.fixture
def run(tmp_path: Path) -> Commands:
    return Commands(tmp_path, {"llm_provider": "commentary"})


def test_a_draw_in_a_pipe_can_be_proved_from_its_file_and_from_what_was_printed(run: Commands) -> None:
    answer = run("draw", "--collection", "月老", "--seed", "藍色雨傘", "--language", "en", "--save", "draw.json")
    assert (answer.returncode, answer.stderr) == (0, "")
    document = json.loads((run.folder / "draw.json").read_text(encoding="utf-8"))
    assert verify(document) == []
    assert document["client_seed"] == "藍色雨傘"
    promised, shown = answer.stdout.partition(document["commitment"])[::2]
    assert "The commitment, before anything is drawn" in promised
    assert document["server_seed"] not in promised, "the promise comes first"
    assert document["server_seed"] in shown
    assert all(line in shown for line in document["lot"]["lines"])
    assert len(re.findall(r"^Throw \d: ", shown, re.MULTILINE)) == len(document["throws"])
    assert f"--collection yuelao --lot {document['number']}" in shown
    checked = run("draw", "--verify", "draw.json")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"lot {document['number']} of yuelao" in checked.stdout
    assert not run.data_dir.exists(), "it needs no data folder and makes none"


def test_a_forged_draw_is_refused_in_one_line(run: Commands) -> None:
    document = json.loads(run("draw", "--collection", "yuelao", "--json").stdout)
    assert verify(document) == []
    (run.folder / "draw.json").write_text(json.dumps({**document, "number": 0, "lot": 0}), encoding="utf-8")
    checked = run("draw", "--verify", "draw.json")
    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr.count("\n") == 1
    assert "not 0" in checked.stderr
    as_json = run("draw", "--verify", "draw.json", "--json")
    told = json.loads(as_json.stdout)
    assert (as_json.returncode, told["verified"]) == (1, False)
    assert "not 0" in told["problems"][0]
    (run.folder / "draw.json").write_text(json.dumps(document), encoding="utf-8")
    as_json = run("draw", "--verify", "draw.json", "--json")
    assert (as_json.returncode, json.loads(as_json.stdout)) == (0, {"verified": True, "problems": []})


def test_each_draw_without_a_seed_of_ones_own_is_another(run: Commands) -> None:
    draws = [json.loads(run("draw", "--collection", "guanyin", "--json").stdout) for _ in range(2)]
    assert draws[0]["client_seed"] != draws[1]["client_seed"]
    assert draws[0]["server_seed"] != draws[1]["server_seed"]


def test_on_a_terminal_collection_and_seed_are_asked_for(run: Commands) -> None:
    answers = {"[1-2]": "9\n2\n", "Enter": "天氣好\n"}
    seen = run.on_a_terminal("draw", "--language", "zh-Hant", "--save", "my draw.json", answers=answers)
    assert seen.status == 0, seen.raw
    document = json.loads((run.folder / "my draw.json").read_text(encoding="utf-8"))
    assert verify(document) == []
    assert (document["collection"], document["client_seed"]) == ("yuelao", "天氣好")
    assert seen.raw.index(document["commitment"]) < seen.raw.index("天氣好") < seen.raw.index(document["server_seed"])
    assert "已存入 'my draw.json'" in seen.raw


def test_the_terminals_language_is_spoken(run: Commands) -> None:
    for told, word in (
        ("ja_JP.UTF-8", "投目"),
        ("zh_CN.UTF-8", "第 1 掷"),
        ("C", "Throw 1"),
        ("de_DE.UTF-8", "Throw 1"),
    ):
        assert word in run("draw", "--collection", "yuelao", LANG=told, PYTHONUTF8="1").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("draw",), "(guanyin, yuelao): --collection guanyin"),
        (("draw", "--collection", "nope"), "no collection 'nope'"),
        (("draw", "--collection", "yuelao", "--seed", "x" * 201), "200"),
        (("draw", "--collection", "yuelao", "--language", "fr"), "language"),
        (("draw", "--collection", "yuelao", "--save", "."), "is there already"),
    ],
)
def test_wrong_usage_is_two_and_one_line(run: Commands, arguments: tuple[str, ...], told: str) -> None:
    answer = run(*arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.count("\n") == 1
    assert told in answer.stderr


def test_a_terminal_that_knows_no_chinese_gets_question_marks_and_no_crash(run: Commands) -> None:
    answer = run("draw", "--collection", "yuelao", PYTHONIOENCODING="ascii", LANG="C")
    assert answer.returncode == 0
    # The verse's lines: some lots have lines of one character only.
    assert re.search(r"^  \?+$", answer.stdout, re.MULTILINE)
    assert answer.stdout.isascii()
    document = run("draw", "--collection", "yuelao", "--json", PYTHONIOENCODING="ascii").stdout
    assert document.isascii()
    assert verify(json.loads(document)) == []


def test_the_example_of_the_documentation_verifies(run: Commands, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "draws.md").read_text(encoding="utf-8")
    example = page.partition("```json\n")[2].partition("```")[0]
    file = tmp_path / "draw.json"
    file.write_text(example, encoding="utf-8")
    answer = run("draw", "--verify", str(file))
    assert answer.returncode == 0, answer.stderr
    assert "The draw is right: lot " in answer.stdout
