"""Take the pages' texts from TOML into the gettext templates and catalogues. May be run again: a key that is there
already takes the TOML file's words, keys that no TOML file has are left as they are.

python tools/convert_texts.py [FOLDER with texts.toml and admin_texts.toml]
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from texts import LOCALES, place_of, put, read

from jieqian.languages import Language
from jieqian.web.catalogues import locale_of

FILES = {"texts.toml": "pages", "admin_texts.toml": "admin"}
# English words that change with a number: the number, and the words for one.
SINGULAR = {
    "form.choice": ("size", "{name} ({size} lot)"),
    "form.wait": ("seconds", "Please try again in about {seconds} second."),
    "choose.lots": ("count", "{count} lot"),
    "temple.look_all": ("count", "{count} lot"),
    "share.hint": (
        "days",
        "Make a link: whoever has it can see this reading for {days} day, until you take it back. Your question is not"
        " shown, but the reading itself may speak of it.",
    ),
    "admin.of_size": ("size", "{lots} of {size} lot"),
}
# English words that are right with any number: scripts have one form of each text.
ANY_NUMBER = {"live.draw_again_later": "Too many draws in a short time. Please wait about {seconds} s."}


def main(folder: Path) -> None:
    """Convert both files where they are there."""
    for file, domain in FILES.items():
        if (folder / file).exists():
            tables = tomllib.loads((folder / file).read_text(encoding="utf-8"))
            toml = {f"{group}.{name}": words for group, table in tables.items() for name, words in table.items()}
            for key in ANY_NUMBER.keys() & toml.keys():
                toml[key]["en"] = ANY_NUMBER[key]
            convert(domain, toml)


def convert(domain: str, toml: dict[str, dict[str, str]]) -> None:
    """One domain: its template, then its catalogues."""
    path = LOCALES / f"{domain}.pot"
    before = {message.context or "": message for message in read(path, None) if message.id}
    entries = {key: (message.id, message.auto_comments) for key, message in before.items()}
    for key, words in toml.items():
        entries[key] = entry_of(key, words["en"], before.get(key))
    order = list(before)
    for earlier, key in zip(["", *toml], toml, strict=False):
        if key not in before:
            order.insert(order.index(earlier) + 1 if earlier in order else 0, key)
    template = Catalog()
    for key in order:
        template.add(entries[key][0], auto_comments=entries[key][1], context=key)
    put(path, template, write=True)
    for language in Language:
        convert_language(domain, language, template, toml)


def entry_of(key: str, english: str, before: Message | None) -> tuple[str | tuple[str, str], list[str]]:
    """The English of a key, in both its forms where it has two, and the comment that tells what they are chosen by."""
    if before is not None and isinstance(before.id, list | tuple) and before.id[1] == english:
        return (before.id[0], before.id[1]), before.auto_comments
    if key not in SINGULAR:
        return english, []
    counted, one = SINGULAR[key]
    return (one, english), [f"Forms by: {counted}"]


def convert_language(domain: str, language: Language, template: Catalog, toml: dict[str, dict[str, str]]) -> None:
    """The catalogue of one language, in the template's order."""
    locale = locale_of(language)
    path = place_of(LOCALES, locale, domain)
    before = {message.context: message for message in read(path, locale) if message.id}
    catalog, new, changed = Catalog(locale), 0, []
    for message in template:
        if not message.id or message.context is None:
            continue
        key = message.context
        kept = before.get(key)
        string: str | list[str] | tuple[str, ...] | None
        if key in toml:
            string, flags = as_string(message, toml[key][language], catalog), set()
        elif kept is not None:
            string, flags = kept.string, kept.flags
        else:
            continue
        new += kept is None
        changed += [key] if kept is not None and forms_of(kept.string) != forms_of(string) else []
        catalog.add(message.id, string, flags=flags, auto_comments=message.auto_comments, context=key)
    put(path, catalog, write=True)
    print(f"{path.relative_to(LOCALES)}: {len(catalog)} texts, {new} new; changed: {', '.join(changed) or 'none'}")


def as_string(message: Message, words: str, catalog: Catalog) -> str | tuple[str, ...]:
    """The words as `msgstr`, in as many forms as the language has."""
    if not isinstance(message.id, list | tuple):
        return words
    return (message.id[0], words) if catalog.num_plurals == 2 else (words,) * catalog.num_plurals


def forms_of(string: object) -> tuple[object, ...]:
    """The forms of a `msgstr`."""
    return tuple(string) if isinstance(string, list | tuple) else (string,)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else LOCALES.parent)
