"""The gettext catalogues: complete, in step with their templates, and kept so by tools/texts.py."""

from __future__ import annotations

import io
import shutil
import string
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from jieqian.languages import Language
from jieqian.web.catalogues import DOMAINS, locale_of, read_catalogue
from jieqian.web.texts import Texts, catalogue

LOCALES = Path(str(files("jieqian.web"))) / "locales"
TOOL = Path(__file__).parents[2] / "tools" / "texts.py"
EVERY = [(locale_of(language), domain) for language in Language for domain in DOMAINS]
HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'


def place(locale: str, domain: str, locales: Path = LOCALES) -> Path:
    return locales / locale / "LC_MESSAGES" / f"{domain}.po"


def messages(path: Path) -> Iterator[tuple[Catalog, Message]]:
    with path.open("rb") as file:
        catalog = read_po(file, abort_invalid=True)
    yield from ((catalog, message) for message in catalog if message.id)


def several(words: object) -> tuple[str, ...]:
    return tuple(words) if isinstance(words, list | tuple) else (str(words),)


def places_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


# -- as they stand ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("locale", "domain"), EVERY)
def test_a_catalogue_is_whole_and_every_form_has_the_places_of_the_english(locale: str, domain: str) -> None:
    for catalog, message in messages(place(locale, domain)):
        forms = several(message.string)
        assert len(forms) == (catalog.num_plurals if message.pluralizable else 1), message.context
        assert all(form.strip() for form in forms), message.context
        assert not message.fuzzy, message.context
        assert not list(message.check(catalog)), message.context
        for text in (*forms, *several(message.id)):
            assert places_in(text) == places_in(several(message.id)[0]), message.context


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_catalogue_has_the_templates_texts_and_the_english_one_says_them(domain: str) -> None:
    template = [(message.context, several(message.id)) for _, message in messages(LOCALES / f"{domain}.pot")]
    assert len({key for key, _ in template}) == len(template) > 0
    for language in Language:
        path = place(locale_of(language), domain)
        assert [(message.context, several(message.id)) for _, message in messages(path)] == template
    english = place(locale_of(Language.EN), domain)
    assert [(message.context, several(message.string)) for _, message in messages(english)] == template


def test_a_key_stands_in_one_domain_only() -> None:
    keys = [message.context for domain in DOMAINS for _, message in messages(LOCALES / f"{domain}.pot")]
    assert len(keys) == len(set(keys)) == len(catalogue())


@pytest.mark.parametrize(("locale", "domain"), EVERY)
def test_a_text_with_several_forms_tells_what_it_counts_and_is_not_for_scripts(locale: str, domain: str) -> None:
    for _, message in messages(place(locale, domain)):
        if message.pluralizable:
            (comment,) = message.auto_comments
            assert comment.removeprefix("Forms by: ") in places_in(message.id[0]), message.context
            assert not str(message.context).startswith("live."), message.context


# -- as they are read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "count", "expected"),
    [
        (Language.EN, 0, "0 lots"),
        (Language.EN, 1, "1 lot"),
        (Language.EN, 100, "100 lots"),
        (Language.ZH_HANT, 1, "共 1 籤"),
        (Language.ZH_HANS, 1, "共 1 签"),
        (Language.JA, 1, "全 1 本"),
    ],
)
def test_words_that_change_with_a_number(language: Language, count: int, expected: str) -> None:
    assert Texts(language)("choose.lots", count=count) == expected


def test_the_number_that_counts_is_the_one_told_by_the_comment() -> None:
    texts = Texts(Language.EN)
    assert texts("admin.of_size", lots=1, size=60) == "1 of 60 lots"
    assert texts("admin.of_size", lots=1, size=1) == "1 of 1 lot"
    for key in ("share.hint", "embed.whole_hint", "kiosk.opens_reading"):
        assert "for 1 day" in texts(key, days=1)
        assert "1 days" not in texts(key, days=1)
        assert "for 2 days" in texts(key, days=2)


def test_english_stands_where_a_translation_is_missing_or_fuzzy() -> None:
    written = HEADER + '"Plural-Forms: nplurals=1; plural=0;\\n"\n'
    written += '\nmsgctxt "a.none"\nmsgid "None"\nmsgstr ""\n'
    written += '\n#, fuzzy\nmsgctxt "a.fuzzy"\nmsgid "Changed"\nmsgstr "元"\n'
    written += '\n#. Forms by: n\nmsgctxt "a.many"\nmsgid "{n} lot"\nmsgid_plural "{n} lots"\nmsgstr[0] ""\n'
    written += '\nmsgctxt "a.own"\nmsgid "Own"\nmsgstr "自"\n'
    texts = read_catalogue(io.BytesIO(written.encode()), "ja")
    assert {key: text.filled({"n": 1}) for key, text in texts.items()} == {
        "a.none": "None",
        "a.fuzzy": "Changed",
        "a.many": "1 lot",
        "a.own": "自",
    }


# -- as they are kept -------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LOCALES, tmp_path / "locales"))


def keep(locales: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), "--locales", str(locales), *more]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)


def change(path: Path, old: str, new: str) -> None:
    before = path.read_text(encoding="utf-8")
    assert before.count(old) == 1
    path.write_text(before.replace(old, new), encoding="utf-8")


