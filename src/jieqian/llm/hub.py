"""Fetching a GGUF file from Hugging Face with the hub's own library: resumed, checked, moved into place when whole.

The library's `hf_hub_download` (2.4) begins anew after an interruption: its half-fetched file has a name of its own and
is deleted. So its parts are used one by one, and the half-fetched file is ours: `FILE.SHA256.part`.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from filelock import FileLock, Timeout

from jieqian.errors import DownloadFailed, ModelRefused, UsageError
from jieqian.llm.gguf import read_gguf
from jieqian.llm.memory import gigabytes
from jieqian.llm.server_text import one_line
from jieqian.llm.shelf import OFFERS, nearest

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

#: Called with bytes here, bytes in all, and what is done: `fetching` or `checking`.
Advance = Callable[[int, int, str], None]
_SPARE_BYTES = 200_000_000
_CHUNK = 1024 * 1024
_ANSWER_SECONDS = 20.0
#: Connections that bring nothing new, in a row, after which a fetch is given up.
_MOST_BARREN = 2
_PREFIXES = ("https://huggingface.co/", "https://hf.co/", "huggingface.co/", "hf.co/")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file on the hub, as the hub tells it; `revision` is the commit it was found at, `endpoint` its address."""

    repo: str
    path: str
    revision: str
    size: int
    sha256: str
    endpoint: str

    @property
    def name(self) -> str:
        """The file's name without folders."""
        return self.path.rsplit("/", 1)[-1]


def split_address(address: str) -> tuple[str, str | None]:
    """`owner/repo/file.gguf` as repository and file (None: no file named); the hub's page addresses too."""
    for prefix in _PREFIXES:
        address = address.removeprefix(prefix)
    parts = [part for part in address.strip("/").split("/") if part]
    if len(parts) < 2:
        known = nearest(address, [offer.name for offer in OFFERS])
        meant = f" Did you mean {known}?" if known else ""
        raise UsageError(
            f"There is no model {one_line(address)} in the list.{meant} `jieqian model list` shows them; "
            "any other is named REPOSITORY/FILE.gguf.",
            usage=True,
        )
    if len(parts) > 4 and parts[2] in ("resolve", "blob"):
        del parts[2:4]
    return "/".join(parts[:2]), "/".join(parts[2:]) or None


def look_up(repo: str, path: str | None, endpoint: str | None = None) -> HubFile:
    """What the hub knows of that file. Raises `DownloadFailed` with one line. `endpoint`: None takes HF_ENDPOINT's."""
    hub = _library()
    endpoint = (endpoint or str(hub.constants.ENDPOINT)).rstrip("/")
    with _told(repo, endpoint):
        info = hub.HfApi(endpoint=endpoint).model_info(repo, files_metadata=True, timeout=_ANSWER_SECONDS)
    return _chosen(repo, path, info, endpoint)


