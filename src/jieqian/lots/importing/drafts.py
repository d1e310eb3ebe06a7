"""An import in steps: an upload becomes a draft, is looked at, mended and published; what is served is withdrawn.

Everything here waits for disks and is slow on large files: call it on a thread.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jieqian.errors import (
    ChangedMeanwhile,
    CollectionFixed,
    ImportAtWork,
    ImportRefused,
    StoreUnwritable,
    UnknownCollection,
    UsageError,
)
from jieqian.lots.importing.columns import parse_columns
from jieqian.lots.importing.mending import Mended, mended_collection, mended_lots
from jieqian.lots.importing.placing import place, read_record, write
from jieqian.lots.importing.plan import Wish, plan_import
from jieqian.lots.importing.shelf import WITHDRAWN, Held, Listed, Shelf
from jieqian.lots.importing.uploads import (
    drop_incoming,
    forget_upload,
    keep_upload,
    kept_upload,
    read_report,
    write_report,
)
from jieqian.lots.library import LotLibrary, fold_alias
from jieqian.lots.pack import LOTS_FILE
from jieqian.lots.pack_format import MAX_LOTS, CollectionEntry

_SAY_ID = re.compile(r"[Ss]ay (?:another id: )?--collection (\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A collection as an operator looks at it. `upload`: the kept file's name, which can be taken again."""

    held: Held
    report: Mapping[str, Any] | None
    upload: str | None


def columns_told(told: str) -> dict[str, str]:
    """`number=1,verse=詩文` as the field of each column. Raises `ImportRefused`."""
    try:
        return parse_columns(told)
    except UsageError as error:
        raise ImportRefused(error.detail.replace("--columns: ", "")) from error


def wish_of(fields: Mapping[str, str]) -> Wish:
    """What was told with an upload: `id`, `name`, `size`, `columns`; each may be left out. Raises `ImportRefused`."""
    size = fields.get("size", "").strip()
    if size and not (size.isascii() and size.isdigit() and len(size) < 6 and 1 <= int(size) <= MAX_LOTS):
        raise ImportRefused(f"The number of lots is a number from 1 to {MAX_LOTS:,}.")
    return Wish(
        collection=fields.get("id", "").strip() or None,
        name=fields.get("name", "").strip() or None,
        size=int(size) if size else None,
        columns=columns_told(fields.get("columns", "")),
    )


