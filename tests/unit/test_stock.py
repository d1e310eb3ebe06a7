"""What the index has against what the catalogue wants: counts, what is gone, and passages that end its process."""

from __future__ import annotations

from contextlib import suppress

from jieqian.languages import Language
from jieqian.retrieval.catalogue import Catalogue
from jieqian.retrieval.passage import Kind, StoredPassage
from jieqian.retrieval.stock import Progress, Stock


def passage(place: str, kind: Kind = Kind.OVERALL, collection: str = "river", text: str = "t") -> StoredPassage:
    languages = frozenset({Language.EN})
    return StoredPassage(place, collection, 1, kind, None, Language.EN, languages, True, text, text)


class Shelf:
    """A catalogue that can be changed, and the stock over it."""

    def __init__(self, *passages: StoredPassage) -> None:
        self.put(*passages)
        self.stock = Stock(lambda: self.catalogue)
        self.stock.count()

    def put(self, *passages: StoredPassage) -> None:
        self.catalogue = Catalogue({each.id: each for each in passages}, {})


def ids(passages: list[StoredPassage]) -> list[str]:
    return [each.id for each in passages]


def test_lots_make_it_ready_and_answers_whole() -> None:
    lot, answer, other = passage("a"), passage("faq/b", Kind.FAQ), passage("c", collection="hill")
    shelf = Shelf(lot, answer, other)
    stock = shelf.stock
    assert ids(stock.missing()) == ["faq/b", "a", "c"], "a person waits for an answer"
    assert stock.unready == ["hill", "river"]
    with stock.putting_in([lot]):
        assert not stock.ready("river")
    assert (stock.ready("river"), stock.whole("river"), stock.unready) == (True, False, ["hill"])
    with stock.putting_in([answer]):
        pass
    assert stock.whole("river")
    assert (len(stock), stock.progress) == (2, Progress(2, 3, "river"))


def test_what_is_gone_keeps_it_from_being_whole() -> None:
    kept, gone = passage("a"), passage("b")
    shelf = Shelf(kept, gone)
    stock = shelf.stock
    stock.take_over({"a": kept.mark, "b": gone.mark})
    assert stock.whole("river")
    shelf.put(kept)
    stock.count()
    assert (stock.ready("river"), stock.whole("river"), stock.gone()) == (True, False, ["b"])
    with stock.taking_out(["b"]):
        assert not stock.whole("river"), "it may still be found"
        shelf.put(kept, gone)
        stock.count()
        assert (stock.ready("river"), ids(stock.missing())) == (False, ["b"]), "it came back"
        shelf.put(kept)
    assert stock.whole("river")


def test_what_goes_while_it_is_put_in_keeps_it_from_being_whole() -> None:
    kept, goes = passage("a"), passage("b")
    shelf = Shelf(kept, goes)
    with shelf.stock.putting_in([kept, goes]):
        shelf.put(kept)
        shelf.stock.count()
    assert (shelf.stock.whole("river"), shelf.stock.gone()) == (False, ["b"])


def test_the_old_text_of_what_is_set_aside_is_gone() -> None:
    old, poison = passage("a"), passage("a", text="poison")
    shelf = Shelf(poison, passage("b"))
    shelf.stock.take_over({"a": old.mark, "b": passage("b").mark})
    for _ in range(2):
        shelf.stock.ended_with([poison])
    shelf.stock.count()
    assert (shelf.stock.gone(), shelf.stock.whole("river")) == (["a"], False)
    assert shelf.stock.progress == Progress(1, 2)


def test_a_text_that_changed_is_missing() -> None:
    old, new = passage("a"), passage("a", text="u")
    shelf = Shelf(new)
    shelf.stock.take_over({"a": old.mark})
    assert (ids(shelf.stock.missing()), shelf.stock.gone()) == (["a"], [])


def test_what_ends_the_process_twice_is_set_aside_and_its_neighbour_is_not() -> None:
    poison, innocent, other = passage("a"), passage("b"), passage("c")
    shelf = Shelf(poison, innocent, other)
    stock = shelf.stock
    stock.ended_with([poison, innocent])
    assert ids(stock.missing()) == ["c", "a", "b"], "doubtful ones last"
    assert [stock.is_doubtful(each) for each in (poison, innocent, other)] == [True, True, False]
    stock.ended_with([poison])
    stock.count()
    assert (ids(stock.missing()), stock.set_aside) == (["b", "c"][::-1], ["a"])
    with stock.putting_in([innocent]):
        pass
    assert not stock.is_doubtful(innocent)
    with stock.putting_in([other]):
        pass
    assert stock.whole("river"), "nothing waits for what is set aside"
    shelf.put(passage("a", text="mended"), innocent, other)
    stock.count()
    assert (ids(stock.missing()), stock.set_aside) == (["a"], [])


def test_what_could_not_be_put_in_is_still_missing() -> None:
    shelf = Shelf(passage("a"))
    with suppress(OSError), shelf.stock.putting_in([passage("a")]):
        raise OSError
    assert ids(shelf.stock.missing()) == ["a"]
