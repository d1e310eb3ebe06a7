"""The words of the commands in the asker's language: their own, and those of the pages."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files

from jieqian.languages import Language
from jieqian.web.texts import Texts


class Words:
    """`words("draw.throw", place=1, throw="…")`. Raises `KeyError` for an unknown key."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._pages = Texts(language)

    def __call__(self, key: str, **values: object) -> str:
        """The commands' own text, else the pages', with `{name}` filled in."""
        own = _own().get(key)
        if own is None:
            return self._pages(key, **values)
        return own[self.language].format_map(values)

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in _own() or self._pages.has(key)

    def seconds(self, ms: float) -> str:
        """Milliseconds as `1.2 s`, in the language's own way."""
        return self._pages("live.seconds", seconds=f"{ms / 1000:.1f}")


@lru_cache(maxsize=1)
def _own() -> dict[str, dict[str, str]]:
    tables = tomllib.loads(files(__package__).joinpath("words.toml").read_text(encoding="utf-8"))
    return {f"{group}.{name}": words for group, table in tables.items() for name, words in table.items()}
