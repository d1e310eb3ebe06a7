"""What an operator uploads: the file, kept until its draft is published or thrown away, and the report of it.

`DATA_DIR/imports/ID/` holds `upload/NAME`, at most one file, and `report.json`. Beside them `.incoming-*` hold what is
still on its way.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from jieqian.errors import ImportRefused
from jieqian.lots.importing.placing import Outcome
from jieqian.lots.importing.plan import Wish
from jieqian.lots.importing.source import ARCHIVE, LARGEST_ARCHIVE, LARGEST_FILE, TAKEN

IMPORTS = "imports"
#: Lines of each kind that a report keeps, and characters of each; `counts` tell of all.
MOST_TOLD = 300
_LONGEST_TOLD = 300
_MOST_COLUMNS = 60
_LONGEST_NAME = 60
#: What came so long ago and never became a draft was cut off.
_STALE_SECONDS = 3600.0
_INCOMING = ".incoming-"
_UNSAFE = re.compile(r"[^\w.()+ -]")


def safe_name(told: str) -> str:
    """A file's name as somebody's browser tells it, without folders and what file systems do not take.

    Raises `ImportRefused` for an ending that is not taken.
    """
    name = _UNSAFE.sub("_", PurePosixPath(told.replace("\\", "/")).name).lstrip(". ").strip()
    stem, dot, ending = name.rpartition(".")
    if not stem or f"{dot}{ending}".casefold() not in (*TAKEN, ARCHIVE):
        raise ImportRefused(f"A file of another kind: its name has to end in {', '.join((*TAKEN, ARCHIVE))}.")
    return f"{stem[:_LONGEST_NAME].rstrip('. ')}.{ending}"


def largest(name: str) -> int:
    """How many bytes a file of that name may have."""
    return LARGEST_ARCHIVE if name.casefold().endswith(ARCHIVE) else LARGEST_FILE


def incoming_file(data_dir: Path, name: str) -> Path:
    """A place for a file that is about to come, in a folder of its own; what was cut off earlier goes. Raises OSError.

    `name` is of `safe_name`.
    """
    top = data_dir / IMPORTS
    top.mkdir(mode=0o700, exist_ok=True)
    for earlier in top.glob(f"{_INCOMING}*"):
        with suppress(OSError):
            if earlier.stat().st_mtime < time.time() - _STALE_SECONDS:
                shutil.rmtree(earlier, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=_INCOMING, dir=top)) / name


def drop_incoming(path: Path) -> None:
    """Away with it and its folder, where it is still there."""
    if path.parent.name.startswith(_INCOMING):
        shutil.rmtree(path.parent, ignore_errors=True)


def keep_upload(data_dir: Path, collection_id: str, path: Path) -> None:
    """Keep the file for its draft, in place of an earlier one. Raises `OSError`."""
    kept = data_dir / IMPORTS / collection_id / "upload"
    if path.parent == kept:
        return
    shutil.rmtree(kept, ignore_errors=True)
    kept.parent.mkdir(mode=0o700, exist_ok=True)
    path.parent.rename(kept)


def kept_upload(data_dir: Path, collection_id: str) -> Path | None:
    """The file of the draft, or None."""
    folder = data_dir / IMPORTS / collection_id / "upload"
    return next((each for each in folder.iterdir() if each.is_file()), None) if folder.is_dir() else None


def forget_upload(data_dir: Path, collection_id: str, *, report: bool) -> None:
    """The file goes; with `report` what was told of it too."""
    folder = data_dir / IMPORTS / collection_id
    shutil.rmtree(folder if report else folder / "upload", ignore_errors=True)


def write_report(
    data_dir: Path, outcome: Outcome, name: str, wish: Wish, *, base: str | None, numbers: Sequence[int]
) -> dict[str, Any]:
    """Keep what the upload gave, bounded. Raises `OSError`.

    `base`: the state of the served collection it stands on; `numbers`: which lots of the draft are of this file.
    """
    report = outcome.as_dict()
    cut: dict[str, Any] = {
        **{key: report[key] for key in ("collection", "names", "counts")},
        "file": name,
        "taken_at": time.time(),
        "columns": dict(list(outcome.plan.columns.items())[:_MOST_COLUMNS]),
        "heads": {at: head[:80] for at, head in list(outcome.plan.heads.items())[:_MOST_COLUMNS]},
        "not_taken": {key[:80]: times for key, times in outcome.plan.not_taken.items()},
        "told_columns": {column[:120]: field for column, field in list(wish.columns.items())[:_MOST_COLUMNS]},
        "size": wish.size,
        "numbers": list(numbers),
        "base": base,
    }
    for kind in ("taken", "mended", "refused"):
        cut[kind] = [
            {**told, "file": told["file"][:120], "reason": told["reason"][:_LONGEST_TOLD]}
            for told in report[kind][:MOST_TOLD]
        ]
    path = data_dir / IMPORTS / outcome.collection.id / "report.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(cut, ensure_ascii=False), encoding="utf-8")
    new.replace(path)
    return cut


def read_report(data_dir: Path, collection_id: str) -> Mapping[str, Any] | None:
    """What `write_report` kept; None where there is none, or it is broken."""
    path = data_dir / IMPORTS / collection_id / "report.json"
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and {"counts", "refused", "numbers", "columns"} <= found.keys():
            return found
    return None
