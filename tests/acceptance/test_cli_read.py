"""`jieqian read`, as a person at a terminal and a script in a pipe run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Commands
from program import Client, ModelServer, Program, wait_until

from jieqian.sections.section import SECTIONS

Start = Callable[..., Program]
#: Another command that has something to do with the data, until it is told to end.
AN_OWNER = """
import asyncio, sys
from jieqian.cli.running import running_service
from jieqian.settings import load_settings

async def own():
    async with running_service(load_settings()):
        print("there", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(own())
"""
ASKED = ("read", "她還會回信給我嗎？", "--collection", "月老", "--lot", "第一籤")


@pytest.fixture
def run(tmp_path: Path, ollama: ModelServer) -> Commands:
    ollama.script()
    # The same is asked again and again, and the model has to be asked each time.
    return Commands(tmp_path, {"llm_base_url": ollama.url, "cache_entries": "0", "measure_models": "false"})


@pytest.fixture
def commentary(tmp_path: Path) -> Commands:
    return Commands(tmp_path, {"llm_provider": "commentary"})


@pytest.fixture
def beside_a_server(start: Start, ollama: ModelServer) -> tuple[Program, Commands]:
    ollama.script()
    program = start(llm_base_url=ollama.url)
    return program, Commands(program.data_dir.parent, program.settings)


def headings(text: str) -> list[str]:
    return [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]


def test_in_a_pipe_it_is_plain_text_in_order_and_the_stages_go_to_stderr(run: Commands) -> None:
    answer = run(*ASKED)
    assert answer.returncode == 0, answer.stderr
    told = headings(answer.stdout)
    assert told[0] == "月老靈籤 第一籤"
    assert told[1:8] == ["逐句解讀", "整體發展", "有利之處", "需要留意", "建議行動", "補充說明", "總結"]
    assert "關關雎鳩" in answer.stdout.partition("## 逐句解讀")[0], "the lot comes first"
    assert "書寫者：gemma4:12b" in answer.stdout
    assert "\x1b" not in answer.stdout + answer.stderr
    assert "\r" not in answer.stdout + answer.stderr
    stages = [line.partition(":")[0] for line in answer.stderr.splitlines()]
    assert stages == ["排隊", "取籤", "查找資料", "書寫", "核對"], answer.stderr


def test_json_is_the_reading_of_the_contract_and_nothing_else(run: Commands) -> None:
    chosen = ("--mode", "fast", "--language", "zh-TW", "--strategy", "sequential")
    answer = run(*ASKED, "--json", *chosen)
    assert answer.returncode == 0, answer.stderr
    reading = json.loads(answer.stdout)
    assert list(reading["sections"]) == [name.value for name in SECTIONS]
    assert (reading["language"], reading["lot"]["id"]) == ("zh-Hant", "yuelao/1")
    assert (reading["timings"]["mode"], reading["timings"]["strategy"]) == ("fast", "sequential")
    assert {"sources", "cache", "care"} <= set(reading)


def test_on_a_terminal_the_text_is_streamed_and_the_status_line_is_drawn_over(
    run: Commands, ollama: ModelServer
) -> None:
    ollama.script({"first_token_ms": 900, "tokens_per_second": 400})
    seen = run.on_a_terminal(*ASKED, columns=50)
    assert seen.status == 0
    text = "\n".join(seen.lines)
    places = [text.index(name) for name in ("關關雎鳩", "逐句解讀", "整體發展", "總結", "書寫者：gemma4:12b")]
    assert places == sorted(places)
    assert "解讀籤意" in seen.raw, "the status line told what went on"
    assert "解讀籤意" not in text, "and was drawn over"


def test_a_section_taken_back_is_said_on_a_terminal_and_never_printed_in_a_pipe(
    run: Commands, ollama: ModelServer
) -> None:
    good = json.loads(run(*ASKED, "--json").stdout)["sections"]
    mixed = {name: section["text"] for name, section in good.items()}
    mixed["challenges"] = "請看 https://example.org 的說明。"
    bad = {"text": json.dumps(mixed, ensure_ascii=False)}
    ollama.script(bad)
    seen = "\n".join(run.on_a_terminal(*ASKED).lines)
    assert "重新書寫" in seen
    assert "需要留意 (重寫)" in seen
    assert good["challenges"]["text"][:8] in seen.partition("需要留意 (重寫)")[2]
    ollama.script(bad)
    answer = run(*ASKED)
    assert answer.returncode == 0
    assert "example.org" not in answer.stdout
    assert sorted(headings(answer.stdout)[1:8]) == sorted(set(headings(answer.stdout)[1:8]))


def test_without_a_model_each_section_is_labelled_as_commentary_and_it_is_a_success(commentary: Commands) -> None:
    answer = commentary(*ASKED)
    assert answer.returncode == 0
    assert answer.stdout.count("(取自解說)") == len(SECTIONS)
    assert "由解說編成" in answer.stdout


def test_danger_to_life_gets_help_lines_and_no_reading(commentary: Commands) -> None:
    answer = commentary("read", "我不想活了", "--lot", "YueLao_1")
    assert answer.returncode == 0
    assert headings(answer.stdout) == ["月老靈籤 第一籤", "先照顧好自己"]
    assert "可以求助的地方" in answer.stdout


def test_what_a_model_writes_cannot_steer_the_terminal(run: Commands, ollama: ModelServer) -> None:
    good = json.loads(run(*ASKED, "--json").stdout)["sections"]
    evil = {name: section["text"] + "\x1b]0;owned\x07\x9b2J\u202e" for name, section in good.items()}
    ollama.script(default={"text": json.dumps(evil, ensure_ascii=False)})
    seen = run.on_a_terminal(*ASKED, NO_COLOR="1")
    assert seen.status == 0
    for mark in ("\x1b]", "\x07", "\x9b", "\u202e"):
        assert mark not in seen.raw
    answer = run(*ASKED, "--json")
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(answer.stdout)
    json.loads(answer.stdout)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("read", "會順利嗎？", "--collection", "yuelaoo", "--lot", "1"), "yuelao"),
        (("read", "會順利嗎？", "--collection", "yuelao", "--lot", "101"), "101"),
        (("read", "會順利嗎？", "--collection", "yuelao", "--lot", "x"), "lot"),
        (("read", "會順利嗎？", "--lot", "YueLao_1", "--language", "fr"), "language"),
        (("read", "會順利嗎？", "--lot", "YueLao_1", "--mode", "best"), "mode"),
        (("read", " ", "--lot", "YueLao_1"), "question"),
        (("read", "會" * 2001, "--lot", "YueLao_1"), "2,000"),
        (("read", "會順利嗎？"), "(guanyin, yuelao): --collection guanyin"),
        (("read",), "read --help"),
    ],
)
def test_wrong_usage_is_two_and_one_line(commentary: Commands, arguments: tuple[str, ...], told: str) -> None:
    answer = commentary(*arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert answer.stderr.startswith("jieqian: ")
    assert told in answer.stderr


def test_without_a_lot_one_is_drawn_and_a_question_may_come_from_stdin(commentary: Commands) -> None:
    answer = commentary("read", "-", "--collection", "guanyin", "--json", given="會順利嗎？\n")
    assert answer.returncode == 0
    reading = json.loads(answer.stdout)
    assert reading["question"] == "會順利嗎？"
    assert f"Drawn: lot {reading['lot']['number']} of guanyin." in answer.stderr


def test_beside_a_server_it_asks_that_server(beside_a_server: tuple[Program, Commands]) -> None:
    program, run = beside_a_server
    reading = json.loads(run(*ASKED, "--json").stdout)
    assert program.client().call("GET", f"/api/v1/tasks/{reading['task_id']}").status == 404, "it is the operator's"
    assert (program.data_dir / "server.json").exists(), "the server goes on"


def test_a_server_without_workers_is_told_at_once(tmp_path: Path) -> None:
    run = Commands(tmp_path, {"llm_provider": "commentary"})
    with run.begun("serve", "--port", "0", "--no-worker") as server:
        assert server.stdout is not None
        server.stdout.readline()
        answer = run(*ASKED)
    assert answer.returncode == 1
    assert "--no-worker" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_a_server_killed_and_started_again_in_the_middle_costs_the_reader_nothing(
    beside_a_server: tuple[Program, Commands], ollama: ModelServer
) -> None:
    program, run = beside_a_server
    ollama.script({"first_token_ms": 0, "tokens_per_second": 200})
    with run.begun(*ASKED) as reading:
        assert reading.stdout is not None
        while "逐句解讀" not in (line := reading.stdout.readline()):
            assert line, "it ended early"
        program.kill()
        program.start()
        rest, told = reading.communicate(timeout=60)
    assert reading.returncode == 0, told
    assert headings(rest)[:6] == ["整體發展", "有利之處", "需要留意", "建議行動", "補充說明", "總結"], "none twice"
    assert "連線中斷" in told


def test_ctrl_c_stops_the_reading_and_keeps_what_is_finished(
    beside_a_server: tuple[Program, Commands], ollama: ModelServer
) -> None:
    _, run = beside_a_server
    # It halts within the second section, however long the stop takes on a busy machine.
    ollama.script({"first_token_ms": 0, "tokens_per_second": 200, "stall_after": 95})
    seen = run.on_a_terminal(*ASKED, answers={"整體發展": "\x03"})
    assert seen.status == 130
    assert "已停止。寫好的有 1 段，共 7 段。" in seen.lines
    assert "Traceback" not in seen.raw
    wait_until(lambda: ollama.seen()[-1]["client_left"])


def test_ctrl_c_without_a_server_ends_in_order(run: Commands, ollama: ModelServer) -> None:
    ollama.script({"hang": True})
    seen = run.on_a_terminal(*ASKED, answers={"解讀籤意": "\x03"})
    assert seen.status == 130
    assert "Traceback" not in seen.raw
    assert not (run.data_dir / "server.json").exists()


def test_two_commands_at_once_share_one_owner_and_both_end_well(run: Commands, ollama: ModelServer) -> None:
    ollama.script(default={"first_token_ms": 0, "tokens_per_second": 600})
    with run.begun(*ASKED, "--json") as one, run.begun(*ASKED, "--json") as other:
        answers = [process.communicate(timeout=60) for process in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), answers
    readings = [json.loads(out) for out, _ in answers]
    assert readings[0]["task_id"] != readings[1]["task_id"]
    assert {reading["timings"]["sections_from_model"] for reading in readings} == {7}


def test_a_command_that_owns_the_data_without_working_is_waited_for(commentary: Commands) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", AN_OWNER],
        env=commentary.environment(),
        cwd=commentary.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "there\n"
        with commentary.begun(*ASKED, "--json") as reading:
            assert reading.stderr is not None
            assert "waiting for it to end" in reading.stderr.readline()
            owner.communicate("go\n", timeout=30)
            out, told = reading.communicate(timeout=60)
    finally:
        owner.kill()
        owner.communicate()
    assert reading.returncode == 0, told
    assert len(json.loads(out)["sections"]) == len(SECTIONS)


def test_a_command_whose_owner_is_killed_takes_the_work_over(run: Commands, ollama: ModelServer) -> None:
    ollama.script(default={"first_token_ms": 0, "tokens_per_second": 250})
    with run.begun(*ASKED) as owner:
        assert owner.stdout is not None
        while "逐句解讀" not in (line := owner.stdout.readline()):
            assert line, "it ended early"
        with run.begun(*ASKED, "--json") as guest:
            wait_until(lambda: len(ollama.seen()) >= 2)
            os.kill(owner.pid, signal.SIGKILL)
            out, told = guest.communicate(timeout=60)
    assert guest.returncode == 0, told
    assert json.loads(out)["timings"]["sections_from_model"] == 7


def test_the_client_of_the_api_does_not_see_what_the_operator_asked(beside_a_server: tuple[Program, Commands]) -> None:
    program, run = beside_a_server
    run(*ASKED)
    client: Client = program.client()
    assert client.call("GET", "/api/v1/tasks").json()["tasks"] == []
