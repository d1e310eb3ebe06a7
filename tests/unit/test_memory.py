"""Whether a model fits into memory."""

from pathlib import Path

import pytest

from jieqian.errors import ModelRefused
from jieqian.llm.gguf import GgufFacts, read_gguf
from jieqian.llm.llamacpp import LlamaCppClient
from jieqian.llm.memory import OVERHEAD_BYTES, available_bytes, check_fits, gigabytes, needed_bytes
from jieqian.testing.gguf_files import huge_gguf, small_gguf

GIB = 1024**3


def facts(*, file_bytes: int = GIB, architecture: str = "qwen2", short_window: int | None = None) -> GgufFacts:
    return GgufFacts(
        architecture=architecture,
        name="m",
        context_tokens=32768,
        parameters=10**9,
        digest="d",
        file_bytes=file_bytes,
        layers=28,
        cache_width=512,
        short_window=short_window,
    )


def machine(root: Path, *, available_kib: int = 8 * 1024**2) -> Path:
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable: {available_kib} kB\n")
    (root / "sys" / "fs" / "cgroup").mkdir(parents=True)
    return root


def group(folder: Path, limit: str, used: int, *, inactive: int = 0, first: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ("memory.limit_in_bytes" if first else "memory.max")).write_text(f"{limit}\n")
    (folder / ("memory.usage_in_bytes" if first else "memory.current")).write_text(f"{used}\n")
    name = "total_inactive_file" if first else "inactive_file"
    (folder / "memory.stat").write_text(f"anon 1\n{name} {inactive}\n")


def test_what_linux_calls_available(tmp_path: Path) -> None:
    assert available_bytes(machine(tmp_path)) == 8 * GIB


def test_a_containers_limit_counts_and_pages_of_files_are_given_back(tmp_path: Path) -> None:
    root = machine(tmp_path)
    (root / "proc/self/cgroup").write_text("0::/\n")
    group(root / "sys/fs/cgroup", str(3 * GIB), 2 * GIB, inactive=GIB // 2)
    assert available_bytes(root) == GIB + GIB // 2


def test_the_tightest_group_above_us_counts(tmp_path: Path) -> None:
    root = machine(tmp_path)
    (root / "proc/self/cgroup").write_text("0::/user.slice/jieqian.service\n")
    group(root / "sys/fs/cgroup/user.slice", str(2 * GIB), GIB)
    group(root / "sys/fs/cgroup/user.slice/jieqian.service", "max", GIB)
    assert available_bytes(root) == GIB


def test_groups_of_the_first_version(tmp_path: Path) -> None:
    root = machine(tmp_path)
    (root / "proc/self/cgroup").write_text("7:cpu,cpuacct:/x\n5:memory:/docker/abc\n")
    group(root / "sys/fs/cgroup/memory", str(4 * GIB), GIB, first=True)  # inside, the path is not there
    assert available_bytes(root) == 3 * GIB


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="Linux only")
def test_this_machine_has_memory() -> None:
    assert (available_bytes() or 0) > 10**7


def test_it_fits_or_is_refused_with_figures_and_advice() -> None:
    needed = needed_bytes(GIB, facts().cache_bytes(8192))
    check_fits("m", facts(), context_tokens=8192, available=needed)
    with pytest.raises(ModelRefused) as told:
        check_fits("m", facts(), context_tokens=8192, available=needed - 1)
    line = told.value.detail
    assert "\n" not in line
    assert gigabytes(needed) in line
    assert "smaller one" in line
    assert "LLM_CONTEXT_TOKENS to 6144" in line


def test_a_shorter_window_is_proposed_only_where_it_helps() -> None:
    with pytest.raises(ModelRefused) as told:
        check_fits("m", facts(), context_tokens=8192, available=GIB)
    assert "LLM_CONTEXT_TOKENS" not in told.value.detail


def test_what_is_not_known_refuses_nothing() -> None:
    check_fits("m", facts(file_bytes=10**15), context_tokens=8192, available=None)


def test_slots_take_a_cache_each() -> None:
    available = needed_bytes(GIB, facts().cache_bytes(8192))
    with pytest.raises(ModelRefused):
        check_fits("m", facts(), context_tokens=8192, slots=2, available=available)


def test_layers_that_look_back_a_short_way_keep_little() -> None:
    whole = facts(architecture="gemma3").cache_bytes(8192)
    assert whole == 28 * 512 * 2 * 8192
    short = facts(architecture="gemma3", short_window=1024).cache_bytes(8192)
    assert short == (5 * 8192 + 23 * 1024) * 512 * 2
    assert facts(short_window=1024).cache_bytes(8192) == whole, "only where it is known which layers do"


def test_the_heads_shape_is_read(tmp_path: Path) -> None:
    file = tmp_path / "small.gguf"
    file.write_bytes(small_gguf())
    found = read_gguf(file)
    assert (found.layers, found.cache_width, found.file_bytes) == (2, 2 * (16 + 16), file.stat().st_size)
    assert needed_bytes(found.file_bytes, 0) == found.file_bytes + OVERHEAD_BYTES


def huge(folder: Path) -> Path:
    huge_gguf(folder / "huge.gguf")
    return folder / "huge.gguf"


@pytest.fixture
def huge_file(tmp_path: Path) -> Path:
    return huge(tmp_path)


async def test_a_model_too_large_is_refused_before_anything_is_started(huge_file: Path) -> None:
    client = LlamaCppClient(huge_file)
    for asking in (client.check(), client.start()):
        with pytest.raises(ModelRefused, match=r"too large for the memory|xllamacpp"):
            await asking
    await client.close()


async def test_the_memory_is_asked_at_each_load(huge_file: Path) -> None:
    found: list[int | None] = [None, 1]
    client = LlamaCppClient(huge_file, available=lambda: found.pop(0))
    try:
        await client.check()
    except ModelRefused as error:
        pytest.skip(error.detail)
    with pytest.raises(ModelRefused, match="too large"):
        await client.check()
    await client.close()
