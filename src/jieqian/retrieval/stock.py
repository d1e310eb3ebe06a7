"""What lies in the index against what the catalogue wants there, counted by collection."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from jieqian.retrieval.catalogue import Catalogue
from jieqian.retrieval.passage import Kind, StoredPassage

logger = logging.getLogger(__name__)

#: A passage that ended the index's process so often, the last time put in alone, is set aside until the next start.
_MOST_FAULTS = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the index is: passages in it, of how many, and which collection's are being made."""

    done: int
    of: int
    what: str | None = None


class Stock:
    """Passages in the index by id and mark; an index that was made anew is counted again by `take_over`."""

    def __init__(self, catalogue: Callable[[], Catalogue]) -> None:
        self.progress = Progress(0, 0)
        self._catalogue = catalogue
        self._have: dict[str, str] = {}
        self._lots_pending: Counter[str] = Counter()
        self._answers_pending: Counter[str] = Counter()
        self._stale = self._leaving = False
        self._faults: Counter[tuple[str, str]] = Counter()  # by id and mark: a text that was changed is another

    # -- what it says ---------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._have)

    def ready(self, collection: str) -> bool:
        """Whether every passage of the collection's lots is in it."""
        return not self._lots_pending[collection]

    def whole(self, collection: str) -> bool:
        """Whether all of the collection is in it, and nothing that is gone: that takes others' room among the found."""
        return self.ready(collection) and not self._answers_pending[collection] and not self._stale

    @property
    def unready(self) -> list[str]:
        """The collections that are not ready."""
        return sorted(collection for collection, left in self._lots_pending.items() if left)

    @property
    def set_aside(self) -> list[str]:
        """The passages that are left out because they ended the process."""
        wanted = self._catalogue().passages
        aside = [place for place, mark in self._faults if self._is_aside(place, mark) and place in wanted]
        return [place for place in aside if self._is_aside(place, wanted[place].mark)]

    def gone(self) -> list[str]:
        """What is to be taken out."""
        return [place for place in self._have if self._is_gone(place)]

    def _is_gone(self, place: str) -> bool:
        its = self._catalogue().passages.get(place)
        return its is None or self._is_aside(place, its.mark)

    def missing(self) -> list[StoredPassage]:
        """What is to be put in, or in anew.

        An approved answer comes first, for a person waits to see it; a doubtful passage last: none shall wait for it.
        """
        missing = filter(self._lacks, self._catalogue().passages.values())
        return sorted(missing, key=lambda passage: (self.is_doubtful(passage), passage.kind is not Kind.FAQ))

    def is_doubtful(self, passage: StoredPassage) -> bool:
        """Whether the process ended while this was put in: it is put in alone, to know which one did that."""
        return (passage.id, passage.mark) in self._faults

    def _lacks(self, passage: StoredPassage) -> bool:
        return self._have.get(passage.id) != passage.mark and not self._is_aside(passage.id, passage.mark)

    def _is_aside(self, place: str, mark: str) -> bool:
        return self._faults.get((place, mark), 0) >= _MOST_FAULTS

    # -- what it is told ------------------------------------------------------------------------------------------

    def take_over(self, marks: dict[str, str]) -> None:
        """The index says what it has."""
        self._have = marks
        self.count()

    def count(self) -> None:
        """The catalogue may be another."""
        wanted = self._catalogue().passages
        left = [passage for passage in wanted.values() if self._lacks(passage)]
        self._stale = self._leaving or any(self._is_gone(place) for place in self._have)
        self._answers_pending = Counter(passage.collection for passage in left if passage.kind is Kind.FAQ)
        self._lots_pending = Counter(passage.collection for passage in left if passage.kind is not Kind.FAQ)
        there = sum(not self._is_aside(place, passage.mark) for place, passage in wanted.items())
        self.progress = Progress(there - len(left), len(wanted))

    @contextmanager
    def taking_out(self, places: Iterable[str]) -> Iterator[None]:
        """They may be gone at any moment from now on: what comes back meanwhile is missing."""
        for place in places:
            del self._have[place]
        self._leaving = True
        self.count()
        try:
            yield
        finally:
            self._leaving = False
            self.count()

    @contextmanager
    def putting_in(self, passages: Sequence[StoredPassage]) -> Iterator[None]:
        """They are in it once this ends well."""
        yield
        wanted = self._catalogue().passages
        done = self.progress.done
        for passage in passages:
            its = wanted.get(passage.id)
            if its is not None and its.mark == passage.mark != self._have.get(passage.id):
                done += 1
                (self._answers_pending if passage.kind is Kind.FAQ else self._lots_pending)[passage.collection] -= 1
            self._have[passage.id] = passage.mark
            self._faults.pop((passage.id, passage.mark), None)
            self._stale |= its is None
        self.progress = Progress(done, self.progress.of, passages[-1].collection)

    def ended_with(self, passages: Sequence[StoredPassage]) -> None:
        """The process ended while these were put in, or the embedder failed over them and over nothing else."""
        for passage in passages:
            self._faults[passage.id, passage.mark] += 1
            if self._is_aside(passage.id, passage.mark):
                logger.warning(
                    "making a vector failed twice over the passage %s; it is left out until the next start. Please "
                    "look at its text for characters that do not belong there",
                    passage.id,
                    extra={"action": "passage_set_aside"},
                )
