"""`jieqian corpus import` beside a running server, as an operator uses it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SIGNS = "天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏閏餘成歲律呂調陽"


def poem(number):
    """A verse of its own for each number."""
    at = [(number // len(SIGNS) ** place + number + place * 5) % len(SIGNS) for place in range(7)]
    return "，".join("".join(SIGNS[(each + line) % len(SIGNS)] for each in at) for line in range(4))


def old_lot(number):
    analysis = {
        "zh": f"第{number}首說的是等候與信心。",
        "en": f"Lot {number} speaks of waiting.",
        "jp": "",
        "reference": "",
    }
    return {
        "id": str(number),
        "title": "",
        "subtitle": "",
        "fortune": "【中吉】",
        "poem": poem(number),
        "analysis": analysis,
    }


def lots_folder(folder: Path, numbers) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        text = json.dumps(old_lot(number), ensure_ascii=False)
        (folder / f"chuck_{number}.json").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def program(start):
    return start(embedder="lexical", collections="")


def begin_import(program, *arguments):
    command = [sys.executable, "-m", "jieqian", "corpus", "import", *map(str, arguments)]
    return subprocess.Popen(
        command, env=program.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )


def run_import(program, *arguments):
    running = begin_import(program, *arguments)
    out, err = running.communicate(timeout=120)
    return running.returncode, out, err


def test_a_running_server_serves_what_was_imported_at_once(program, tmp_path):
    folder = lots_folder(tmp_path / "river", (1, 2, 4))
    (folder / "chuck_3.json").write_bytes(b'{"id": 3, "poem": ')
    client = program.client()
    code, out, _ = run_import(program, folder, "--dry-run", "--json")
    assert (code, json.loads(out)["counts"]["taken"]) == (0, 3)
    assert "river" not in {each["id"] for each in client.call("GET", "/api/v1/collections").json()}

    code, out, err = run_import(program, folder, "--json")
    found = {each["id"]: each for each in client.call("GET", "/api/v1/collections").json()}
    assert (code, "river" in found) == (0, True), err
    assert (found["river"]["lots"], found["river"]["missing"]) == (3, [3])
    report = json.loads(out)
    assert [(each["file"], each["lot"]) for each in report["taken"]] == [(f"chuck_{at}.json", at) for at in (1, 2, 4)]
    assert [each["file"] for each in report["refused"]] == ["chuck_3.json"]

    lot = client.call("GET", "/api/v1/collections/river/lots/4?language=en").json()
    assert lot["lines"] == poem(4).split("，")
    assert (lot["fortune"]["label"], lot["commentary"]["overall"]) == ("中吉", "Lot 4 speaks of waiting.")
    gone = client.call("GET", "/api/v1/collections/river/lots/3")
    assert (gone.status, gone.json()["code"]) == (404, "unknown_lot")
    assert "text of lot 3 is missing" in gone.json()["detail"]

    task_id = client.ask(question="Will she write back?", collection="river", lot=2, language="en")
    *_, last = client.events(task_id)
    assert last.type == "completed"
    reading = client.task(task_id)["reading"]
    assert len(reading["sections"]) == 7
    assert "Lot 2 speaks of waiting." in json.dumps(reading["sections"], ensure_ascii=False)

    code, out, _ = run_import(program, folder, "--json")
    again = json.loads(out)
    assert (code, again["changed"], again["counts"]["unchanged"], again["taken"]) == (0, False, 3, [])


def test_a_number_that_is_missing_is_never_drawn(program, tmp_path):
    assert run_import(program, lots_folder(tmp_path / "river", (2, 5)))[0] == 0
    client = program.client()
    drawn = set()
    for at in range(12):
        draw = client.call("POST", "/api/v1/draws", {"collection": "river"}).json()
        told = client.call("POST", f"/api/v1/draws/{draw['draw_id']}/reveal", {"client_seed": str(at)}).json()
        drawn.add(told["number"])
        assert (told["size"], told["missing"]) == (2, [1, 3, 4])
        document = tmp_path / "draw.json"
        document.write_text(json.dumps({**told, "commitment": draw["commitment"]}), encoding="utf-8")
        if at == 0:
            verified = subprocess.run(
                [sys.executable, "-m", "jieqian", "draw", "--verify", str(document)],
                env=program.environment(), capture_output=True, check=False, timeout=60,
            )  # fmt: skip
            assert verified.returncode == 0, verified.stdout
    assert drawn == {2, 5}


def test_a_killed_import_leaves_what_was_there(program, tmp_path):
    small = lots_folder(tmp_path / "river", (1, 2))
    assert run_import(program, small)[0] == 0
    large = lots_folder(tmp_path / "large", range(1, 1500))
    client = program.client()
    for wait in (0.4, 1.2, 2.0, 2.8):
        running = begin_import(program, large, "--collection", "river")
        time.sleep(wait)
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
        lots = client.call("GET", "/api/v1/collections").json()
        assert {each["id"]: each["lots"] for each in lots}["river"] in (2, 1499)
    code, _, err = run_import(program, large, "--collection", "river")
    assert code == 0, err
    lots = client.call("GET", "/api/v1/collections").json()
    assert {each["id"]: each["lots"] for each in lots}["river"] == 1499
    left = [each.name for each in (tmp_path / "data" / "collections").iterdir() if each.is_dir()]
    assert left == ["river"]


def test_every_reason_is_told_where_nothing_can_be_taken(program, tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    for at in range(5):
        (folder / f"chuck_{at}.json").write_bytes(b"{")
    code, out, err = run_import(program, folder, "--json")
    report = json.loads(out)
    assert (code, report["taken"], len(report["refused"]), report["counts"]["refused"]) == (1, [], 5, 5)
    assert "No lot could be taken" in err
    code, out, _ = run_import(program, folder)
    assert code == 1
    assert out.count("is no JSON") == 5


def test_what_cannot_be_imported_is_told_in_one_line(program, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, code, said in (
        ([tmp_path / "nowhere"], 2, "there is no such file or folder"),
        ([tmp_path / "empty"], 1, "No lot could be taken"),
        ([lots_folder(tmp_path / "river", (1,)), "--collection", "yuelao"], 2, "comes with the package"),
        ([tmp_path / "river", "--columns", "colour=1"], 2, "FIELD=COLUMN"),
        ([tmp_path / "river", "--size", "0"], 2, "--size"),
    ):
        found, out, err = run_import(program, *arguments)
        assert (found, out) == (code, ""), err
        assert said in err
        assert "Traceback" not in err
