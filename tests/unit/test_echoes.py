import json

import pytest
from sample_lots import YUELAO, sample_lot

from jieqian.languages import Language
from jieqian.sections.echoes import about, without_echo
from jieqian.sections.parsing import ReadingParser
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.sections.strategy import DraftEnded, DraftText

HARD = SectionName.CHALLENGES
OWN = {
    Language.ZH_HANT: "他的心還沒有定下來。",
    Language.ZH_HANS: "他的心还没有定下来。",
    Language.EN: "He has not made up his mind.",
    Language.JA: "相手の心はまだ決まっていません。",
}
DESCRIBED = [name for name in SECTIONS if name is not SectionName.LINE_BY_LINE]


@pytest.mark.parametrize("language", list(Language))
def test_every_section_but_the_first_is_described_once_and_in_its_own_words(language: Language) -> None:
    assert list(about(language)) == [name.value for name in DESCRIBED]
    assert len(set(about(language).values())) == len(DESCRIBED)


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("set_apart", ["{0}：{1}", "{0}: {1}", "「{0}」{1}", "（{0}）{1}", "{0}。\n{1}", "{0}\n\n{1}"])
def test_the_description_is_taken_off_in_front(language: Language, set_apart: str) -> None:
    for name in DESCRIBED:
        text = set_apart.format(about(language)[name.value], OWN[language])
        assert without_echo(text, name, language, grows=False) == OWN[language]


def test_case_does_not_hide_it() -> None:
    description = about(Language.EN)["challenges"].capitalize()
    assert without_echo(f"{description}: {OWN[Language.EN]}", HARD, Language.EN, grows=False) == OWN[Language.EN]


@pytest.mark.parametrize("language", list(Language))
def test_nothing_else_is_taken_off(language: Language) -> None:
    description = about(language)["challenges"]
    for text in (OWN[language], f"{OWN[language]}{description}：", f"{description}{OWN[language]}", "「", ""):
        assert without_echo(text, HARD, language, grows=False) == text
    assert without_echo(f"{description}：好", SectionName.CONCLUSION, language, grows=False) == f"{description}：好"
    assert without_echo(f"{description}：好", SectionName.LINE_BY_LINE, language, grows=False) == f"{description}：好"


def test_a_section_of_nothing_but_its_description_is_empty() -> None:
    assert without_echo(about(Language.EN)["challenges"] + ".", HARD, Language.EN, grows=False) == ""


@pytest.mark.parametrize("tail", ["：他的心還沒有定下來。", "。", "還沒有定下來。", ""])
def test_what_is_shown_letter_by_letter_is_what_stands_in_the_end(tail: str) -> None:
    reader = ReadingParser((HARD,), sample_lot(), YUELAO, Language.ZH_HANT)
    answer = json.dumps({"challenges": about(Language.ZH_HANT)["challenges"] + tail}, ensure_ascii=False)
    drafts = [draft for letter in answer for draft in reader.feed(letter)]
    (ended,) = [draft.text for draft in drafts if isinstance(draft, DraftEnded)]
    assert "".join(draft.text for draft in drafts if isinstance(draft, DraftText)) == ended
    expected = {"：他的心還沒有定下來。": "他的心還沒有定下來。", "。": "", "": ""}
    assert ended == expected.get(tail, about(Language.ZH_HANT)["challenges"] + tail)
