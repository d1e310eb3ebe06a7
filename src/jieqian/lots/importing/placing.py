"""A plan put into DATA_DIR/collections: merged with what an earlier import took, and swapped in whole.

`ID` is a collection that is served; `_ID` is a draft or one that was withdrawn, which the library passes over.
`imported.json` beside the pack remembers what each lot was when it was imported, so that a second import of the same
changes nothing and what a person mended since is kept.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from jieqian.errors import PackError, UsageError
from jieqian.lots.importing.entries import entry_text, mark_of
from jieqian.lots.importing.plan import Plan, collection_text
from jieqian.lots.importing.report import Told
from jieqian.lots.library import COLLECTIONS_FOLDER
from jieqian.lots.pack import COLLECTION_FILE, LOTS_FILE, MAX_FILE_BYTES, load_pack, read_pack
from jieqian.lots.pack_format import CollectionEntry, LotEntry

IMPORTED_FILE = "imported.json"
_LOCK = ".import.lock"
LOCK_SECONDS = 30.0
_DRAFT = "_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an import did, or with `dry_run` would do. `kept`: lots that were there and are not in the source."""

    plan: Plan
    collection: CollectionEntry
    folder: Path
    dry_run: bool
    taken: tuple[Told, ...]
    mended: tuple[Told, ...]
    refused: tuple[Told, ...]
    unchanged: int
    kept: int

    @property
    def changed(self) -> bool:
        """Whether anything is other than it was."""
        return bool(self.taken)

    def as_dict(self) -> dict[str, Any]:
        """As `jieqian corpus import --json` prints it."""
        return {
            "collection": self.collection.id,
            "names": dict(self.collection.names),
            "folder": str(self.folder),
            "dry_run": self.dry_run,
            "changed": self.changed,
            "counts": {
                "files": self.plan.files,
                "taken": len(self.taken),
                "unchanged": self.unchanged,
                "kept": self.kept,
                "mended": len({(told.file, told.lot) for told in self.mended}),
                "refused": len(self.refused),
                "size": self.collection.size,
                "missing": len(self.collection.missing),
            },
            "columns": dict(self.plan.columns),
            "not_taken": dict(self.plan.not_taken),
            "missing": list(self.collection.missing),
            "taken": [told.as_dict() for told in self.taken],
            "mended": [told.as_dict() for told in self.mended],
            "refused": [told.as_dict() for told in self.refused],
        }


def place(
    plan: Plan,
    data_dir: Path,
    *,
    dry_run: bool = False,
    draft: bool = False,
    without: Collection[int] = (),
    wait_seconds: float = LOCK_SECONDS,
) -> Outcome:
    """Merge the plan with what is there and put it in its place. Raises `UsageError`; then nothing was changed.

    `without`: numbers that an upload gave and that it is to give again, read otherwise: forgotten unless mended since.
    """
    top = data_dir / COLLECTIONS_FOLDER
    if dry_run:
        return _merged(plan, top, draft=draft, dry_run=True, without=without)[0]
    with changing(data_dir, wait_seconds):
        outcome, lots, record = _merged(plan, top, draft=draft, dry_run=False, without=without)
        if outcome.changed:
            write(outcome.folder, outcome.collection, lots, record)
    return outcome


@contextmanager
def changing(data_dir: Path, wait_seconds: float = LOCK_SECONDS) -> Iterator[Path]:
    """Alone at work on the operator's collections, an earlier swap that was cut off brought to its end."""
    top = data_dir / COLLECTIONS_FOLDER
    try:
        top.mkdir(parents=True, exist_ok=True)
        with FileLock(top / _LOCK, timeout=wait_seconds):
            finish_swaps(data_dir)
            yield top
    except Timeout as error:
        raise UsageError(f"Another import is at work in {top}. Wait for it to end.") from error
    except OSError as error:
        raise UsageError(f"{top} cannot be written: {error.strerror or error}.") from error


def mend_swaps(data_dir: Path) -> None:
    """Before the collections are read: finish what a killed import left, unless one is at work just now."""
    top = data_dir / COLLECTIONS_FOLDER
    if top.is_dir() and any(each.name.startswith(".") and each.is_dir() for each in top.iterdir()):
        with suppress(UsageError), changing(data_dir, wait_seconds=1):
            return


def finish_swaps(data_dir: Path) -> None:
    """Of a swap that was cut off: the old folder back in its place if the new one never came; no leavings.

    The caller holds the lock (`changing`).
    """
    top = data_dir / COLLECTIONS_FOLDER
    if not top.is_dir():
        return
    for old in top.glob(".*.old"):
        place_of_it = top / old.name[1 : -len(".old")]
        if place_of_it.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(place_of_it)
    for new in top.glob(".*.new"):
        shutil.rmtree(new, ignore_errors=True)


