"""Phrases sections must not hold, read once from `phrases.toml` and folded as the texts are."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path

from jieqian.checks.verse import fold

PHRASES = Path(__file__).with_name("phrases.toml")


@lru_cache(maxsize=32)
def phrases(table: str, key: str) -> tuple[str, ...]:
    """The phrases of one list, folded."""
    return tuple(fold(phrase) for phrase in _raw()[table][key])


@lru_cache(maxsize=1)
def _raw() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(PHRASES.read_text(encoding="utf-8"))
