"""How long our prompts can get: the longest that the builder makes of the collections there are, language by language.

The lot with most to tell, the passages with most text in them, a question as long as may be asked that shows no topic
(so that counsel on every topic is told), after an earlier reading with a question as long.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from jieqian.checks.question import LONGEST_QUESTION
from jieqian.languages import Language
from jieqian.llm.client import Message, ModelClient, ModelInfo
from jieqian.llm.tokens import tokens_at_least, tokens_likely
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import Collection, Lot
from jieqian.prompt.builder import PARENT_CHARACTERS, PASSAGE_CHARACTERS, build_prefix, build_prompt
from jieqian.prompt.prompt import ParentReading, Passage
from jieqian.retrieval.catalogue import lot_passages
from jieqian.sections.ordering import messages_of
from jieqian.sections.section import SECTIONS
from jieqian.sections.strategy import WritingOptions, WritingOrder

#: What seven sections take in Chinese, the longest language, in tokens; thinking comes on top.
ANSWER_TOKENS = 1400
_PHRASES = {
    Language.ZH_HANT: "請問這支籤說的究竟是什麼呢？",
    Language.ZH_HANS: "请问这支签说的究竟是什么呢？",
    Language.EN: "How should I take what this says? ",
    Language.JA: "このおみくじは何を言おうとしているのでしょうか。",
}
_OPTIONS = WritingOptions(context_tokens=0, max_tokens=0)


@dataclass(frozen=True, slots=True)
class LongestPrompt:
    """The longest prompt of one language: whose it is, its characters, and its tokens by both of `llm/tokens.py`."""

    language: Language
    lot: str
    characters: int
    at_least: int
    likely: int


def longest_prompts(library: LotLibrary, passages: int) -> list[LongestPrompt]:
    """That of each language with so many passages, longest first; none where there are no lots. Some 2 s for 600
    lots: not for the event loop.
    """
    found = [_longest(library, language, passages) for language in Language]
    return sorted((each for each in found if each), key=lambda each: -each.likely)


def _longest(library: LotLibrary, language: Language, passages: int) -> LongestPrompt | None:
    there = [
        _measured(language, lot, _messages(collection, lot, language, _most_text(library, lot, language, passages)))
        for collection in library.collections()
        if (lot := _longest_lot(library, collection, language)) is not None
    ]
    return max(there, key=lambda each: each.likely, default=None)


def _longest_lot(library: LotLibrary, collection: Collection, language: Language) -> Lot | None:
    def length(lot: Lot) -> int:
        counsel = lot.counsel(language)
        topics = "".join(counsel.topics.values()) if counsel else ""
        return tokens_likely((Message("system", build_prefix(lot, collection, language) + topics),))

    return max(library.lots(collection.id), key=length, default=None)


def _most_text(library: LotLibrary, lot: Lot, language: Language, passages: int) -> list[Passage]:
    """The passages of the collection's other lots that take most of what a passage may."""

    def texts() -> Iterator[tuple[int, str]]:
        for other in library.lots(lot.collection):
            if other.number != lot.number:
                for each in lot_passages(other):
                    if language in each.serves:
                        text = each.text[:PASSAGE_CHARACTERS]
                        yield tokens_likely((Message("user", text),)), text

    return [
        Passage(id=str(place), title=lot.title(language), text=text)
        for place, (_, text) in enumerate(heapq.nlargest(passages, texts()))
    ]


def _messages(collection: Collection, lot: Lot, language: Language, passages: list[Passage]) -> tuple[Message, ...]:
    question = (_PHRASES[language] * LONGEST_QUESTION)[:LONGEST_QUESTION]
    earlier = ParentReading(lot_title=lot.title(language), question=question, conclusion=question[:PARENT_CHARACTERS])
    prompt = build_prompt(
        lot=lot, collection=collection, language=language, passages=passages, question=question, parent=earlier
    )
    nobody = cast("ModelClient", None)  # an order's messages do not depend on who is asked
    order = WritingOrder(client=nobody, model=ModelInfo(name=""), prompt=prompt, wanted=SECTIONS, options=_OPTIONS)
    return messages_of(order)


def _measured(language: Language, lot: Lot, messages: tuple[Message, ...]) -> LongestPrompt:
    characters = sum(len(message.content) for message in messages)
    return LongestPrompt(language, lot.id, characters, tokens_at_least(messages), tokens_likely(messages))