def fetch(wanted: HubFile, folder: Path, advance: Advance) -> Path:
    """The file in `folder`, whole and checked. Goes on with what an earlier call left. Raises `DownloadFailed`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(folder / ".get.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DownloadFailed(f"Another `jieqian model get` fetches into {folder}. Wait for it to end.") from None
    try:
        return _fetch(wanted, folder, advance)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DownloadFailed(f"The disk of {folder} is full. Make room; the same command then goes on.") from error
        raise DownloadFailed(f"{one_line(wanted.name)} cannot be written to {folder}: {error}.") from error
    finally:
        lock.release()


def _fetch(wanted: HubFile, folder: Path, advance: Advance) -> Path:
    place = folder / wanted.name
    if place.exists():
        if place.stat().st_size == wanted.size and _sha256(place, wanted.size, advance) == wanted.sha256:
            return place
        raise DownloadFailed(f"{place} is there already and is another file. Move it away first.")
    part = folder / f"{wanted.name}.{wanted.sha256[:12]}.part"
    for old in folder.glob(f"{wanted.name}.*.part"):
        if old != part:  # of a version the hub has no more
            old.unlink()
    here = part.stat().st_size if part.exists() else 0
    if here > wanted.size:
        part.unlink()
        here = 0
    free = shutil.disk_usage(folder).free
    if wanted.size - here + _SPARE_BYTES > free:
        needed = gigabytes(wanted.size - here + _SPARE_BYTES)
        raise DownloadFailed(
            f"{one_line(wanted.name)} needs {needed} on the disk of {folder}; {gigabytes(free)} are free."
        )
    _download(wanted, part, advance)
    if _sha256(part, wanted.size, advance) != wanted.sha256:
        part.unlink()
        told = "What arrived is not what the hub holds (SHA-256 differs), so it was removed."
        raise DownloadFailed(f"{told} Run the same command again.")
    try:
        read_gguf(part)
    except ModelRefused as error:
        part.unlink()
        raise DownloadFailed(f"{one_line(wanted.path)} is no model that can be used: {error.detail}") from error
    part.chmod(0o600)
    part.replace(place)
    return place


def _download(wanted: HubFile, part: Path, advance: Advance) -> None:
    """Fetch what is missing, over as many connections as it takes while each brings something."""
    hub = _library()
    url = hub.hf_hub_url(wanted.repo, wanted.path, revision=wanted.revision, endpoint=wanted.endpoint)
    barren = 0
    while (here := part.stat().st_size if part.exists() else 0) < wanted.size:
        advance(here, wanted.size, "fetching")
        try:
            with _told(wanted.repo, wanted.endpoint), part.open("ab") as file:
                # By the hub's own address each time: the one it redirects to is signed, and valid for a while only.
                hub.http_get(
                    url,
                    file,
                    resume_size=here,
                    headers=hub.build_hf_headers(library_name="jieqian"),
                    expected_size=wanted.size,
                    tqdm_class=_progress_class(wanted.size, advance),
                )
        except DownloadFailed:
            barren = 0 if part.exists() and part.stat().st_size > here else barren + 1
            if barren == 0 or (barren < _MOST_BARREN and here > 0):
                continue
            raise
    advance(wanted.size, wanted.size, "fetching")


def _chosen(repo: str, path: str | None, info: ModelInfo, endpoint: str) -> HubFile:
    siblings: list[RepoSibling] = list(info.siblings or ())
    models = [each.rfilename for each in siblings if each.rfilename.endswith(".gguf")]
    some = ", ".join(one_line(name) for name in models[:6]) + (" …" if len(models) > 6 else "")
    if path is None:
        raise DownloadFailed(f"Say which file of {one_line(repo)}: {some or 'it holds no GGUF file'}.")
    found = next((each for each in siblings if each.rfilename == path), None)
    if found is None:
        near = nearest(path, models)
        told = f"{one_line(repo)} has no file {one_line(path)}."
        raise DownloadFailed(
            f"{told} The nearest is {one_line(near)}." if near else f"{told} It has: {some or 'no GGUF'}."
        )
    if not path.endswith(".gguf"):
        raise DownloadFailed(f"{one_line(path)} is no GGUF file. {one_line(repo)} has: {some or 'none'}.")
    if "-of-" in path.rsplit("/", 1)[-1]:
        raise DownloadFailed(f"{one_line(path)} is one part of several. Choose a file in one piece: {some}.")
    if found.lfs is None or found.lfs.size is None or not found.lfs.sha256:
        raise DownloadFailed(f"The hub tells no SHA-256 of {one_line(path)}, so it could not be checked.")
    return HubFile(repo, path, info.sha or "main", found.lfs.size, found.lfs.sha256, endpoint)


def _sha256(file: Path, size: int, advance: Advance) -> str:
    digest, done = hashlib.sha256(), 0
    with file.open("rb") as opened:
        while chunk := opened.read(8 * _CHUNK):
            digest.update(chunk)
            done += len(chunk)
            advance(done, max(size, done), "checking")
    return digest.hexdigest()


def _library() -> Any:
    """What is used of huggingface_hub. Imported late, with its telemetry off: only `model get` needs it."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    from types import SimpleNamespace

    from huggingface_hub import HfApi, constants, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    # It hands on 10 MiB at a time: so much would be lost at each cut, and the progress of a slow line stand still.
    constants.DOWNLOAD_CHUNK_SIZE = _CHUNK
    return SimpleNamespace(
        HfApi=HfApi, hf_hub_url=hf_hub_url, http_get=http_get, build_hf_headers=build_hf_headers, constants=constants
    )


@contextmanager
def _told(repo: str, hub: str) -> Iterator[None]:
    """The library's errors as one line that says what to do."""
    from httpx2 import HTTPError, InvalidURL
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    shown = one_line(repo)
    try:
        yield
    except GatedRepoError as error:
        raise DownloadFailed(
            f"{shown} is given only to those who accepted its terms on {hub}/{shown}: accept them, "
            "set HF_TOKEN to your token, and run the same command again."
        ) from error
    except RepositoryNotFoundError as error:
        near = nearest(repo, [offer.repo for offer in OFFERS])
        meant = f" The nearest in the list is {near}." if near else ""
        told = f"{hub} has no public repository {shown}.{meant}"
        raise DownloadFailed(f"{told} If it is private, set HF_TOKEN.") from error
    except HFValidationError as error:
        raise DownloadFailed(f"{shown} is no name of a repository; it is OWNER/NAME.") from error
    except OfflineModeIsEnabled as error:
        raise DownloadFailed("HF_HUB_OFFLINE is set, so nothing is fetched. Unset it.") from error
    except HfHubHTTPError as error:
        raise DownloadFailed(_status_told(hub, shown, error.response.status_code)) from error
    except (HTTPError, InvalidURL) as error:
        raise DownloadFailed(
            f"The hub {hub} cannot be reached ({_reason(error)}). Check the network or the proxy; HF_ENDPOINT names a "
            "mirror. What has arrived is kept, and the same command goes on. Or bring a GGUF file yourself: "
            "`jieqian model use PATH`."
        ) from error
    except OSError as error:
        if error.errno is not None:
            raise
        # The library's own: fewer or more bytes than announced.
        raise DownloadFailed("The connection ended early. The same command goes on.") from error


def _status_told(hub: str, repo: str, status: int) -> str:
    if status in (401, 403):
        return f"{hub} refuses {repo} ({status}): the token in HF_TOKEN is wrong or may not read it."
    if status == 404:
        return f"{hub} no longer has that file of {repo}. Run the same command again."
    if status == 416:
        return "What is here does not belong to what the hub holds: remove the .part file, and run the command again."
    return f"{hub} answered with status {status}. Try the same command again later; it goes on."


def _reason(error: Exception) -> str:
    said = one_line(str(error)).rpartition("] ")[2]  # without the number of the system's error
    return said[:120] or type(error).__name__


def _progress_class(size: int, advance: Advance) -> type:
    """What the library takes for a progress bar."""

    class Bar:
        def __init__(self, *, initial: int = 0, **_given: Any) -> None:
            self._here = initial

        def update(self, more: int) -> None:
            self._here += more
            advance(self._here, size, "fetching")

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_error: object) -> None:
            return

    return Bar
