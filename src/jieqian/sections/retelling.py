"""What a very small model can do: retell one note of the commentary to the asker, a plain call at a time.

Asked for a reading in JSON, a model of some hundred million parameters writes nonsense. Asked to say one note again,
with worked examples before it, it writes sensible English more often than not. So it gets a note a section, is never
shown before its check, and what does not keep close to its note (`sections/faithful.py`) is left to the commentary. The
glosses of single lines are not retold: a garbled gloss says something else of the verse, and of ten such sections that
passed four were worse than the glosses themselves (docs/decisions/0011).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from jieqian.languages import Language
from jieqian.llm.client import Finished, Message, ModelRequest, TextDelta
from jieqian.prompt.fence import fenced
from jieqian.sections.calling import calling
from jieqian.sections.faithful import looks_faithful, whole_sentences
from jieqian.sections.from_commentary import note_for
from jieqian.sections.parsing import cleaned
from jieqian.sections.section import SectionName
from jieqian.sections.strategy import (
    CallEnded,
    Draft,
    DraftEnded,
    DraftStarted,
    DraftText,
    ModelSpoke,
    WritingOrder,
)

TEMPERATURE = 0.3
# Tried on twelve notes with a model of 135 million parameters: at 1.03 nine kept to their note, at 1.1 none. The note
# stands last in what a server looks back on, so a strong penalty forbids its very words.
REPEAT_PENALTY = 1.03
NOTE_CHARACTERS = 220
MOST_TOKENS = 90

_TASK = "Say the note again to the person, with the word you."
_EXAMPLES = (
    (
        "Do not lend what you cannot spare. A friend who is refused kindly stays a friend.",
        "Do not lend more than you can spare. If you refuse kindly, your friend will stay a friend.",
    ),
    (
        "The boat is ready but the wind is against it. Mend the sails and wait one more week.",
        "Your boat is ready, but the wind is still against you. Use the week to mend your sails, and then set out.",
    ),
    (
        "Good news is near. Answer the first letter at once, and do not boast of it before it is settled.",
        "Good news is near for you. Answer the first letter at once, and do not boast before the matter is settled.",
    ),
    (
        "Sleep comes back when the lamp is out early. See a doctor if the pain stays.",
        "Your sleep will come back when you put out the lamp early. If the pain stays, you should see a doctor.",
    ),
)


class Retelling:
    """The strategy `retelling`, for models marked tiny: English only, shown after its check only, one attempt."""

    name = "retelling"
    shows_drafts = False
    most_attempts = 1

    async def write(self, order: WritingOrder) -> AsyncIterator[Draft]:
        """The sections whose retelling keeps to its note; of the others no text. Raises `ModelError`."""
        spoke = False
        for section in order.wanted:
            note = note_of(section, order)
            if not note:
                continue
            yield DraftStarted(section)
            told = ""
            async with calling(order.client, request_of(order, note)) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, Finished):
                        yield CallEnded(chunk)
                        break
                    if not spoke and chunk.text:
                        spoke = True
                        yield ModelSpoke()
                    if isinstance(chunk, TextDelta):
                        told += chunk.text
            text = whole_sentences(cleaned(told))
            if looks_faithful(note, text, question=order.prompt.asked):
                yield DraftText(section, text)
                yield DraftEnded(section, text)


def note_of(section: SectionName, order: WritingOrder) -> str:
    """The note one section retells; "" for the glosses, and in a language other than English."""
    prompt = order.prompt
    commentary = prompt.lot.commentary(prompt.language)
    if prompt.language is not Language.EN or commentary is None or commentary.language is not Language.EN:
        return ""
    if section is SectionName.LINE_BY_LINE:
        return ""
    return shortened(note_for(section, prompt.lot, prompt.language, prompt.about))


def shortened(note: str) -> str:
    """The note's first sentences, as many as a tiny model can hold (`NOTE_CHARACTERS`), and at least one."""
    if len(note) <= NOTE_CHARACTERS:
        return note
    whole = whole_sentences(note[:NOTE_CHARACTERS])
    return whole or note[:NOTE_CHARACTERS]


def request_of(order: WritingOrder, note: str) -> ModelRequest:
    """One call: task and examples, the same for every note and asker, then the note."""
    options = order.options
    shown = [message for given, told in _EXAMPLES for message in (Message("user", given), Message("assistant", told))]
    return ModelRequest(
        model=order.model.name,
        messages=(Message("system", _TASK), *shown, Message("user", fenced(note))),
        max_tokens=min(options.max_tokens, MOST_TOKENS),
        context_tokens=options.context_tokens,
        temperature=TEMPERATURE,
        repeat_penalty=REPEAT_PENALTY,
        first_token_seconds=options.first_token_seconds,
        between_tokens_seconds=options.between_tokens_seconds,
    )
