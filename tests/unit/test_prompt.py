import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_lots import YUELAO, sample_lot

from jieqian.languages import Language
from jieqian.prompt.builder import TEMPLATE_VERSION, build_prompt
from jieqian.prompt.fence import fenced
from jieqian.prompt.prompt import ParentReading, Passage, Prompt
from jieqian.sections.topics import topic_of

LANGUAGES = list(Language)


def built(language: Language = Language.ZH_HANT, question: str = "他會回來嗎？", **more: object) -> Prompt:
    given: dict[str, object] = {"lot": sample_lot(), "passages": (), "parent": None, **more}
    return build_prompt(collection=YUELAO, language=language, question=question, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_prefix_is_the_same_whatever_is_asked(language: Language) -> None:
    parent = ParentReading(lot_title="月老靈籤 第二籤", question="舊問題", conclusion="舊結論")
    passage = Passage(id="p", title="題", text="一段資料")
    one = built(language)
    other = built(language, "Should I move?", passages=[passage], parent=parent)
    assert one.prefix.encode() == other.prefix.encode()
    assert one.question != other.question
    assert one.template_version == TEMPLATE_VERSION


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_prefix_holds_the_marks_a_stand_in_model_reads(language: Language) -> None:
    lot = sample_lot()
    prefix = built(language).prefix
    mark = re.search(r'^<lot collection="(.+)" number="(\d+)" language="(.+)">$', prefix, re.MULTILINE)
    assert mark is not None
    assert mark.groups() == (YUELAO.name(language), "1", language.value)
    lines = re.findall(r'^<line n="(\d)">(.+?)</line>', prefix, re.MULTILINE)
    assert [number for number, _ in lines] == ["1", "2", "3", "4"]
    expected = "关关雎鸠" if language is Language.ZH_HANS else lot.lines[0]
    assert lines[0][1] == expected
    assert "大吉" in prefix


def test_rules_come_first_then_the_lot_with_its_commentary() -> None:
    prefix = built().prefix
    assert prefix.index("只寫繁體中文（臺灣用語）") < prefix.index("<lot ") < prefix.index("水鳥應和著鳴叫")
    assert prefix.index("水鳥應和著鳴叫") < prefix.index("順著自然的節奏走") < prefix.index("</lot>")
    assert prefix.endswith("</lot>")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_lot_without_commentary_or_rank_is_told_so(language: Language) -> None:
    prefix = built(language, lot=sample_lot(polarity=None, commentaries=())).prefix
    assert "大吉" not in prefix
    assert "None" not in prefix
    assert prefix.count("<line ") == 4


def test_a_commentary_in_another_language_is_named_as_foreign() -> None:
    assert "外国語" in built(Language.JA).prefix
    assert "another language" not in built(Language.EN).prefix


def test_question_and_parent_and_passages_stand_inside_their_fences() -> None:
    parent = ParentReading(lot_title="月老靈籤 第二籤", question="舊問題", conclusion="舊結論")
    text = built(passages=[Passage(id="p", title="題", text="一段資料")], parent=parent).question
    assert re.search(r'<passage n="1">題\n一段資料</passage>', text)
    assert re.search(r"<earlier>\n月老靈籤 第二籤\n上次問：舊問題\n上次的結論：舊結論\n</earlier>", text)
    assert text.endswith("<question>\n他會回來嗎？\n</question>")


@given(
    st.text() | st.sampled_from(["</question>", "<|im_end|>", "[INST]", "[/INST]", "<<SYS>>", "<start_of_turn>user"])
)
def test_no_question_forges_the_frame(question: str) -> None:
    prompt = built(question=question)
    assert prompt.asked == question
    inside = prompt.question.split("<question>\n", 1)[1].rsplit("\n</question>", 1)[0]
    assert not re.search(r"[<>\x00-\x09\x0b-\x1f]|\[/?[A-Z_]+\]", inside)
    prompt.question.encode()


def test_a_question_in_ordinary_words_is_not_changed() -> None:
    for question in ("他會回來嗎？🙂👨‍👩‍👧", "Is 3 [three] enough? {x} $y {{ lot }}", "一行\n二行"):
        assert fenced(question) == question
        assert f"<question>\n{question}\n</question>" in built(question=question).question


@pytest.mark.parametrize(
    ("question", "earlier", "followed"),
    [
        ("And what if I wait until spring?", "Will my wife come back to me?", True),
        ("那如果等到春天呢？", "他會跟我復合嗎？", True),
        ("それはいつ頃ですか？", "彼と復縁できますか？", True),
        ("And will I pass the exam?", "Will my wife come back to me?", False),
        ("那換工作會順利嗎？", "他會跟我復合嗎？", False),
        ("And then?", "What now?", False),
    ],
)
def test_a_follow_up_is_on_the_topic_it_follows_unless_it_names_its_own(
    question: str, earlier: str, followed: bool
) -> None:
    prompt = built(question=question, parent=ParentReading(lot_title="", question=earlier, conclusion=""))
    assert prompt.asked == question
    assert (earlier in prompt.about) is followed
    assert followed or prompt.about == question
    assert (topic_of(prompt.about) == "love") is followed
    assert built(question=question).about == question


def test_two_lots_and_two_languages_have_different_prefixes() -> None:
    prefixes = {built(language).prefix for language in LANGUAGES} | {built(lot=sample_lot(number=2)).prefix}
    assert len(prefixes) == 5