def write(folder: Path, collection: CollectionEntry, lots: Sequence[LotEntry], record: Mapping[str, Any]) -> None:
    """Write the pack beside its place, load it as the service will, and swap it in. Raises `UsageError`, `OSError`."""
    new, old = folder.parent / f".{folder.name}.new", folder.parent / f".{folder.name}.old"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    rows = "".join(f"{entry_text(lot)}\n" for lot in lots)
    if len(rows.encode()) > MAX_FILE_BYTES:
        shutil.rmtree(new)
        raise UsageError(f"The lots together hold more than {MAX_FILE_BYTES >> 20} MiB of text, more than a pack may.")
    _written(new / LOTS_FILE, rows)
    _written(new / COLLECTION_FILE, collection_text(collection))
    _written(new / IMPORTED_FILE, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    try:
        load_pack(new)
    except PackError as error:
        shutil.rmtree(new)
        raise UsageError(f"The collection would not load: {error.detail}. Nothing was changed.") from error
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _written(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_record(folder: Path) -> dict[str, Any] | None:
    """`imported.json` of a folder; None where the pack was not imported. A broken one remembers nothing."""
    path = folder / IMPORTED_FILE
    if not path.is_file():
        return None
    with suppress(ValueError, OSError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and isinstance(found.get("lots"), dict):
            return found
    return {"lots": {}}


def _merged(
    plan: Plan, top: Path, *, draft: bool, dry_run: bool, without: Collection[int]
) -> tuple[Outcome, list[LotEntry], dict[str, Any]]:
    folder = top / (f"{_DRAFT}{plan.collection.id}" if draft else plan.collection.id)
    if folder.is_symlink():
        raise UsageError(f"{folder} is a link. Say another id: --collection {folder.name}-own.", usage=True)
    there = folder if folder.exists() or not draft else top / plan.collection.id
    held, collection, record = _held(there)
    marks: dict[str, Any] = dict(record["lots"])
    for number in without:
        if number in held and marks.get(str(number)) == mark_of(held[number]):
            del held[number], marks[str(number)]
    if without and not held and collection is not None:
        collection = collection.model_copy(update={"size": plan.collection.size, "script": plan.collection.script})
    taken: list[Told] = []
    refused = list(plan.refused)
    unchanged = 0
    fresh: set[int] = set()
    for lot in plan.lots:
        number = lot.entry.number
        before, remembered = held.get(number), marks.get(str(number))
        if before is not None and lot.mark in (remembered, mark_of(before)):
            unchanged += 1
        elif before is not None and remembered is not None and remembered != mark_of(before):
            refused.append(Told(lot.file, number, "was mended by hand since the last import; the mend is kept"))
        else:
            taken.append(Told(lot.file, number, "taken" if before is None else "taken in place of an older text"))
            held[number], marks[str(number)] = lot.entry, lot.mark
            fresh.add(number)
    lots = [held[number] for number in sorted(held)]
    outcome = Outcome(
        plan=plan,
        collection=_brought_up(collection or plan.collection, plan.collection.size, held),
        folder=folder,
        dry_run=dry_run,
        taken=tuple(taken),
        mended=tuple(told for told in plan.mended if told.lot in fresh),
        refused=tuple(refused),
        unchanged=unchanged,
        kept=len(held) - len(plan.lots) if len(held) > len(plan.lots) else 0,
    )
    return outcome, lots, {"format": 1, "lots": marks}


def _held(folder: Path) -> tuple[dict[int, LotEntry], CollectionEntry | None, dict[str, Any]]:
    """The lots that are there, by number; their collection; what is remembered of the last import."""
    if not folder.exists():
        return {}, None, {"lots": {}}
    record = read_record(folder)
    if record is None:
        raise UsageError(
            f"{folder.name} is there and was not imported ({folder}). Say another id: --collection {folder.name}-own.",
            usage=True,
        )
    contents = read_pack(folder)
    if contents.findings or contents.collection is None:
        raise UsageError(f"{folder} cannot be read, so nothing can be added to it: {contents.findings[0]}.")
    return {row.lot.number: row.lot for row in contents.rows}, contents.collection, record


def _brought_up(collection: CollectionEntry, size: int, held: Mapping[int, LotEntry]) -> CollectionEntry:
    size = max(size, max(held))
    missing = [number for number in range(1, size + 1) if number not in held]
    return collection.model_copy(update={"size": size, "missing": missing})
