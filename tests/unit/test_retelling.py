from collections.abc import Callable

import pytest
from test_sequential import ScriptedClient, order_for

from jieqian.errors import ModelUnreachable
from jieqian.languages import Language
from jieqian.llm.client import Finished, ModelRequest, TextDelta
from jieqian.sections.faithful import looks_faithful, whole_sentences
from jieqian.sections.retelling import Retelling, note_of, shortened
from jieqian.sections.section import SectionName
from jieqian.sections.strategy import CallEnded, Draft, DraftEnded, DraftStarted, DraftText, ModelSpoke

NOTE = "The boat is ready but the wind is not. Mend the sails and wait one more week before you leave."


class EchoClient(ScriptedClient):
    """A model that answers each note with what a function makes of it."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        super().__init__([])
        self.answer = answer

    async def stream(self, request: ModelRequest):  # type: ignore[no-untyped-def,override]
        self.requests.append(request)
        text = self.answer(request.messages[-1].content)
        for at in range(0, len(text), 5):
            yield TextDelta(text[at : at + 5])
        yield Finished("stop")


async def drafts_of(client: ScriptedClient, *wanted: SectionName, language: Language = Language.EN) -> list[Draft]:
    order = order_for(client, *wanted, language=language, question="Will he come back?")
    return [draft async for draft in Retelling().write(order)]


def ended(drafts: list[Draft]) -> dict[SectionName, str]:
    return {draft.section: draft.text for draft in drafts if isinstance(draft, DraftEnded)}


async def test_a_faithful_retelling_becomes_the_section() -> None:
    client = EchoClient(lambda note: note)
    drafts = await drafts_of(client, SectionName.SUGGESTED_ACTIONS)
    assert drafts[:2] == [DraftStarted(SectionName.SUGGESTED_ACTIONS), ModelSpoke()]
    assert ended(drafts) == {SectionName.SUGGESTED_ACTIONS: "On love: listen first, then come closer."}
    assert [draft.text for draft in drafts if isinstance(draft, DraftText)] == list(ended(drafts).values())


async def test_what_does_not_keep_to_its_note_has_no_text() -> None:
    drafts = await drafts_of(EchoClient(lambda note: "Dear Sarah, your new product will win 3 prizes."))
    assert ended(drafts) == {}
    assert {type(draft) for draft in drafts} == {DraftStarted, ModelSpoke, CallEnded}


async def test_the_glosses_are_left_to_the_commentary() -> None:
    client = EchoClient(lambda note: note)
    assert await drafts_of(client, SectionName.LINE_BY_LINE) == []
    assert client.requests == []


@pytest.mark.parametrize("language", [Language.ZH_HANT, Language.ZH_HANS, Language.JA])
async def test_only_english_is_retold(language: Language) -> None:
    client = EchoClient(lambda note: note)
    assert await drafts_of(client, language=language) == []
    assert client.requests == []


async def test_calls_share_their_beginning_and_send_no_schema() -> None:
    client = EchoClient(lambda note: note)
    await drafts_of(client)
    assert len(client.requests) == 6
    assert len({request.messages[:-1] for request in client.requests}) == 1
    assert all(request.schema is None and request.max_tokens <= 90 for request in client.requests)


async def test_a_server_that_is_gone_is_an_error() -> None:
    with pytest.raises(ModelUnreachable):
        await drafts_of(ScriptedClient([ModelUnreachable()]))


def test_notes_are_short_and_whole() -> None:
    order = order_for(ScriptedClient([]), language=Language.EN)
    assert note_of(SectionName.SUGGESTED_ACTIONS, order) == "On love: listen first, then come closer."
    assert shortened("One is here. " * 40).endswith(".")
    assert len(shortened("One is here. " * 40)) <= 220
    assert whole_sentences("One is here. Two is n") == "One is here."


@pytest.mark.parametrize(
    "text",
    [
        NOTE,
        "Your boat is ready but the wind is not. Mend your sails, and wait one more week before leaving.",
    ],
)
def test_close_retellings_are_faithful(text: str) -> None:
    assert looks_faithful(NOTE, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The boat is ready",
        "Your boat is ready and the wind is ready. Mend the sails and wait one more week before you leave.",
        "The boat is ready but the wind is not. Mend the sails and wait 2 weeks before you leave.",
        "The boat is ready but the wind is not, says Captain Morgan. Mend the sails and wait a week before you leave.",
        "The boat is ready but the wind is not. I mend the sails and wait one more week before you leave.",
        "The boat is ready but the wind is not. Mend the sails and wait a week before you leave. Wisdom is proverbial.",
        "The boat is ready but the wind is not. The boat is ready but the wind is not. Mend the sails.",
        "The boat is ready but the wind is not. Mend the sails and wait one more week after you leave.",
        "The boat is ready but the wind is not. Mend the sails and wait one more week before you",
        "Your patience matters, and nobody will take your happiness away when the storm has passed at last.",
        "Wait yourself a week before you leave, mend yourself the sails. Ready is the boat yourself, the wind is not.",
        "The boat is ready but the wind is not. **Mend** the sails and wait one more week before you leave.",
    ],
)
def test_what_adds_turns_or_loops_is_not_faithful(text: str) -> None:
    assert not looks_faithful(NOTE, text)
