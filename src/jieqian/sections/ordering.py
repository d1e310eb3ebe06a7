"""What is asked of the model last: the schema of the wanted sections and the final instruction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jieqian.languages import Language
from jieqian.llm.client import Message
from jieqian.lots.lot import TOPICS, Lot
from jieqian.prompt.builder import render
from jieqian.prompt.prompt import Prompt
from jieqian.prompt.verse import in_script, verse_lines
from jieqian.sections.echoes import about
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.sections.strategy import WritingOrder
from jieqian.sections.topics import topic_of

WRITTEN_CHARACTERS = 160

ASKED_LENGTHS: Mapping[Language, tuple[int, int]] = {
    Language.ZH_HANT: (40, 80),
    Language.ZH_HANS: (40, 80),
    Language.EN: (25, 45),
    Language.JA: (50, 100),
}
"""What is asked of one line's explanation and of any other section, in words for English and characters else."""


def schema_of(wanted: tuple[SectionName, ...], lot: Lot) -> dict[str, Any]:
    """The JSON Schema of an answer: the wanted sections in order, the first an array with one string a verse line.

    Only keywords that strict structured output takes everywhere: no bounds on a string's length.
    """
    text = {"type": "string"}
    lines = {"type": "array", "items": text, "minItems": len(lot.lines), "maxItems": len(lot.lines)}
    return {
        "type": "object",
        "properties": {name.value: lines if name is SectionName.LINE_BY_LINE else text for name in wanted},
        "required": [name.value for name in wanted],
        "additionalProperties": False,
    }


def instruction_of(order: WritingOrder) -> str:
    """The final instruction, in the asked language: what each section is about, how long, and what was refused."""
    prompt = order.prompt
    line_length, section_length = (round(length * order.options.length) for length in ASKED_LENGTHS[prompt.language])
    return render(
        "order",
        prompt.language,
        prompt.template_version,
        about=about(prompt.language, prompt.template_version),
        counsel=counsel_of(prompt),
        line_count=len(prompt.lot.lines),
        lines=_lines_to_explain(prompt),
        line_length=line_length,
        section_length=section_length,
        wanted=[name.value for name in order.wanted],
        others=[name.value for name in order.others],
        written=[order.written[name][:WRITTEN_CHARACTERS] for name in SECTIONS if name in order.written],
        complaints=[
            {"name": name.value, "advice": order.complaints[name]} for name in order.wanted if name in order.complaints
        ],
    )


def counsel_of(prompt: Prompt) -> list[dict[str, str]]:
    """The commentary's counsel on the question's topic (`topic`, `text`); on every topic where there is none on it."""
    commentary = prompt.lot.counsel(prompt.language)
    if commentary is None:
        return []
    topic = topic_of(prompt.about)
    topics = (topic,) if topic in commentary.topics else tuple(name for name in TOPICS if name in commentary.topics)
    return [{"topic": name, "text": in_script(commentary.topics[name], prompt.language)} for name in topics if name]


def _lines_to_explain(prompt: Prompt) -> tuple[str, ...]:
    """What the model is to explain line by line: the verse, or its gloss where the verse is in a foreign script."""
    commentary = prompt.lot.commentary(prompt.language)
    readable = prompt.language.is_chinese or commentary is None or commentary.language is not prompt.language
    glosses = () if readable or commentary is None else commentary.gloss
    return glosses or verse_lines(prompt.lot, prompt.language)


def messages_of(order: WritingOrder) -> tuple[Message, ...]:
    """The stable prefix as the system's message; passages, question and instruction as the asker's."""
    asked = f"{order.prompt.question}\n\n{instruction_of(order)}"
    return (Message("system", order.prompt.prefix), Message("user", asked))
