"""What of a model's words becomes a proposal, and that nothing else does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from jieqian.errors import ModelUnreachable
from jieqian.faq.entry import FaqEntry
from jieqian.faq.translating import NoProposal, Proposal, Speaker, Translator
from jieqian.languages import Language
from jieqian.llm.client import Finished, ModelChunk, ModelInfo, ModelRequest, TextDelta, ThinkingDelta
from jieqian.sections.strategy import WritingOptions

ENTRY = FaqEntry(
    id="e",
    task_id=None,
    collection="yuelao",
    lot=7,
    category="love",
    language=Language.EN,
    question="Will ‹name› write to me again? <b>",
    answer="Wait a month, then write first.",
    created_at=0.0,
)
GOOD = {"question": "‹name›はまた手紙をくれますか？", "answer": "ひと月待って、こちらから書きましょう。"}


class Model:
    """A client that says what it is told, one text a call; None: it cannot be reached."""

    provider, base_url = "stand-in", None

    def __init__(self, *texts: str | None) -> None:
        self.texts = list(texts)
        self.asked: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        self.asked.append(request)
        text = self.texts.pop(0)
        if text is None:
            raise ModelUnreachable
        yield ThinkingDelta("hm")
        for at in range(0, len(text), 7):
            yield TextDelta(text[at : at + 7])
        yield Finished("stop")


def translator(model: Model | None, info: ModelInfo | None = None) -> Translator:
    @asynccontextmanager
    async def speakers() -> AsyncIterator[Speaker | None]:
        options = WritingOptions(context_tokens=4096, max_tokens=2000)
        known = info or ModelInfo(name="qwen")
        yield None if model is None else Speaker(model, known, options)  # type: ignore[arg-type]

    return Translator(speakers)


def said(**changes: str) -> str:
    return json.dumps(GOOD | changes, ensure_ascii=False)


async def test_a_proposal_is_read_out_of_whatever_is_around_it():
    model = Model(f"Sure!\n```json\n{said()}\n```\nAnything else?")
    found = await translator(model).propose(ENTRY, Language.JA)
    assert found == Proposal(GOOD["question"], GOOD["answer"], "qwen")
    (request,) = model.asked
    told = request.messages[1].content
    assert ("‹name›" in told, "<b>" in told) == (True, False), "an entry cannot break out of its tags"
    assert (request.schema is not None, request.max_tokens) == (True, 1500)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot do that.",
        '{"question": "‹name›はまた手紙をくれますか？"}',
        said(answer=""),
        said(question="Will ‹name› write to me again?", answer="Wait a month, then write first."),
        said(question="また手紙をくれますか？"),
        said(answer="ひと月待って、‹name›に書きましょう。"),
        said(answer="待" + "ちましょう。" * 120),
        said(answer="ま"),
        said()[:-1],
    ],
)
async def test_what_is_no_translation_is_asked_for_once_more_and_then_left(text: str):
    model = Model(text, text)
    assert await translator(model).propose(ENTRY, Language.JA) == Proposal(reason=NoProposal.UNUSABLE)
    assert len(model.asked) == 2
    assert (await translator(Model(text, said())).propose(ENTRY, Language.JA)).by == "qwen"


async def test_chinese_is_brought_to_the_script_that_was_asked_for():
    simplified = said(question="‹name›还会写信给我吗？", answer="等一个月，再先写信。")
    found = await translator(Model(simplified)).propose(ENTRY, Language.ZH_HANT)
    assert (found.question, found.answer) == ("‹name›還會寫信給我嗎？", "等一個月，再先寫信。")
    chinese = replace(ENTRY, language=Language.ZH_HANT, question="她還會回信嗎？", answer="等一個月。")
    assert await translator(None).propose(chinese, Language.ZH_HANS) == Proposal(
        "她还会回信吗？", "等一个月。", "opencc"
    )


async def test_without_a_model_for_it_a_person_writes_it():
    english_only = ModelInfo(name="small", languages=frozenset({Language.EN}))
    for nobody in (translator(None), translator(Model(), english_only)):
        assert await nobody.propose(ENTRY, Language.JA) == Proposal(reason=NoProposal.NO_MODEL)
    assert await translator(Model(None)).propose(ENTRY, Language.JA) == Proposal(reason=NoProposal.FAILED)
