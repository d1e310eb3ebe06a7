"""Bring the pages' catalogues to the state of their templates, and tell what is still to be translated.

python tools/texts.py          texts new in the templates (`locales/*.pot`) go into every catalogue, others leave it;
                               where the English of a key has changed, its translations are marked fuzzy
python tools/texts.py --check  writes nothing; fails where a catalogue is behind, or a translation missing or fuzzy
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import generate_po, read_po

from jieqian.languages import Language
from jieqian.web.catalogues import DOMAINS, locale_of

LOCALES = Path(__file__).parents[1] / "src" / "jieqian" / "web" / "locales"
SOURCE = locale_of(Language.EN)


def main() -> int:
    """Update or check; 1 where something is left to do that the caller asked about."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where something is to be done")
    parser.add_argument("--locales", type=Path, default=LOCALES, help="the folder of the templates")
    given = parser.parse_args()
    stale, left = [], []
    for domain in DOMAINS:
        template = given.locales / f"{domain}.pot"
        written = {template: read(template, None)}
        for locale in map(locale_of, Language):
            place = place_of(given.locales, locale, domain)
            written[place] = updated(read(place, locale), read(template, None))
        for path, catalog in written.items():
            stale += [path] if put(path, catalog, write=not given.check) else []
            left += [f"{path}: {fault}" for fault in to_do(catalog) if catalog.locale is not None]
    for path in stale:
        print(f"{path}: {'behind; run tools/texts.py' if given.check else 'written'}")
    print("\n".join(left) if left else "every text is translated")
    return int(given.check and bool(stale or left))


def place_of(locales: Path, locale: str, domain: str) -> Path:
    """Where gettext's tools look for a catalogue."""
    return locales / locale / "LC_MESSAGES" / f"{domain}.po"


def read(path: Path, locale: str | None) -> Catalog:
    """The catalogue; an empty one where there is none yet. A text that stands twice is an error."""
    if not path.exists():
        return Catalog(locale)
    with path.open("rb") as file:
        catalog = read_po(file, locale, abort_invalid=True)
    keys = [message.context for message in catalog if message.id]
    twice = {key or "(none)" for key in keys if keys.count(key) > 1 or not key}
    if twice:
        sys.exit(f"{path}: each text needs a key (msgctxt) of its own; look at {', '.join(sorted(twice))}")
    return catalog


def updated(before: Catalog, template: Catalog) -> Catalog:
    """That language's catalogue with the template's texts, in the template's order."""
    old = {message.context: message for message in before if message.id}
    catalog = Catalog(before.locale)
    for message in template:
        if message.id and message.context in old:
            # By its key: Babel itself would look for an alike English text, whatever its key.
            kept = old[message.context]
            flags = kept.flags | ({"fuzzy"} if kept.id != message.id and any_words(kept) else set())
            words = words_for(message, kept, catalog.num_plurals)
            catalog.add(message.id, words, flags=flags, user_comments=kept.user_comments, context=message.context)
    catalog.update(template, no_fuzzy_matching=True)
    if str(before.locale) == SOURCE:
        for message in catalog:
            if message.id:
                message.string, message.flags = message.id, message.flags - {"fuzzy"}
    return catalog


def words_for(message: Message, kept: Message, forms: int) -> str | tuple[str, ...]:
    """The words there were, in as many forms as the template now has."""
    words = tuple(kept.string) if isinstance(kept.string, list | tuple) else (kept.string or "",)
    if not message.pluralizable:
        return words[-1]
    return words if len(words) == forms else (words[-1],) * forms


def any_words(message: Message) -> bool:
    """Whether anything is written as its translation."""
    return any(message.string) if isinstance(message.string, list | tuple) else bool(message.string)


def to_do(catalog: Catalog) -> list[str]:
    """What a translator still has to do."""
    found = []
    for message in catalog:
        words = message.string if isinstance(message.string, list | tuple) else (message.string,)
        if message.id and message.fuzzy:
            found.append(f"{message.context}: fuzzy, to be looked at again")
        elif message.id and not all(words):
            found.append(f"{message.context}: not translated")
    return found


def put(path: Path, catalog: Catalog, *, write: bool) -> bool:
    """Whether the file is not as it should be; if wished it is written."""
    text = as_po(catalog)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return True


def as_po(catalog: Catalog) -> str:
    """The file's text: the header alone that readers need, without dates and names that change with every tool."""
    header = {"Plural-Forms": catalog.plural_forms} if catalog.locale is not None else {}
    if catalog.locale is not None:
        header = {"Language": str(catalog.locale_identifier), **header}
    header |= {"MIME-Version": "1.0", "Content-Type": "text/plain; charset=utf-8", "Content-Transfer-Encoding": "8bit"}
    text = io.StringIO()
    text.write('msgid ""\nmsgstr ""\n' + "".join(f'"{name}: {value}\\n"\n' for name, value in header.items()) + "\n")
    text.writelines(generate_po(catalog, omit_header=True, ignore_obsolete=True, no_location=True, width=0))
    return text.getvalue().rstrip("\n") + "\n"


if __name__ == "__main__":
    sys.exit(main())
