"""A version of the templates tried out on a lot, before any asker's reading is written with it."""

from __future__ import annotations

from typing import cast

from jieqian.errors import TemplatesRefused
from jieqian.languages import Language
from jieqian.llm.client import ModelClient, ModelInfo
from jieqian.lots.lot import Collection, Lot
from jieqian.prompt.builder import build_prompt
from jieqian.prompt.prompt import ParentReading, Passage
from jieqian.prompt.verse import verse_lines
from jieqian.prompt.versions import TemplateVersion
from jieqian.sections.ordering import messages_of
from jieqian.sections.section import SECTIONS
from jieqian.sections.strategy import WritingOptions, WritingOrder

_QUESTION = "Q-3491"
_OPTIONS = WritingOptions(context_tokens=8192, max_tokens=1000)
_NOBODY = cast("ModelClient", None)  # what is asked does not depend on who is


def try_templates(version: TemplateVersion, lot: Lot, collection: Collection) -> None:
    """Fill in every template as readings do. Raises `TemplatesRefused` where one cannot be, or leaves out what must be
    told: the verse, the question, the keys of the sections.
    """
    for language in Language:
        try:
            texts = _texts(version, lot, collection, language)
        except Exception as error:  # a template is a program: 1 / 0 in it is no error of Jinja's
            raise TemplatesRefused(f"templates/{version.name}, {language.value}: {error}.") from error
        for what, must, text in texts:
            if must not in text:
                raise TemplatesRefused(
                    f"templates/{version.name}/{language.value}.{what}.txt leaves out {must!r}, which a reading needs."
                )


def _texts(
    version: TemplateVersion, lot: Lot, collection: Collection, language: Language
) -> list[tuple[str, str, str]]:
    """Which template, what must be in its text, its text."""
    prompt = build_prompt(
        lot=lot,
        collection=collection,
        language=language,
        passages=[Passage(id="p", title="t", text="p")],
        question=_QUESTION,
        parent=ParentReading(lot_title="t", question="q", conclusion="c"),
        template=version.name,
    )
    found = [("prefix", verse, prompt.prefix) for verse in verse_lines(lot, language)]
    found.append(("question", _QUESTION, prompt.question))
    whole, first, rest = SECTIONS, SECTIONS[:1], SECTIONS[1:]
    for wanted, others, written in ((whole, (), ()), (first, rest, ()), (rest, (), first)):
        order = WritingOrder(
            client=_NOBODY,
            model=ModelInfo(name=""),
            prompt=prompt,
            wanted=wanted,
            options=_OPTIONS,
            complaints=dict.fromkeys(wanted, "c"),
            written=dict.fromkeys(written, "w"),
            others=others,
        )
        found += [("order", name.value, messages_of(order)[-1].content) for name in wanted]
    return found
