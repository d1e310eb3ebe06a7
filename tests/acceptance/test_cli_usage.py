"""The command line as a whole: help, wrong usage, keys, dumb terminals, and who may own the data."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
from commands import Commands
from program import Program, wait_until
from rich.cells import cell_len

from jieqian import cli

Start = Callable[..., Program]
#: The program's own files may be out of another user's reach: all is loaded before the user changes.
AS_NOBODY = """
import os, sys
import jieqian.cli.keys, jieqian.cli.own_server
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.argv = ["jieqian", "keys", "list"]
jieqian.cli.main()
"""


@pytest.fixture
def run(tmp_path: Path) -> Commands:
    return Commands(tmp_path, {"llm_provider": "commentary"})


def every_command(command: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        return [(path, command)]
    return [found for name, child in children.items() for found in every_command(child, (*path, name))]


COMMANDS = every_command(typer.main.get_command(cli.app_for()))


@pytest.mark.parametrize("path", [path for path, _ in COMMANDS], ids=" ".join)
def test_each_command_has_an_example_that_it_takes(path: tuple[str, ...]) -> None:
    command = dict(COMMANDS)[path]
    examples = re.findall(r"^Example: (?:[A-Z_]+=\S+ )?jieqian (.*)$", command.help, re.MULTILINE)
    assert examples, "its docstring has no line `Example: jieqian ...`"
    for example in examples:
        assert example.split()[: len(path)] == list(path)


def test_a_command_is_the_same_alone_as_among_all_and_loads_no_service() -> None:
    for name, command in typer.main.get_command(cli.app_for()).commands.items():
        alone = typer.main.get_command(cli.app_for([name])).commands[name]
        told = [(path, one.help, [each.opts for each in one.params]) for path, one in every_command(alone)]
        assert told == [(path, one.help, [each.opts for each in one.params]) for path, one in every_command(command)]
    look = "import sys; from jieqian.cli import app_for; app_for(['draw']); print('aiohttp' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=60, check=True)
    assert loaded.stdout == "False\n"


def test_help_fits_eighty_columns_and_a_dumb_terminal(run: Commands) -> None:
    for arguments in ((), ("read",), ("draw",), ("doctor",), ("keys",), ("keys", "create"), ("serve",)):
        answer = run(*arguments, "--help", COLUMNS="80", TERM="dumb")
        assert (answer.returncode, answer.stderr) == (0, "")
        assert all(cell_len(line) <= 80 for line in answer.stdout.splitlines())
        assert "\x1b" not in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nope",), "No such command 'nope'"),
        (("read", "--nope"), "No such option: --nope"),
        (("keys", "create"), "Missing argument 'name'. See: jieqian keys create --help"),
        (("serve", "--host", ""), "--host is empty"),
        (("serve", "--port", "x"), "'--port'"),
        (("serve", "--port", "70000"), "'--port'"),
        (("keys", "create", "  "), "name of whose it is"),
        (("keys", "create", "x" * 81), "80 characters"),
        (("model", "use", "nosuch"), "There is no model nosuch"),
        (("model", "use", "/no/such/file"), "There is no model file /no/such/file"),
        (("worker",), "PostgreSQL"),
        (("corpus", "show", "nope"), "There is no collection 'nope'"),
        (("corpus", "show", "yuelaoo"), "Did you mean yuelao?"),
        (("corpus", "show", "yuelao"), "Say which lot of yuelao"),
        (("corpus", "show", "yuelao", "999"), "lots 1 to 100"),
        (("keys", "revoke", ""), "'' is no id. `jieqian keys list`"),
        (("faq", "show", "../keys"), "'../keys' is no id. `jieqian faq list"),
    ],
)
def test_wrong_usage_is_two_and_one_line(run: Commands, arguments: tuple[str, ...], told: str) -> None:
    answer = run(*arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("jieqian: ")
    assert answer.stderr.count("\n") == 1
    assert told in answer.stderr


def test_no_command_at_all_shows_the_help(run: Commands) -> None:
    answer = run()
    assert answer.returncode == 2
    assert "Commands:" in answer.stderr


def test_debug_shows_the_traceback_wherever_it_is_written(run: Commands) -> None:
    for arguments in (("--debug", "corpus", "show", "yuelao", "101"), ("corpus", "show", "yuelao", "101", "--debug")):
        answer = run(*arguments)
        assert answer.returncode == 2
        assert "Traceback" in answer.stderr
    plain = run("corpus", "show", "yuelao", "101")
    assert (plain.returncode, plain.stderr.count("\n")) == (2, 1)


@pytest.mark.skipif(os.name != "posix", reason="closed by the shell")
def test_a_closed_output_is_no_traceback(run: Commands) -> None:
    command = [sys.executable, "-m", "jieqian", "corpus", "list"]
    answer = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command], env=run.environment(), stderr=subprocess.PIPE, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, b"")


def test_the_script_and_the_module_are_the_same(run: Commands) -> None:
    script = Path(sys.executable).with_name("jieqian")
    said = subprocess.run([script, "version"], env=run.environment(), capture_output=True, text=True, check=True)
    assert said.stdout == run("version").stdout


def test_keys_are_made_listed_and_revoked_with_and_without_a_server(run: Commands, start: Start) -> None:
    key = json.loads(run("keys", "create", "寺廟 app", "--json").stdout)
    assert key["key"].startswith("jq_")
    program = start("data", **run.settings)
    assert program.client(key["key"]).call("GET", "/api/v1/tasks").status == 200
    listed = [line.split("\t") for line in run("keys", "list").stdout.splitlines()]
    assert listed[0] == ["id", "made (UTC)", "state", "name"]
    assert (listed[1][0], *listed[1][2:]) == (key["id"], "active", "寺廟 app")
    assert run("keys", "revoke", key["id"]).stdout == "revoked\n"
    assert program.client(key["key"]).call("GET", "/api/v1/tasks").status == 401
    again = run("keys", "revoke", key["id"])
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert json.loads(run("keys", "list", "--json").stdout)[0]["revoked_at"]
    assert run("keys", "create", " ").returncode != 0


def test_only_the_operator_may_make_keys(start: Start) -> None:
    program = start(llm_provider="commentary")
    made = json.loads(Commands(program.data_dir.parent, program.settings)("keys", "create", "a", "--json").stdout)
    for client in (program.client(), program.client(made["key"])):
        for method, path in (("GET", "/keys"), ("POST", "/keys"), ("DELETE", f"/keys/{made['id']}")):
            assert (
                client.call(method, f"/api/v1/admin{path}", {"name": "b"} if method == "POST" else None).status == 403
            )


def test_many_commands_at_once_all_do_their_work(run: Commands) -> None:
    names = [f"app {place}" for place in range(4)]
    commands = [run.begun("keys", "create", name) for name in names]
    processes = [command.__enter__() for command in commands]
    try:
        told = [process.communicate(timeout=60) for process in processes]
        assert [process.returncode for process in processes] == [0] * len(names), told
    finally:
        for command in commands:
            command.__exit__(None, None, None)
    assert sorted(key["name"] for key in json.loads(run("keys", "list", "--json").stdout)) == names
    assert not (run.data_dir / "server.json").exists()


def test_a_file_left_by_a_killed_server_misleads_nobody(start: Start) -> None:
    program = start(llm_provider="commentary")
    run = Commands(program.data_dir.parent, program.settings)
    program.kill()
    assert (program.data_dir / "server.json").exists()
    answer = run("keys", "create", "temple app")
    assert (answer.returncode, answer.stderr) == (0, "")


def test_an_owner_that_never_answers_is_named_in_one_line(run: Commands) -> None:
    fcntl = pytest.importorskip("fcntl")
    run.data_dir.mkdir(mode=0o700)
    (run.data_dir / "jieqian.pid").write_text("12345\n", encoding="ascii")
    with (run.data_dir / "jieqian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = run("keys", "list")
    assert answer.returncode == 1
    assert "(12345)" in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can run a command as another user")
def test_another_users_data_folder_is_refused_in_one_line(run: Commands) -> None:
    assert run("keys", "list").returncode == 0
    for folder in (run.folder, *run.folder.parents[:2]):
        folder.chmod(0o755)
    answer = subprocess.run(
        [sys.executable, "-c", AS_NOBODY],
        env=run.environment(HOME="/nonexistent"),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("jieqian: The data folder")
    assert answer.stderr.count("\n") == 1


def test_a_reader_that_hangs_up_is_no_error(run: Commands) -> None:
    with run.begun("corpus", "list") as process:
        assert process.stdout is not None
        process.stdout.close()
        wait_until(lambda: process.poll() is not None)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_a_data_folder_that_is_a_file_is_told_by_every_command(run: Commands, tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.touch()
    for command in ("serve --port 0", "model list", "model use auto", "corpus list", "keys list", "backup"):
        answer = run(*command.split(), JIEQIAN_DATA_DIR=str(file))
        assert (answer.returncode, answer.stdout) == (1, ""), command
        assert "is no folder. Set JIEQIAN_DATA_DIR to another." in answer.stderr
        assert answer.stderr.count("\n") == 1
    answer = run("doctor", JIEQIAN_DATA_DIR=str(file))
    assert answer.returncode == 1
    assert "checked:" in answer.stdout


def test_an_unexpected_error_is_one_line_and_a_traceback_with_debug(run: Commands, tmp_path: Path) -> None:
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000)
    answer = run("draw", "--verify", str(deep))
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "no JSON" in answer.stderr


def test_a_question_from_a_pipe_without_an_end_is_refused(run: Commands) -> None:
    answer = run("read", "-", "--lot", "YueLao_7", given="她還會回信給我嗎？" * 3000)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "2,000 characters at most" in answer.stderr


def test_the_version_is_told_both_ways(run: Commands) -> None:
    assert run("--version").stdout == run("version").stdout != ""
