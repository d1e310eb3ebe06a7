"""The gettext catalogues of the pages (`locales/*/LC_MESSAGES/*.po`), read as they are: nothing is compiled beforehand.

An entry's `msgctxt` is our key (`form.title`), its `msgid` the English text, which also stands where a translation is
missing or marked fuzzy. `tools/texts.py` keeps the catalogues at the template's state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from gettext import c2py
from importlib.resources import files
from typing import IO

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from jieqian.languages import Language

#: The files of each language: what visitors read, and what the operator reads (all others).
DOMAINS = ("pages", "admin", "dashboard", "experiments", "faq")
# A comment of the template says which value a text with several forms counts.
_COUNTED = re.compile(r"Forms by: (\w+)")


@dataclass(frozen=True, slots=True)
class Text:
    """One text in one language; where its words change with a number, one form for each sort of number."""

    forms: tuple[str, ...]
    form_of: Callable[[int], int]
    counted: str | None = None

    @property
    def general(self) -> str:
        """The only form, or that of most numbers."""
        return self.forms[-1]

    def filled(self, values: Mapping[str, object]) -> str:
        """The form for the counted value, with `{name}` filled in."""
        if not values:
            return self.general
        number = values[self.counted] if self.counted else None
        form = self.forms[self.form_of(number)] if isinstance(number, int) else self.general
        return form.format_map(values)


def locale_of(language: Language) -> str:
    """`zh_Hant`: the language as gettext's tools name it."""
    return language.value.replace("-", "_")


@cache
def read_texts(language: Language) -> Mapping[str, Text]:
    """Every text of that language, by key."""
    folder = files(__package__).joinpath("locales", locale_of(language), "LC_MESSAGES")
    found: dict[str, Text] = {}
    for domain in DOMAINS:
        with folder.joinpath(f"{domain}.po").open("rb") as file:
            found |= read_catalogue(file, locale_of(language))
    return found


def read_catalogue(file: IO[bytes], locale: str) -> dict[str, Text]:
    """The texts of one file, by key; in English where a translation is missing or marked fuzzy."""
    catalog = read_po(file, locale, ignore_obsolete=True, abort_invalid=True)
    # English words, in another language's catalogue, are chosen as English has them.
    own, english = c2py(catalog.plural_expr), c2py(Catalog("en").plural_expr)
    found: dict[str, Text] = {}
    for message in catalog:
        if message.context is not None:
            forms = _translated(message)
            found[message.context] = Text(forms or _forms(message.id), own if forms else english, _counted(message))
    return found


def _translated(message: Message) -> tuple[str, ...]:
    forms = _forms(message.string)
    return forms if all(forms) and not message.fuzzy else ()


def _forms(words: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    return (words or "",) if isinstance(words, str | None) else tuple(words)


def _counted(message: Message) -> str | None:
    if not message.pluralizable:
        return None
    found = _COUNTED.search(" ".join(message.auto_comments))
    return found[1] if found else None
