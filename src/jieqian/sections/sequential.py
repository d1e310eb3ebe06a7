"""One call for all the wanted sections, one after another: what serves best on a server with one slot."""

from __future__ import annotations

from collections.abc import AsyncIterator

from jieqian.errors import ModelCutOff
from jieqian.llm.client import Finished, ModelRequest, TextDelta
from jieqian.sections.calling import calling
from jieqian.sections.ordering import messages_of, schema_of
from jieqian.sections.parsing import ReadingParser
from jieqian.sections.rambling import RamblingWatch
from jieqian.sections.strategy import CallEnded, Draft, ModelSpoke, WritingOrder

SURPLUS_CHARACTERS = 200


class Sequential:
    """The strategy `sequential`: drafts are shown while they are written, and three attempts are worth making."""

    name = "sequential"
    shows_drafts = True
    most_attempts = 3

    async def write(self, order: WritingOrder) -> AsyncIterator[Draft]:
        """The drafts of one attempt; raises `ModelError` after those so far, `ModelCutOff` for a rambling model."""
        prompt = order.prompt
        parser = ReadingParser(order.wanted, prompt.lot, prompt.collection, prompt.language, prompt.template_version)
        watch = RamblingWatch()
        spoke, surplus = False, 0
        async with calling(order.client, request_of(order)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, Finished):
                    for draft in parser.end():
                        yield draft
                    yield CallEnded(chunk)
                    return
                if not spoke and chunk.text:
                    spoke = True
                    yield ModelSpoke()
                if not isinstance(chunk, TextDelta):
                    continue
                surplus += len(chunk.text) if parser.complete else 0
                for draft in parser.feed(chunk.text):
                    yield draft
                if surplus > SURPLUS_CHARACTERS:
                    yield CallEnded(Finished("stop"))
                    return
                if not parser.complete and (reason := watch.feed(chunk.text)):
                    raise ModelCutOff(reason)
        raise ModelCutOff


def request_of(order: WritingOrder) -> ModelRequest:
    """The one call: prefix, question and instruction, with the schema where the model's server takes one."""
    options, model = order.options, order.model
    thoughtless = model.thinking_off is not None and options.thinking == model.thinking_off
    takes_schema = model.schema and not (model.schema_needs_thinking and thoughtless)
    return ModelRequest(
        model=order.model.name,
        messages=messages_of(order),
        max_tokens=options.max_tokens,
        context_tokens=options.context_tokens,
        schema=schema_of(order.wanted, order.prompt.lot) if takes_schema else None,
        temperature=options.temperature,
        repeat_penalty=options.repeat_penalty,
        thinking=options.thinking,
        first_token_seconds=options.first_token_seconds,
        between_tokens_seconds=options.between_tokens_seconds,
    )
