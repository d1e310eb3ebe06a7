"""Fetching a model: from a stand-in for the hub in another process, through the hub's own library."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from jieqian.errors import DownloadFailed, UsageError
from jieqian.llm.hub import HubFile, fetch, look_up, split_address
from jieqian.llm.shelf import OFFERS
from jieqian.testing.gguf_files import small_gguf
from jieqian.testing.hub_server import Fault, HubProcess, hub_server

REPO, FILE = "temple/Oracle-GGUF", "oracle-q4.gguf"
NOWHERE = "http://127.0.0.1:9"
WHOLE = small_gguf(values=1_500_000)  # 6 MB
CUT = 3_500_000


@pytest.fixture(scope="module")
def hub_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    folder = tmp_path_factory.mktemp("hub")
    repo = folder / REPO
    (repo / "sub").mkdir(parents=True)
    (repo / FILE).write_bytes(WHOLE)
    (repo / "sub" / "deep.gguf").write_bytes(small_gguf())
    (repo / "oracle-00001-of-00002.gguf").write_bytes(small_gguf())
    (repo / "README.md").write_text("# Oracle")
    (repo / "broken.gguf").write_bytes(WHOLE[: len(WHOLE) // 2])
    with hub_server(folder) as running:
        yield running


@pytest.fixture
def hub(hub_process: HubProcess) -> HubProcess:
    hub_process.order()
    return hub_process


class Progress:
    def __init__(self) -> None:
        self.steps: list[tuple[int, int, str]] = []

    def __call__(self, done: int, of: int, what: str) -> None:
        self.steps.append((done, of, what))


def get(hub: HubProcess, folder: Path, path: str = FILE, progress: Progress | None = None) -> Path:
    return fetch(look_up(REPO, path, hub.url), folder, progress or Progress())


def store_ranges(hub: HubProcess) -> list[str | None]:
    return [each["range"] for each in hub.seen() if each["path"].startswith("/store/")]


def refused(hub: HubProcess, folder: Path, path: str = FILE) -> str:
    with pytest.raises(DownloadFailed) as told:
        get(hub, folder, path)
    assert "\n" not in told.value.detail
    assert not (folder / path.rsplit("/", 1)[-1]).exists(), "nothing unchecked is moved into place"
    return told.value.detail


def test_a_file_arrives_whole_and_checked_for_its_user_alone(hub: HubProcess, tmp_path: Path) -> None:
    progress = Progress()
    place = get(hub, tmp_path / "models", progress=progress)
    assert place.read_bytes() == WHOLE
    assert place.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in place.parent.iterdir() if not path.name.startswith(".")] == [FILE]
    fetched = [done for done, _, what in progress.steps if what == "fetching"]
    assert fetched == sorted(fetched)
    assert (fetched[0], fetched[-1]) == (0, len(WHOLE))
    assert len(fetched) > 4, "progress is told on the way"
    assert progress.steps[-1] == (len(WHOLE), len(WHOLE), "checking")


def test_nothing_is_asked_but_the_model_and_its_file(hub: HubProcess, tmp_path: Path) -> None:
    get(hub, tmp_path)
    info, resolve, store = hub.seen()
    assert [each["method"] for each in (info, resolve, store)] == ["GET"] * 3
    assert info["path"] == f"/api/models/{REPO}"
    assert resolve["path"].startswith(f"/{REPO}/resolve/")
    assert resolve["path"].endswith(FILE)
    assert store["path"].startswith("/store/")


def test_a_cut_connection_goes_on_with_what_is_missing(hub: HubProcess, tmp_path: Path) -> None:
    hub.order(Fault(at="store", cut_after=CUT))
    assert get(hub, tmp_path).read_bytes() == WHOLE
    first, second = store_ranges(hub)
    assert first is None
    assert second is not None
    start = int(second.removeprefix("bytes=").removesuffix("-"))
    assert CUT - 2**20 <= start <= CUT


def test_an_earlier_commands_part_is_gone_on_from(hub: HubProcess, tmp_path: Path) -> None:
    digest = hashlib.sha256(WHOLE).hexdigest()
    (tmp_path / f"{FILE}.{digest[:12]}.part").write_bytes(WHOLE[:CUT])
    (tmp_path / f"{FILE}.{'0' * 12}.part").write_bytes(b"of a version the hub has no more")
    assert get(hub, tmp_path).read_bytes() == WHOLE
    assert store_ranges(hub) == [f"bytes={CUT}-"]
    assert not list(tmp_path.glob("*.part"))


def test_a_store_without_ranges_begins_anew(hub: HubProcess, tmp_path: Path) -> None:
    hub.order(Fault(at="store", cut_after=CUT), Fault(at="store", no_ranges=True))
    assert get(hub, tmp_path).read_bytes() == WHOLE


def test_a_part_longer_than_the_file_is_no_part_of_it(hub: HubProcess, tmp_path: Path) -> None:
    digest = hashlib.sha256(WHOLE).hexdigest()
    (tmp_path / f"{FILE}.{digest[:12]}.part").write_bytes(WHOLE + b"more")
    assert get(hub, tmp_path).read_bytes() == WHOLE


def test_other_bytes_are_removed_and_the_next_try_is_clean(hub: HubProcess, tmp_path: Path) -> None:
    hub.order(Fault(at="store", wrong=True))
    assert "SHA-256 differs" in refused(hub, tmp_path)
    assert not list(tmp_path.glob("*.part"))
    assert get(hub, tmp_path).read_bytes() == WHOLE


def test_a_whole_file_that_is_no_model_is_removed(hub: HubProcess, tmp_path: Path) -> None:
    assert "cut short" in refused(hub, tmp_path, "broken.gguf")
    assert not list(tmp_path.glob("*.part"))


def test_a_gated_model_says_where_to_accept_and_takes_a_token(
    hub: HubProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    hub.order(gated=True)
    told = refused(hub, tmp_path)
    assert f"{hub.url}/{REPO}" in told
    assert "HF_TOKEN" in told
    monkeypatch.setenv("HF_TOKEN", "hf_accepted")
    assert get(hub, tmp_path).read_bytes() == WHOLE


@pytest.mark.parametrize(("status", "word"), [(401, "HF_TOKEN"), (403, "HF_TOKEN"), (404, "no longer"), (500, "500")])
def test_a_refusal_on_the_way_is_told(hub: HubProcess, tmp_path: Path, status: int, word: str) -> None:
    hub.order(*[Fault(at="store", status=status)] * 3)
    assert word in refused(hub, tmp_path)


def test_an_unknown_repository_names_the_nearest(hub: HubProcess) -> None:
    offer = OFFERS[1]
    with pytest.raises(DownloadFailed) as told:
        look_up(offer.repo.replace("Instruct", "Instrct"), offer.file, hub.url)
    assert offer.repo in told.value.detail
    assert "\n" not in told.value.detail


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("oracle-q5.gguf", FILE),
        ("README.md", "no GGUF file"),
        ("oracle-00001-of-00002.gguf", "one part of several"),
        (None, "sub/deep.gguf"),
    ],
)
def test_a_file_that_cannot_be_meant_is_told(hub: HubProcess, path: str | None, word: str) -> None:
    with pytest.raises(DownloadFailed, match=word):
        look_up(REPO, path, hub.url)


def test_a_file_in_a_folder_of_the_repository_is_found(hub: HubProcess, tmp_path: Path) -> None:
    assert get(hub, tmp_path, "sub/deep.gguf") == tmp_path / "deep.gguf"


def test_a_hub_that_cannot_be_reached_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed) as told:
        look_up(REPO, FILE, NOWHERE)
    assert NOWHERE in told.value.detail
    assert "HF_ENDPOINT" in told.value.detail
    assert "\n" not in told.value.detail


def test_no_repositorys_name_is_told(hub: HubProcess) -> None:
    with pytest.raises(DownloadFailed, match="OWNER/NAME"):
        look_up("temple/two words", FILE, hub.url)


def test_a_file_too_large_for_the_disk_is_not_begun(tmp_path: Path) -> None:
    size = shutil.disk_usage(tmp_path).free + 1
    with pytest.raises(DownloadFailed, match="are free"):
        fetch(HubFile(REPO, FILE, "main", size, "0" * 64, NOWHERE), tmp_path, Progress())
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_disk_that_fills_up_on_the_way_is_told(hub: HubProcess, tmp_path: Path) -> None:
    (tmp_path / f"{FILE}.{hashlib.sha256(WHOLE).hexdigest()[:12]}.part").symlink_to("/dev/full")
    assert "is full" in refused(hub, tmp_path)


def test_another_file_of_that_name_is_left_alone(hub: HubProcess, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"mine")
    with pytest.raises(DownloadFailed, match="another file"):
        get(hub, tmp_path)
    assert (tmp_path / FILE).read_bytes() == b"mine"


def test_a_file_that_is_here_is_not_fetched_again(hub: HubProcess, tmp_path: Path) -> None:
    get(hub, tmp_path)
    hub.order()
    get(hub, tmp_path)
    assert store_ranges(hub) == []


def test_two_fetches_at_once_do_not_write_one_file(hub: HubProcess, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".get.lock"):
        assert "Another" in refused(hub, tmp_path)


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("owner/repo/file.gguf", ("owner/repo", "file.gguf")),
        ("owner/repo/sub/file.gguf", ("owner/repo", "sub/file.gguf")),
        ("owner/repo", ("owner/repo", None)),
        ("https://huggingface.co/owner/repo/resolve/main/file.gguf", ("owner/repo", "file.gguf")),
        ("hf.co/owner/repo/blob/main/file.gguf", ("owner/repo", "file.gguf")),
    ],
)
def test_addresses(address: str, meant: tuple[str, str | None]) -> None:
    assert split_address(address) == meant


def test_a_mistyped_name_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"qwen2\.5-7b"):
        split_address("qwen25-7b")
