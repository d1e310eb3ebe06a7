"""The questions askers have most often (`suggested.toml`)."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files

from jieqian.languages import Language


@lru_cache(maxsize=1)
def suggested_questions() -> dict[Language, tuple[str, ...]]:
    """Some dozen for each language, the commonest first."""
    raw = tomllib.loads(files("jieqian.cache").joinpath("suggested.toml").read_text("utf-8"))
    return {Language(tag): tuple(questions) for tag, questions in raw.items()}
