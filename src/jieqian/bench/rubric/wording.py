"""The rubric's lists of words, and how an excerpt is cut."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from jieqian.checks.verse import fold

#: An excerpt in a report, in characters.
_EXCERPT = 120


def excerpt(text: str) -> str:
    """So much of a text as a report shows."""
    whole = " ".join(text.split())
    return whole if len(whole) <= _EXCERPT else whole[: _EXCERPT - 1] + "…"


@cache
def words() -> dict[str, Any]:
    """The lists of `words.toml`."""
    return tomllib.loads(files("jieqian.bench.rubric").joinpath("words.toml").read_text("utf-8"))


@cache
def general_words() -> frozenset[str]:
    """English words that tell nothing of a matter."""
    return frozenset(words()["general"]["en"])


@cache
def folded_words(sense: str) -> tuple[str, ...]:
    """The words of a sense (`warning`, `hopeful`), folded as a draft is."""
    return tuple(fold(word) for word in words()["sense"][sense])
