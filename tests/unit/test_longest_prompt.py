"""Our longest prompts: longest indeed, in every language, and no longer than the usual window holds."""

from __future__ import annotations

import pytest

from jieqian.checks.question import LONGEST_QUESTION
from jieqian.languages import Language
from jieqian.llm.client import Message
from jieqian.llm.tokens import tokens_likely
from jieqian.lots.library import LotLibrary
from jieqian.prompt.builder import build_prompt
from jieqian.prompt.prompt import ParentReading, Passage
from jieqian.reading.longest_prompt import _PHRASES, ANSWER_TOKENS, longest_prompts
from jieqian.retrieval.catalogue import lot_passages
from jieqian.sections.topics import topic_of
from jieqian.settings import Settings


@pytest.fixture(scope="module")
def library() -> LotLibrary:
    return LotLibrary()


def test_the_usual_window_holds_them_with_an_answer(library: LotLibrary) -> None:
    usual = Settings(_env_file=None)  # type: ignore[call-arg]
    found = longest_prompts(library, usual.passages)
    assert {each.language for each in found} == set(Language)
    assert [each.likely for each in found] == sorted((each.likely for each in found), reverse=True)
    for each in found:
        assert each.characters > 2 * LONGEST_QUESTION
        assert each.at_least < each.likely
        assert each.likely + ANSWER_TOKENS <= usual.llm_context_tokens


def test_no_prompt_of_a_real_lot_and_its_passages_is_longer(library: LotLibrary) -> None:
    longest = {each.language: each.likely for each in longest_prompts(library, 5)}
    for language in Language:
        question = (_PHRASES[language] * LONGEST_QUESTION)[:LONGEST_QUESTION]
        for collection in library.collections():
            lots = library.lots(collection.id)
            for lot in lots[::9]:
                others = (each for other in lots[:9] if other is not lot for each in lot_passages(other))
                some = [each for each in others if language in each.serves][:5]
                prompt = build_prompt(
                    lot=lot,
                    collection=collection,
                    language=language,
                    passages=[Passage(id=each.id, title=lot.title(language), text=each.text) for each in some],
                    question=question,
                    parent=ParentReading(lot_title=lot.title(language), question=question, conclusion=question),
                )
                messages = (Message("system", prompt.prefix), Message("user", prompt.question))
                assert tokens_likely(messages) <= longest[language], lot.id


def test_more_passages_make_them_longer_and_no_lots_make_none(library: LotLibrary) -> None:
    lengths = [max(each.likely for each in longest_prompts(library, passages)) for passages in (0, 5)]
    assert lengths[0] < lengths[1]
    assert longest_prompts(LotLibrary((), offered=("nothing",)), 5) == []


def test_the_question_shows_no_topic_so_that_counsel_on_all_is_told() -> None:
    for language, phrase in _PHRASES.items():
        assert topic_of((phrase * LONGEST_QUESTION)[:LONGEST_QUESTION]) is None, language