class Drafts:
    """The operator's work on collections; safe to call from several threads."""

    def __init__(self, data_dir: Path, library: LotLibrary) -> None:
        self._shelf = Shelf(data_dir, library)
        self._data_dir = data_dir
        self._library = library
        self._reading = threading.Lock()

    def listed(self) -> list[Listed]:
        """See `Shelf.listed`."""
        return self._shelf.listed()

    def look(self, collection_id: str) -> Seen:
        """Its draft if there is one, else what is served. Raises `UnknownCollection`."""
        held = self._shelf.find(collection_id)
        upload = kept_upload(self._data_dir, collection_id)
        return Seen(
            held=held, report=read_report(self._data_dir, collection_id), upload=upload.name if upload else None
        )

    def take(self, path: Path, wish: Wish) -> dict[str, Any]:
        """Make a draft of a file of `incoming_file`, or add it to the one there is; the report.

        Raises `ImportRefused`, and then leaves nothing behind; `ImportAtWork`, `StoreUnwritable`.
        """
        try:
            return self._taken(path, wish)
        finally:
            drop_incoming(path)

    def take_again(self, collection_id: str, columns: Mapping[str, str]) -> dict[str, Any]:
        """Read the kept file with other columns, in place of what it gave; lots mended since are kept.

        Raises `UnknownCollection` where there is no draft with its file.
        """
        report, path = read_report(self._data_dir, collection_id), kept_upload(self._data_dir, collection_id)
        there = self._shelf.place_of(collection_id, served=False).is_dir()
        if report is None or path is None or not there:
            raise UnknownCollection(f"There is no draft {collection_id} whose file is still kept. Upload it again.")
        wish = Wish(collection=collection_id, size=report.get("size"), columns=columns)
        return self._taken(path, wish, without=report["numbers"])

    def publish(self, collection_id: str) -> None:
        """Serve the draft, in place of what is served of it; the library reads it anew.

        Raises `ChangedMeanwhile` where what is served changed since, `ImportRefused` where it would not load.
        """
        with self._shelf.changing(), _writing():
            held = self._find_kept_back(collection_id)
            folder = self._shelf.place_of(collection_id, served=True)
            if folder.exists() and read_record(folder) is None:
                raise CollectionFixed
            report = read_report(self._data_dir, collection_id) or {"base": None}
            if report.get("base") != self._base(collection_id):
                raise ChangedMeanwhile(
                    "What is served was changed after this draft was made. Discard the draft and upload the file again."
                )
            self._expect_free_names(held.collection)
            record = {key: value for key, value in held.record.items() if key != WITHDRAWN}
            write(folder, held.collection, held.lots, record)
            shutil.rmtree(held.folder)
            forget_upload(self._data_dir, collection_id, report=True)
        self._library.reload()

    def withdraw(self, collection_id: str) -> None:
        """Serve it no longer: it lies beside, to be published again. Raises `CollectionFixed`, `ChangedMeanwhile`."""
        with self._shelf.changing(), _writing():
            held = self._shelf.find_mendable(collection_id)
            if held.state.kept_back and not held.also_served:
                raise ChangedMeanwhile("It is not served.")
            if held.also_served:
                raise ChangedMeanwhile("There is a draft of it. Publish or discard the draft first.")
            folder = self._shelf.place_of(collection_id, served=False)
            write(folder, held.collection, held.lots, {**held.record, WITHDRAWN: True})
            shutil.rmtree(held.folder)
            forget_upload(self._data_dir, collection_id, report=True)
        self._library.reload()

    def discard(self, collection_id: str) -> None:
        """Throw the draft, or the withdrawn collection, away with its file. Raises `UnknownCollection`."""
        with self._shelf.changing(), _writing():
            folder = self._shelf.place_of(collection_id, served=False)
            if not folder.is_dir():
                raise UnknownCollection(f"There is no draft {collection_id}.")
            if read_record(folder) is None:
                raise CollectionFixed
            shutil.rmtree(folder)
            forget_upload(self._data_dir, collection_id, report=True)

    def mend_lot(self, collection_id: str, number: int, made: Mapping[str, Any], mark: str | None) -> Mended:
        """Put one lot, as a line of a pack, in place of what is there; where there is none, add it.

        `mark`: of the lot it was made from ("" where there was none), or None to ask for nothing. Raises
        `ChangedMeanwhile`, `EntryRefused`, `CollectionFixed`.
        """
        with self._mending(collection_id) as held:
            mended = mended_lots(held, number, made, mark)
            write(held.folder, mended.collection, mended.lots, mended.record)
        return mended

    def mend_collection(self, collection_id: str, made: Mapping[str, Any], mark: str | None) -> Mended:
        """Put the collection's own fields, as its `collection.json`, in place of what is there; as `mend_lot`."""
        with self._mending(collection_id) as held:
            mended = mended_collection(held, made, mark)
            self._expect_free_names(mended.collection)
            write(held.folder, mended.collection, mended.lots, mended.record)
        return mended

    # -- steps

    def _taken(self, path: Path, wish: Wish, *, without: Collection[int] = ()) -> dict[str, Any]:
        if not self._reading.acquire(blocking=False):  # each may hold hundreds of megabytes
            raise ImportAtWork
        try:
            plan = plan_import(path, wish, self._library)
            base, numbers = self._base(plan.collection.id), []
            report = read_report(self._data_dir, plan.collection.id)
            if report is not None and self._shelf.place_of(plan.collection.id, served=False).is_dir():
                base, numbers = report.get("base"), report["numbers"]  # of the draft that it is added to
            with _writing():
                outcome = place(plan, self._data_dir, draft=True, without=without)
                if not outcome.folder.is_dir():
                    told = "".join(f" {each}." for each in outcome.refused[:3])
                    raise ImportRefused(f"Nothing in it is new to what is served; there is nothing to draft.{told}")
                keep_upload(self._data_dir, outcome.collection.id, path)
                numbers = sorted(told.lot for told in outcome.taken if told.lot is not None) or numbers
                return write_report(self._data_dir, outcome, path.name, wish, base=base, numbers=numbers)
        except UsageError as error:
            raise ImportRefused(_for_a_page(error.detail, path)) from error
        finally:
            self._reading.release()

    @contextmanager
    def _mending(self, collection_id: str) -> Iterator[Held]:
        with self._shelf.changing(), _writing():
            held = self._shelf.find_mendable(collection_id)
            yield held
        if not held.state.kept_back:
            self._library.reload()

    def _find_kept_back(self, collection_id: str) -> Held:
        held = self._shelf.find(collection_id)
        if not held.state.kept_back:
            raise UnknownCollection(f"There is no draft {collection_id}.")
        return held

    def _base(self, collection_id: str) -> str | None:
        """A hash of the served lots of that id; None where none are."""
        with suppress(FileNotFoundError):
            path = self._shelf.place_of(collection_id, served=True) / LOTS_FILE
            return hashlib.sha256(path.read_bytes()).hexdigest()[:24]
        return None

    def _expect_free_names(self, collection: CollectionEntry) -> None:
        """A name another collection has would leave this one out when it is loaded."""
        taken = {
            fold_alias(name): each.id
            for each in self._library.collections()
            if each.id != collection.id
            for name in (each.id, *each.names.values(), *each.aliases)
        }
        for name in (collection.id, *collection.names.values(), *collection.aliases):
            if fold_alias(name) in taken:
                raise ImportRefused(f"The name {name} belongs to {taken[fold_alias(name)]}. Give it another.")


@contextmanager
def _writing() -> Iterator[None]:
    """What the disk or the pack's bounds refuse, as an answer to the operator."""
    try:
        yield
    except OSError as error:
        raise StoreUnwritable(f"The collections cannot be written: {error.strerror or error}.") from error
    except UsageError as error:
        raise ImportRefused(error.detail) from error


def _for_a_page(detail: str, path: Path) -> str:
    """The importer speaks to a command line; here there is no option to say, and the file's place means nothing."""
    plain = detail.replace(str(path), path.name).replace("--columns: ", "")
    return _SAY_ID.sub(lambda found: f"give the id {found[1]}" if found[1] != "ID" else "give an id", plain)
