"""All collections in memory: looked up by key, through aliases, and counted."""

from __future__ import annotations

import difflib
import os
import threading
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jieqian.errors import InvalidLot, PackError, UnknownCollection, UnknownLot
from jieqian.lots.lot import Collection, Lot
from jieqian.lots.numbers import LARGEST, parse_lot_number, split_lot_id
from jieqian.lots.pack import COLLECTION_FILE, load_pack
from jieqian.lots.script import to_simplified

PACKAGED = Path(__file__).with_name("packs")
"""The folder of the collections that come with the package."""

COLLECTIONS_FOLDER = "collections"
"""Where, under DATA_DIR, an operator's own collections lie, one folder each."""

_LONGEST_ALIAS = 120


@dataclass(frozen=True, slots=True)
class _Shelf:
    """One state of the library; a reload puts another in its place."""

    collections: Mapping[str, Collection]
    lots: Mapping[str, tuple[Lot, ...]]
    numbered: Mapping[str, Mapping[int, Lot]]
    folders: Mapping[str, Path]
    by_alias: Mapping[str, str]
    problems: tuple[PackError, ...]


class LotLibrary:
    """Every collection of the given folders, held in memory; safe to read from any thread.

    Each folder holds packs, one a subfolder; a folder that is not there is empty. A fault in a pack of
    `must_load` raises PackError; a fault in any other leaves that pack out and is kept in `problems`. With `offered`,
    ids, the other collections are left out too.
    """

    def __init__(
        self, folders: Iterable[Path] = (PACKAGED,), *, must_load: Path = PACKAGED, offered: Iterable[str] = ()
    ) -> None:
        self._folders = tuple(folders)
        self._must_load = must_load
        self._offered = tuple(offered)
        self._reloading = threading.Lock()
        #: The `fingerprint` of what was read last.
        self.read_at = self.fingerprint()
        self._shelf = _read(self._folders, must_load, self._offered)
        self.lookups = 0
        self.hits = 0

    @classmethod
    def in_data_dir(cls, data_dir: Path, offered: Iterable[str] = ()) -> LotLibrary:
        """The packaged collections and those in `data_dir`/collections."""
        return cls((PACKAGED, data_dir / COLLECTIONS_FOLDER), offered=offered)

    @property
    def problems(self) -> list[PackError]:
        """Why packs of an operator's folder were left out."""
        return list(self._shelf.problems)

    @property
    def missing(self) -> list[str]:
        """Ids that are offered and not there."""
        return [wanted for wanted in self._offered if wanted not in self._shelf.collections]

    def collections(self) -> list[Collection]:
        """Every collection, packaged ones first, each folder's in order of id."""
        return list(self._shelf.collections.values())

    def collection(self, alias: str) -> Collection:
        """The collection of that id, name or alias; raises UnknownCollection, which names the nearest one."""
        return _find(self._shelf, alias)

    def lot(self, collection: str, number: int, *, counted: bool = True) -> Lot:
        """The lot of that number, the collection by id, name or alias; raises UnknownCollection or UnknownLot."""
        self.lookups += counted
        shelf = self._shelf
        known = _find(shelf, collection)
        found = shelf.numbered[known.id].get(number)
        if found is None:
            about: dict[str, object] = {"collection": known.id, "first": 1, "last": known.size}
            if number in known.missing:
                about["missing"] = number
            raise UnknownLot(_no_such_lot(known, number), **about)
        self.hits += counted
        return found

    def asked_lot(self, collection: str, written: object) -> Lot:
        """The lot of a collection as a caller writes it: a number (`parse_lot_number`), or an id with both.

        An id (`YueLao_1`) must name the same collection. Raises InvalidLot, UnknownCollection or UnknownLot.
        """
        try:
            number = parse_lot_number(written)
        except InvalidLot:
            number = self._number_in_id(collection, written)
        return self.lot(collection, number)

    def _number_in_id(self, collection: str, written: object) -> int:
        if not isinstance(written, str):
            raise InvalidLot
        shelf = self._shelf
        try:
            named, number = split_lot_id(written)
            of_lot = _find(shelf, named).id
        except (InvalidLot, UnknownCollection) as error:
            raise InvalidLot from error
        asked = _find(shelf, collection).id
        if of_lot != asked:
            raise InvalidLot(f"The lot is one of {of_lot}, and the collection asked for is {asked}. Leave one out.")
        return number

    def lots(self, collection: str) -> tuple[Lot, ...]:
        """All lots of a collection in order of number, not counted as look-ups; raises UnknownCollection."""
        shelf = self._shelf
        return shelf.lots[_find(shelf, collection).id]

    def folder(self, collection: str) -> Path:
        """The pack's folder; raises UnknownCollection."""
        shelf = self._shelf
        return shelf.folders[_find(shelf, collection).id]

    def fingerprint(self) -> tuple[tuple[str, int, int], ...]:
        """Path, size and time of change of every file of the operator's packs: changes with whatever lies there."""
        found: list[tuple[str, int, int]] = []
        for folder in self._folders:
            if folder == self._must_load:
                continue
            for pack in pack_folders(folder):
                for file in sorted(pack.rglob("*")):
                    with suppress(OSError):  # gone in this moment
                        about = file.stat()
                        found.append((str(file), about.st_size, about.st_mtime_ns))
        return tuple(found)

    def reload(self) -> None:
        """Read every folder again; readers see the old state or the new. Raises PackError and keeps the old one."""
        with self._reloading:  # of two at once the one that read first must not be the last to say so
            self.read_at = self.fingerprint()
            self._shelf = _read(self._folders, self._must_load, self._offered)


