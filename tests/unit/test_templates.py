"""Versions of the templates: an operator's own beside ours, and what is wrong with one that is not whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sample_lots import YUELAO, sample_lot

from jieqian.errors import TemplatesRefused
from jieqian.languages import Language
from jieqian.prompt import versions
from jieqian.prompt.builder import build_prompt
from jieqian.prompt.prompt import Prompt
from jieqian.prompt.versions import (
    TEMPLATE_VERSION,
    add_version,
    forget_version,
    read_version,
    version_names,
    version_of,
)
from jieqian.reading.template_trial import try_templates
from jieqian.sections.echoes import about, without_echo
from jieqian.sections.section import SectionName

OURS = Path(versions.__file__).parent / "templates" / TEMPLATE_VERSION


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """A copy of ours, under a name of its own."""
    folder = tmp_path / "brief"
    shutil.copytree(OURS, folder)
    yield folder
    forget_version("brief")


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def prompt(template: str) -> Prompt:
    return build_prompt(
        lot=sample_lot(),
        collection=YUELAO,
        language=Language.EN,
        passages=(),
        question="Should I move?",
        parent=None,
        template=template,
    )


def test_an_own_version_is_written_with_and_known_by_its_words(own: Path) -> None:
    change(own / "about.toml", "describe how this matter is likely to go", "say in one breath how it will go")
    first = read_version(own)
    add_version(first)
    try_templates(first, sample_lot(), YUELAO)
    assert version_names() == (TEMPLATE_VERSION, "brief")
    assert prompt("brief").prefix == prompt(TEMPLATE_VERSION).prefix
    assert about(Language.EN, "brief")["overall_development"] == "say in one breath how it will go"
    told = "Say in one breath how it will go: well."
    assert without_echo(told, SectionName.OVERALL_DEVELOPMENT, Language.EN, grows=False, template="brief") == "well."
    assert without_echo(told, SectionName.OVERALL_DEVELOPMENT, Language.EN, grows=False) == told
    prefix = own / "en.prefix.txt"
    prefix.write_text(f"Be brief.\n{prefix.read_text(encoding='utf-8')}", encoding="utf-8")
    second = read_version(own)
    add_version(second)
    assert second.identity != first.identity, "kept answers of the older words must not serve"
    assert prompt("brief").prefix.startswith("Be brief.")
    assert not prompt(TEMPLATE_VERSION).prefix.startswith("Be brief.")
    assert prompt("brief").template_version == "brief"


def test_ours_is_known_by_its_name_alone_and_stands_in_for_what_is_gone() -> None:
    assert version_of(None).identity == TEMPLATE_VERSION
    assert version_of("gone") is version_of(TEMPLATE_VERSION)
    forget_version(TEMPLATE_VERSION)
    assert TEMPLATE_VERSION in version_names()


def test_ours_passes_the_trial() -> None:
    try_templates(version_of(None), sample_lot(), YUELAO)


def offer(folder: Path) -> None:
    add_version(read_version(folder))
    try_templates(version_of(folder.name), sample_lot(), YUELAO)


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda folder: (folder / "ja.order.txt").unlink(), "brief/ja.order.txt cannot be read"),
        (lambda folder: (folder / "ja.order.txt").write_bytes(b"\xff"), "not in UTF-8"),
        (lambda folder: (folder / "en.order.txt").write_text("{% if %}"), "en.order.txt is no template"),
        (lambda folder: (folder / "en.order.txt").write_text("{{ mood }}"), "en: 'mood' is undefined"),
        (lambda folder: (folder / "en.order.txt").write_text("{{ wanted | length // 0 }}"), "by zero"),
        (lambda folder: (folder / "en.order.txt").write_text("{{ ''.__class__.__mro__ }}"), "'__class__'"),
        (lambda folder: (folder / "en.question.txt").write_text("Ask."), "en.question.txt leaves out"),
        (lambda folder: (folder / "en.prefix.txt").write_text("Rules."), "en.prefix.txt leaves out"),
        (lambda folder: (folder / "about.toml").write_text("[en"), "about.toml is no TOML"),
        (lambda folder: (folder / "about.toml").write_text("[en]"), "nothing for"),
        (lambda folder: change(folder / "about.toml", "conclusion =", "ending ="), "conclusion"),
    ],
)
def test_what_is_not_whole_is_refused_by_file_and_fault(
    own: Path, break_it: Callable[[Path], object], told: str
) -> None:
    break_it(own)
    with pytest.raises(TemplatesRefused) as refused:
        offer(own)
    assert told in refused.value.detail


def test_a_name_of_ours_or_none_at_all_is_refused(own: Path) -> None:
    for name, told in ((TEMPLATE_VERSION, "a packaged version"), ("Two Words", "small letters")):
        with pytest.raises(TemplatesRefused, match=told):
            offer(own.rename(own.with_name(name)))
        own.with_name(name).rename(own)
