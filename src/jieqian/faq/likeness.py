"""Whether questions are nearly the same, by their letters alone: no model, no network; and which of many are."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import lru_cache
from math import ceil
from typing import TypeVar

from jieqian.checks.script import fold_shapes

#: Two questions that share so much of their pairs (triples, in Latin letters) of letters are one for the FAQ.
NEARLY = 0.8
#: So many make a group at most: what a person can look at. The next ones make another.
MOST_IN_A_GROUP = 50
#: A question is compared with so many groups at most, the likeliest first.
_MOST_COMPARED = 20
#: Two texts that are nearly the same share this of the longer one's parts at least (of Dice's coefficient it follows).
_SHARED_OF_LONGER = NEARLY / (2 - NEARLY)
Item = TypeVar("Item")


def nearly_same(question: str, others: Iterable[str]) -> bool:
    """Whether one of the others asks the same, but for case, width, script, marks and a word or so."""
    mine, my_parts = _letters_and_parts(question)
    for other in others:
        letters, parts = _letters_and_parts(other)
        if letters == mine or _shared(my_parts, parts) >= NEARLY:
            return True
    return False


def groups_of(
    items: Sequence[Item],
    text: Callable[[Item], str],
    within: Callable[[Item], Hashable],
    alike: Callable[[Item, Item], bool] = lambda _one, _other: True,
) -> list[list[Item]]:
    """The items in groups of nearly the same text, each in the order given, as are the groups by their first items.

    Only items of the same `within` come together, and only with a first item that is `alike`. Linear in the number of
    items: a text is compared only with those that share one of its rarest parts, which all that are near do (prefix
    filtering). Pure computing, a second for 10,000: not for the event loop.
    """
    parts = [_parts(text(item)) for item in items]
    common = Counter(part for mine in parts for part in mine)
    rank = {part: at for at, part in enumerate(sorted(common, key=lambda part: (common[part], part)))}
    groups: list[list[int]] = []
    by_part: dict[tuple[Hashable, int], list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        rarest = sorted(map(rank.__getitem__, parts[place]))
        where = within(item)
        telling = [(where, part) for part in rarest[: len(rarest) - ceil(_SHARED_OF_LONGER * len(rarest)) + 1]]
        for group in _likeliest(by_part[key] for key in telling):
            first = groups[group][0]
            same = 2 * len(parts[place] & parts[first]) >= NEARLY * (len(parts[place]) + len(parts[first]))
            if same and len(groups[group]) < MOST_IN_A_GROUP and alike(items[first], item):
                groups[group].append(place)
                break
        else:
            for key in telling:
                by_part[key].append(len(groups))
            groups.append([place])
    return [[items[place] for place in group] for group in groups]


def _likeliest(found: Iterable[Sequence[int]]) -> Iterator[int]:
    """Groups that share a part, those with the rarest first; so many at most."""
    seen: set[int] = set()
    for those in found:
        for group in those[-_MOST_COMPARED:]:
            if group not in seen:
                seen.add(group)
                yield group
            if len(seen) == _MOST_COMPARED:
                return


def _letters_and_parts(text: str) -> tuple[str, Counter[str]]:
    plain = fold_shapes(unicodedata.normalize("NFKC", text).casefold())
    letters = "".join(letter for letter in plain if letter.isalnum())
    size = 3 if letters.isascii() else 2
    return letters, Counter(letters[at : at + size] for at in range(max(1, len(letters) - size + 1)))


@lru_cache(maxsize=20_000)
def _parts(text: str) -> frozenset[tuple[str, int]]:
    """Its parts, each with how many of the same stand before it: what `Counter`s share, sets do."""
    return frozenset((part, at) for part, times in _letters_and_parts(text)[1].items() for at in range(times))


def _shared(mine: Counter[str], other: Counter[str]) -> float:
    """Dice's coefficient, from 0 to 1."""
    return 2 * (mine & other).total() / max(1, mine.total() + other.total())
