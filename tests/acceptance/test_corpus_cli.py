"""`jieqian corpus`, run as a person runs it."""

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def corpus(tmp_path):
    """Runs the program in an empty folder with an empty DATA_DIR; its answer has `code`, `out` and `err`."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("JIEQIAN_")}
    environment |= {"JIEQIAN_DATA_DIR": str(tmp_path / "data"), "PYTHONUTF8": "1", "NO_COLOR": "1"}

    def run(*arguments):
        command = [sys.executable, "-m", "jieqian", "corpus", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False
        )

    return run


def write_pack(folder, lots, **about):
    folder.mkdir(parents=True)
    names = {"zh-Hant": "春江靈籤", "en": "Spring River Lots"}
    made = {"id": "river", "names": names, "deity": names, "aliases": [], "size": 2, "edition": "e", "source": "s"}
    made |= {"licence": "l", **about}
    (folder / "collection.json").write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
    (folder / "lots.jsonl").write_text("".join(f"{line}\n" for line in lots), encoding="utf-8")
    return folder


GOOD = [
    '{"number": 1, "lines": ["春江潮水連海平"], "fortune": null}',
    '{"number": 2, "lines": ["灩灩隨波千萬里"], "fortune": null}',
]


def test_list_is_plain_when_piped(corpus):
    answer = corpus("list")
    assert (answer.returncode, answer.stderr) == (0, "")
    rows = [line.split("\t") for line in answer.stdout.splitlines()]
    assert [row[0] for row in rows] == ["id", "guandi", "guanyin", "jiazi", "sensoji", "wongtaisin", "yuelao"]
    assert rows[-1][1:4] == ["月老靈籤", "Yue Lao's Hundred Lots", "100"]
    assert "\x1b" not in answer.stdout


def test_list_shows_an_added_collection_and_names_a_broken_one(corpus, tmp_path):
    write_pack(tmp_path / "data" / "collections" / "river", GOOD)
    write_pack(tmp_path / "data" / "collections" / "broken", GOOD[:1], id="broken")
    answer = corpus("list", "--json")
    assert answer.returncode == 0
    assert [each["id"] for each in json.loads(answer.stdout)][-2:] == ["yuelao", "river"]
    assert "1 of 2 lots missing: 2" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [["YueLao", "1"], ["月老", "第一籤"], ["yue-lao", "１"], ["YueLao_1"], ["月老第一籤"]]
)
def test_show_takes_every_name_and_number(corpus, arguments):
    answer = corpus("show", *arguments)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("月老靈籤 第一籤\n大吉 (great)\n")
    assert "關關雎鳩" in answer.stdout


def test_show_in_english_and_as_json(corpus):
    assert corpus("show", "yuelao", "7", "--language", "en").stdout.startswith("Yue Lao's Hundred Lots, lot 7\n")
    lot = json.loads(corpus("show", "yuelao", "7", "--language", "ja", "--json").stdout)
    assert (lot["id"], lot["title"]) == ("yuelao/7", "月老霊籤 第七番")


def test_show_says_so_when_there_is_no_commentary(corpus, tmp_path):
    write_pack(tmp_path / "data" / "collections" / "river", GOOD)
    assert "(This lot has no commentary yet.)" in corpus("show", "river", "1").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["yuelao", "101"], "yuelao has lots 1 to 100, and none numbered 101."),
        (["yuelao", "0"], "none numbered 0"),
        (["yuelao", "-1"], "none numbered -1"),
        (["yuelao", "1e9"], "none numbered 1000000000"),
        (["yuelao", "abc"], "That is no lot number."),
        (["yuelao", "1.5"], "That is no lot number."),
        (["yuelo", "1"], "Did you mean yuelao?"),
        (["\x1b[31mred", "1"], "There is no collection"),
        (["yuelao"], "Say which lot of yuelao"),
        (["yuelao", "1", "--language", "fr"], "fr"),
        ([], "collection"),
    ],
)
def test_show_tells_what_is_wrong_in_one_line(corpus, arguments, said):
    answer = corpus("show", *arguments)
    assert answer.returncode == 2
    assert said.lower() in answer.stderr.lower()
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    assert "\x1b" not in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_validate_passes_the_packaged_packs(corpus):
    answer = corpus("validate")
    assert answer.returncode == 0
    assert "6 checked: 0 errors" in answer.stdout


def test_validate_prints_file_and_line_of_every_fault(corpus, tmp_path):
    lots = [GOOD[0].replace("平", "平，"), '{"number": 1, "lines": [], "fortune": null}']
    folder = write_pack(tmp_path / "mine", lots)
    answer = corpus("validate", "mine")
    assert answer.returncode == 1
    assert "mine/lots.jsonl:1: error: lot 1: line 1 of the verse ends with the mark" in answer.stdout
    assert "mine/lots.jsonl:2: error: lot 1: lines" in answer.stdout
    report = json.loads(corpus("validate", str(folder / "lots.jsonl"), "--json").stdout)
    assert report["errors"] == len([each for each in report["findings"] if each["severity"] == "error"]) >= 2
    assert {(each["line"], each["lot"]) for each in report["findings"] if each["line"]} == {(1, 1), (2, 1)}


def test_validate_fails_on_warnings_only_when_strict(corpus, tmp_path):
    write_pack(tmp_path / "data" / "collections" / "river", GOOD)
    assert corpus("validate", "river").returncode == 0
    assert corpus("validate", "river", "--strict").returncode == 1


def test_validate_takes_a_collection_before_a_folder_that_is_no_pack(corpus, tmp_path, monkeypatch):
    (tmp_path / "yuelao").mkdir()
    monkeypatch.chdir(tmp_path)
    assert corpus("validate", "yuelao").returncode == 0


def test_validate_checks_a_broken_pack_by_its_folders_name(corpus, tmp_path):
    write_pack(tmp_path / "data" / "collections" / "broken", GOOD[:1])
    answer = corpus("validate", "broken")
    assert answer.returncode == 1
    assert "1 of 2 lots missing: 2" in answer.stdout


def test_escapes_in_a_file_do_not_reach_the_terminal(corpus, tmp_path):
    write_pack(tmp_path / "mine", [GOOD[0].replace("number", "\\u001b[31mnumber"), GOOD[1]])
    answer = corpus("validate", "mine")
    assert answer.returncode == 1
    assert "\x1b" not in answer.stdout + answer.stderr


@pytest.mark.parametrize("named", ["nowhere", "./nowhere"])
def test_validate_of_nothing_is_told(corpus, named):
    answer = corpus("validate", named)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "nowhere" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
