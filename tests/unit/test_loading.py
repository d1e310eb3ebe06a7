"""What is loaded is never looked through for garbage, and what comes after is."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from jieqian.loading import leave_all, loading


class Knot:
    """Garbage that only a search finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_made_while_loading_is_left_alone_and_later_garbage_is_found() -> None:
    with loading():
        assert not gc.isenabled()
        loaded = ref(Knot())
    later = ref(Knot())
    gc.collect()
    assert gc.isenabled()
    assert loaded() is not None
    assert later() is None


def test_loading_that_fails_leaves_the_search_on() -> None:
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()


def test_at_the_end_nothing_is_looked_through() -> None:
    left = ref(Knot())
    leave_all()
    gc.collect()
    assert left() is not None
