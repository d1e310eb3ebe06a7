"""The questions askers have most often (`suggested.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from jieqian.languages import Language


@lru_cache(maxsize=1)
def questions_by_topic() -> dict[Language, Mapping[str, tuple[str, ...]]]:
    """Some dozen for each language by topic, topics and questions the commonest first."""
    raw = tomllib.loads(files("jieqian.cache").joinpath("suggested.toml").read_text("utf-8"))
    return {
        Language(tag): {topic: tuple(questions) for topic, questions in topics.items()} for tag, topics in raw.items()
    }


@lru_cache(maxsize=1)
def suggested_questions() -> dict[Language, tuple[str, ...]]:
    """The same without their topics."""
    return {
        language: tuple(question for questions in topics.values() for question in questions)
        for language, topics in questions_by_topic().items()
    }