def pack_folders(folder: Path) -> list[Path]:
    """The packs in a folder, by name; none where there is no such folder."""
    if not os.path.isdir(folder):
        return []
    return sorted(pack for pack in folder.iterdir() if pack.is_dir() and not pack.name.startswith((".", "_")))


def fold_alias(alias: str) -> str:
    """An alias without case, width, blanks, hyphens and underscores, in Simplified characters; "" if it is no name."""
    folded = unicodedata.normalize("NFKC", alias).casefold()
    kept = "".join(c for c in folded if not c.isspace() and unicodedata.category(c) not in ("Pd", "Pc"))
    return to_simplified(kept) if kept.isprintable() else ""


def _read(folders: tuple[Path, ...], must_load: Path, offered: tuple[str, ...]) -> _Shelf:
    collections: dict[str, Collection] = {}
    lots: dict[str, tuple[Lot, ...]] = {}
    places: dict[str, Path] = {}
    by_alias: dict[str, str] = {}
    problems: list[PackError] = []
    for folder in folders:
        for pack in pack_folders(folder):
            if offered and folder == PACKAGED and pack.name not in offered:  # ours are named as their collection
                continue
            try:
                collection, its_lots = load_pack(pack)
                if offered and collection.id not in offered:
                    continue
                aliases = _aliases(collection, by_alias, pack)
            except PackError as error:
                if folder == must_load:
                    raise
                problems.append(error)
                continue
            by_alias.update(aliases)
            collections[collection.id] = collection
            lots[collection.id] = its_lots
            places[collection.id] = pack
    numbered = {name: {lot.number: lot for lot in its_lots} for name, its_lots in lots.items()}
    return _Shelf(collections, lots, numbered, places, by_alias, tuple(problems))


def _aliases(collection: Collection, taken: Mapping[str, str], pack: Path) -> dict[str, str]:
    names = [collection.id, *collection.names.values(), *collection.aliases]
    folded = {fold_alias(name): name for name in names}
    for alias, name in folded.items():
        if alias in taken:
            raise PackError(
                f"the name {name} of {collection.id} belongs to {taken[alias]} already",
                file=str(pack / COLLECTION_FILE),
            )
    return dict.fromkeys(filter(None, folded), collection.id)


def _no_such_lot(collection: Collection, number: int) -> str:
    if number in collection.missing:
        return f"{collection.id} has lots 1 to {collection.size}, but its text of lot {number} is missing."
    # A number so large was cut: it is not the one that was asked for.
    which = f"numbered {number}" if abs(number) < LARGEST else "of that number"
    return f"{collection.id} has lots 1 to {collection.size}, and none {which}."


def _find(shelf: _Shelf, alias: str) -> Collection:
    found = shelf.by_alias.get(fold_alias(alias)) if len(alias) <= _LONGEST_ALIAS else None
    if found is None:
        raise _unknown_collection(alias, shelf)
    return shelf.collections[found]


def _unknown_collection(alias: str, shelf: _Shelf) -> UnknownCollection:
    shown = "".join(c for c in alias[:40] if c.isprintable()).strip()
    near = difflib.get_close_matches(fold_alias(alias[:40]), shelf.by_alias, n=1, cutoff=0.5)
    ids = ", ".join(shelf.collections)
    begin = f"There is no collection {shown!r}." if shown else "The collection has no name."
    if not near:
        return UnknownCollection(f"{begin} There are: {ids}." if ids else begin)
    nearest = shelf.by_alias[near[0]]
    return UnknownCollection(f"{begin} Did you mean {nearest}?", nearest=nearest)
