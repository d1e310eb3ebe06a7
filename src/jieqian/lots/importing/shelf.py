"""The operator's collections as they lie in DATA_DIR: served, drafts, withdrawn, and what cannot be read.

`ID` is served, `_ID` a draft or withdrawn (`imported.json` of a withdrawn one says so).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from jieqian.errors import CollectionFixed, ImportAtWork, UnknownCollection, UsageError
from jieqian.lots.importing.placing import changing, read_record
from jieqian.lots.library import COLLECTIONS_FOLDER, PACKAGED, LotLibrary, pack_folders
from jieqian.lots.pack import read_pack
from jieqian.lots.pack_format import CollectionEntry, LotEntry

#: Set in `imported.json` of a collection that was served and is no more.
WITHDRAWN = "withdrawn"
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_ID = 40


class State(StrEnum):
    """What a collection is to the operator."""

    PACKAGED = "packaged"
    BY_HAND = "by_hand"
    SERVED = "served"
    NOT_OFFERED = "not_offered"
    DRAFT = "draft"
    WITHDRAWN = "withdrawn"
    BROKEN = "broken"

    @property
    def kept_back(self) -> bool:
        """Whether it lies where the library passes over it."""
        return self in (State.DRAFT, State.WITHDRAWN)

    @property
    def mendable(self) -> bool:
        """Whether its texts may be changed."""
        return self.kept_back or self in (State.SERVED, State.NOT_OFFERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the list. `reason`: why it does not load; `id` is then its folder's name, which may be anything.

    `discards`: of a draft that cannot be read, the id by which it can be thrown away.
    """

    id: str
    state: State
    names: Mapping[str, str]
    lots: int
    size: int
    reason: str = ""
    discards: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "state": self.state.value,
            "names": dict(self.names),
            "lots": self.lots,
            "size": self.size,
            "reason": self.reason or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One collection whole. `also_served`: this is a draft, and an older state of it is served."""

    collection: CollectionEntry
    lots: tuple[LotEntry, ...]
    state: State
    folder: Path
    record: Mapping[str, Any]
    also_served: bool = False

    def lot(self, number: int) -> LotEntry | None:
        """The lot of that number, or None."""
        return next((lot for lot in self.lots if lot.number == number), None)


class Shelf:
    """What lies in `data_dir`/collections, beside what `library` serves."""

    def __init__(self, data_dir: Path, library: LotLibrary) -> None:
        self.data_dir = data_dir
        self.library = library
        self.top = data_dir / COLLECTIONS_FOLDER

    def listed(self) -> list[Listed]:
        """Every collection and every folder, packaged ones first. A draft of a served one is a line of its own."""
        served = self.library.collections()
        found = [
            Listed(
                id=each.id,
                state=self._state_of_served(self.library.folder(each.id)),
                names={tag.value: name for tag, name in each.names.items()},
                lots=len(each.numbers()),
                size=each.size,
            )
            for each in served
        ]
        seen = {self.library.folder(each.id) for each in served}
        reasons = {Path(problem.file).parent: problem.detail for problem in self.library.problems if problem.file}
        found += [
            self._unserved(folder, reasons.get(folder)) for folder in pack_folders(self.top) if folder not in seen
        ]
        return found + [self._kept_back(folder) for folder in self._kept_back_folders()]

    def find(self, collection_id: str) -> Held:
        """The draft or the withdrawn one of that id, else what is served.

        Raises `UnknownCollection`, also for one that cannot be read; it says why.
        """
        expect_id(collection_id)
        back, front = self.top / f"_{collection_id}", self.top / collection_id
        if back.is_dir():
            kept = read_record(back)
            if kept is None:
                raise UnknownCollection(f"{back.name} was not imported; for its name it is passed over.")
            state = State.WITHDRAWN if kept.get(WITHDRAWN) else State.DRAFT
            return self._held(back, state, kept, also_served=front.is_dir())
        if front.is_dir():
            record = read_record(front)
            if record is not None:
                return self._held(front, self._state_of_imported(collection_id), record)
        known = next((each for each in self.library.collections() if each.id == collection_id), None)
        if known is None:
            raise UnknownCollection(f"There is no collection {collection_id}, and no draft of one.")
        folder = self.library.folder(known.id)
        return self._held(folder, self._state_of_served(folder), {"lots": {}})

    def find_mendable(self, collection_id: str) -> Held:
        """As `find`; raises `CollectionFixed` for one that may not be changed."""
        held = self.find(collection_id)
        if not held.state.mendable:
            raise CollectionFixed
        return held

    def place_of(self, collection_id: str, *, served: bool) -> Path:
        """Its folder. Raises `UnknownCollection` for what is no id."""
        expect_id(collection_id)
        return self.top / (collection_id if served else f"_{collection_id}")

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Alone at work on the collections. Raises `ImportAtWork` where another import is."""
        try:
            with changing(self.data_dir):
                yield
        except UsageError as error:
            raise ImportAtWork(error.detail) from error

    def _held(self, folder: Path, state: State, record: Mapping[str, Any], *, also_served: bool = False) -> Held:
        contents = read_pack(folder)
        if contents.findings or contents.collection is None:
            raise UnknownCollection(f"{folder.name} cannot be read: {contents.findings[0]}.")
        return Held(
            collection=contents.collection,
            lots=tuple(row.lot for row in contents.rows),
            state=state,
            folder=folder,
            record=record,
            also_served=also_served,
        )

    def _state_of_served(self, folder: Path) -> State:
        if folder.parent == PACKAGED:
            return State.PACKAGED
        return State.BY_HAND if read_record(folder) is None else State.SERVED

    def _state_of_imported(self, collection_id: str) -> State:
        offered = any(each.id == collection_id for each in self.library.collections())
        return State.SERVED if offered else State.NOT_OFFERED

    def _unserved(self, folder: Path, reason: str | None) -> Listed:
        if reason is None:
            try:
                held = self._held(folder, State.NOT_OFFERED, {})
            except UnknownCollection as error:
                reason = error.detail
            else:
                return _line(held)
        return _broken(folder.name, reason)

    def _kept_back_folders(self) -> list[Path]:
        if not self.top.is_dir():
            return []
        return sorted(each for each in self.top.iterdir() if each.name.startswith("_") and each.is_dir())

    def _kept_back(self, folder: Path) -> Listed:
        try:
            held = self.find(folder.name.removeprefix("_"))
        except UnknownCollection as error:
            name = folder.name.removeprefix("_")
            discards = name if _is_id(name) and read_record(folder) is not None else None
            return replace(_broken(folder.name, error.detail), discards=discards)
        return _line(held)


def expect_id(collection_id: str) -> None:
    """Raises `UnknownCollection` for what is no id: it becomes a folder's name."""
    if not _is_id(collection_id):
        raise UnknownCollection


def _is_id(name: str) -> bool:
    return len(name) <= _LONGEST_ID and _ID.fullmatch(name) is not None


def _line(held: Held) -> Listed:
    collection = held.collection
    return Listed(
        id=collection.id,
        state=held.state,
        names={tag: name for tag, name in collection.names.items()},
        lots=len(held.lots),
        size=collection.size,
    )


def _broken(name: str, reason: str) -> Listed:
    return Listed(id=name, state=State.BROKEN, names={}, lots=0, size=0, reason=reason)