def bytes_of(locales: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(locales.rglob("*.po*"))}


def test_the_catalogues_stand_as_the_command_writes_them(copy: Path) -> None:
    before = bytes_of(copy)
    told = keep(copy)
    assert (told.returncode, told.stdout) == (0, "every text is translated\n")
    assert bytes_of(copy) == before
    assert keep(copy, "--check").returncode == 0


def test_what_other_tools_write_besides_the_texts_goes(copy: Path) -> None:
    before, path = bytes_of(copy), place("ja", "pages", copy)
    change(path, '"Language: ja\\n"\n', '"Language: ja\\n"\n"Last-Translator: A <a@example.org>\\n"\n')
    change(path, 'msgid "Skip to the content"\n', 'msgid ""\n"Skip to "\n"the content"\n')
    path.write_text(path.read_text(encoding="utf-8") + '\n#~ msgid "Old"\n#~ msgstr "旧"\n', encoding="utf-8")
    keep(copy)
    assert bytes_of(copy) == before


def test_a_new_text_goes_where_the_template_has_it_and_is_told_of_as_missing(copy: Path) -> None:
    neighbour = 'msgctxt "nav.ask"\n'
    change(copy / "pages.pot", neighbour, f'msgctxt "nav.new"\nmsgid "New: {{name}}"\nmsgstr ""\n\n{neighbour}')
    before = bytes_of(copy)
    checked = keep(copy, "--check")
    assert checked.returncode == 1
    assert bytes_of(copy) == before
    told = keep(copy)
    assert told.returncode == 0
    for locale in ("zh_Hant", "zh_Hans", "ja"):
        path = place(locale, "pages", copy)
        assert f"{path}: nav.new: not translated" in told.stdout
        keys = [message.context for _, message in messages(path)]
        assert keys.index("nav.new") + 1 == keys.index("nav.ask")
        flags = [message.flags for _, message in messages(path) if message.context == "nav.new"]
        assert flags == [{"python-brace-format"}]
        change(path, 'msgid "New: {name}"\nmsgstr ""', 'msgid "New: {name}"\nmsgstr "新 {name}"')
    assert [message.string for _, message in messages(place("en", "pages", copy)) if message.context == "nav.new"] == [
        "New: {name}"
    ]
    assert keep(copy, "--check").returncode == 0


def test_changed_english_makes_its_translations_fuzzy_by_key(copy: Path) -> None:
    change(copy / "pages.pot", 'msgid "Skip to the content"', 'msgid "To the text"')
    told = keep(copy)
    for locale in ("zh_Hant", "zh_Hans", "ja"):
        path = place(locale, "pages", copy)
        assert f"{path}: nav.skip: fuzzy" in told.stdout
        (found,) = [message for _, message in messages(path) if message.context == "nav.skip"]
        assert found.id == "To the text"
        assert found.string == Texts(Language(locale.replace("_", "-")))("nav.skip")
    assert "en/LC_MESSAGES/pages.po: nav" not in told.stdout
    assert keep(copy, "--check").returncode == 1
    for locale in ("zh_Hant", "zh_Hans", "ja"):
        change(place(locale, "pages", copy), "#, fuzzy\n", "")
    assert keep(copy, "--check").returncode == 0


def test_a_text_that_gets_a_second_form_is_looked_at_again(copy: Path) -> None:
    one = 'msgctxt "engine.title"\nmsgid "Who writes here"\n'
    change(
        copy / "pages.pot", f'{one}msgstr ""', f'#. Forms by: n\n{one}msgid_plural "All"\nmsgstr[0] ""\nmsgstr[1] ""'
    )
    told = keep(copy)
    assert f"{place('ja', 'pages', copy)}: engine.title: fuzzy" in told.stdout
    after = bytes_of(copy)
    keep(copy)
    assert bytes_of(copy) == after


def test_a_text_that_is_gone_leaves_every_catalogue(copy: Path) -> None:
    change(copy / "pages.pot", 'msgctxt "nav.skip"\nmsgid "Skip to the content"\nmsgstr ""\n\n', "")
    assert keep(copy).returncode == 0
    assert not [path for path, data in bytes_of(copy).items() if b"nav.skip" in data]


def test_a_new_language_gets_its_catalogues(copy: Path) -> None:
    shutil.rmtree(copy / "ja")
    told = keep(copy)
    assert told.stdout.count(": not translated") == len(catalogue())
    assert {path.name for path in (copy / "ja" / "LC_MESSAGES").iterdir()} == {f"{domain}.po" for domain in DOMAINS}


@pytest.mark.parametrize("key", ['msgctxt "nav.ask"\n', ""])
def test_a_key_given_twice_or_not_at_all_is_refused(copy: Path, key: str) -> None:
    before = bytes_of(copy)
    path = copy / "pages.pot"
    path.write_text(path.read_text(encoding="utf-8") + f'\n{key}msgid "Other"\nmsgstr ""\n', encoding="utf-8")
    told = keep(copy)
    assert told.returncode == 1
    assert "needs a key (msgctxt) of its own" in told.stderr
    assert {name: data for name, data in bytes_of(copy).items() if name != path} == {
        name: data for name, data in before.items() if name != path
    }
