import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_lots import YUELAO, sample_lot

from jieqian.languages import Language
from jieqian.sections.json_text import ObjectText
from jieqian.sections.line_by_line import compose, heading
from jieqian.sections.parsing import ReadingParser, cleaned
from jieqian.sections.script_mend import mend_script
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.sections.strategy import Draft, DraftEnded, DraftStarted, DraftText

LOT = sample_lot()
LINES = SectionName.LINE_BY_LINE
OVERALL = SectionName.OVERALL_DEVELOPMENT
GOOD = SectionName.POSITIVE_FACTORS

texts = st.text(st.characters(codec="utf-8") | st.sampled_from('"\\{}[],:\n😀籤'), max_size=30)
explanations = st.lists(texts | st.sampled_from(["關關雎鳩是水鳥", "「在河", "在河之洲"]), min_size=1, max_size=6)
readings = st.fixed_dictionaries(
    {}, optional={name.value: (explanations | texts) if name is LINES else texts for name in SECTIONS}
)


def parser(*wanted: SectionName, language: Language = Language.ZH_HANT) -> ReadingParser:
    return ReadingParser(wanted or SECTIONS, LOT, YUELAO, language)


def fed(pieces: list[str], *wanted: SectionName) -> list[Draft]:
    reader = parser(*wanted)
    drafts = [draft for piece in pieces for draft in reader.feed(piece)]
    return drafts + reader.end()


def ended(drafts: list[Draft]) -> dict[SectionName, str]:
    return {draft.section: draft.text for draft in drafts if isinstance(draft, DraftEnded)}


def shown(drafts: list[Draft]) -> dict[SectionName, str]:
    joined: dict[SectionName, str] = {}
    for draft in drafts:
        if isinstance(draft, DraftText):
            joined[draft.section] = joined.get(draft.section, "") + draft.text
    return joined


def assert_invariant(drafts: list[Draft]) -> None:
    started: set[SectionName] = set()
    over: set[SectionName] = set()
    for draft in drafts:
        assert isinstance(draft, DraftStarted | DraftText | DraftEnded)
        assert draft.section not in over
        if isinstance(draft, DraftStarted):
            assert draft.section not in started
            started.add(draft.section)
            continue
        assert draft.section in started
        assert "\ufffd" not in draft.text
        draft.text.encode()
        if isinstance(draft, DraftEnded):
            over.add(draft.section)
    texts_shown = shown(drafts)
    for section, text in ended(drafts).items():
        assert texts_shown.get(section, "") == text
        assert text == text.strip()


def chunked(text: str, cuts: list[int]) -> list[str]:
    places = sorted({min(cut, len(text)) for cut in cuts})
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@given(readings, st.booleans(), st.none() | st.integers(0, 4))
def test_every_beginning_of_a_reading_shows_a_beginning_of_its_text(
    reading: dict[str, object], ascii_only: bool, indent: int | None
) -> None:
    answer = json.dumps(reading, ensure_ascii=ascii_only, indent=indent)
    whole = ended(fed([answer]))
    assert set(whole) == {SectionName(name) for name in reading}
    drafts = fed(list(answer))
    assert_invariant(drafts)
    assert ended(drafts) == whole
    for length in range(0, len(answer), 7):
        part = fed([answer[:length]])
        assert_invariant(part)
        for section, text in shown(part).items():
            assert whole[section].startswith(text)


@given(readings)
def test_a_whole_reading_comes_out_as_it_was_written(reading: dict[str, object]) -> None:
    whole = ended(fed([json.dumps(reading)]))
    for name, value in reading.items():
        if isinstance(value, str):
            assert whole[SectionName(name)] == mend_script(cleaned(value), Language.ZH_HANT)


@given(readings, st.lists(st.integers(0, 400), max_size=12), st.data())
def test_broken_json_never_raises_nor_breaks_the_text(
    reading: dict[str, object], cuts: list[int], data: st.DataObject
) -> None:
    answer = json.dumps(reading, ensure_ascii=False)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(answer)))
        junk = data.draw(
            st.sampled_from(['"', "\\", "{", "}", "[", "]", ",", ":", "\\ud83d", "\\u12", "\n", "1", "\udc00"])
        )
        answer = answer[:at] + junk + answer[at + data.draw(st.integers(0, 3)) :]
    assert_invariant(fed(chunked(answer, cuts)))


@given(st.text(max_size=200))
def test_garbage_never_raises(text: str) -> None:
    assert_invariant(fed([text]))
    assert_invariant(fed(list(text)))


@settings(max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=12,
    )
)
def test_valid_json_keeps_its_meaning(value: object) -> None:
    mended = ObjectText()
    rest = mended.feed(json.dumps({"": value}) + " tail")
    assert mended.closed
    assert rest == " tail"
    assert json.loads(mended.text) == {"": value}


def test_lines_are_quoted_under_a_heading_naming_collection_and_number() -> None:
    text = ended(
        fed([json.dumps({"line_by_line": ["水鳥應和。", "「在河之洲」，在沙洲。", "那位女子。", "好伴侶。"]})])
    )[LINES]
    assert text == (
        "這是月老靈籤第1籤，籤等「大吉」（非常順利）。\n"
        "「關關雎鳩」：水鳥應和。\n「在河之洲」：在沙洲。\n「窈窕淑女」：那位女子。\n「君子好逑」：好伴侶。"
    )


@pytest.mark.parametrize(
    ("language", "start"),
    [
        (Language.ZH_HANS, "这是月老灵签第1签，签等“大吉”（非常顺利）。\n“关关雎鸠”：水"),
        (Language.EN, "This is lot 1 of Yue Lao's Hundred Lots, ranked “大吉” (very favourable).\n“關關雎鳩”: 水"),
        (Language.JA, "これは月老霊籤の第1番、「大吉」（とても良い）のくじです。\n「關關雎鳩」：水"),
    ],
)
def test_lines_are_quoted_in_the_script_of_the_language(language: Language, start: str) -> None:
    assert compose(["水"], lot=LOT, collection=YUELAO, language=language) == start


def test_a_lot_without_rank_is_named_without_one() -> None:
    assert heading(sample_lot(polarity=None), YUELAO, Language.ZH_HANT) == "這是月老靈籤第1籤。"


def test_a_line_left_empty_is_not_quoted_and_one_too_many_follows() -> None:
    text = compose(["一", " ", "三", "四", "五"], lot=LOT, collection=YUELAO, language=Language.ZH_HANT)
    assert text.split("\n")[1:] == ["「關關雎鳩」：一", "「窈窕淑女」：三", "「君子好逑」：四", "五"]


@pytest.mark.parametrize(
    "lines", ["一句到底。", {"關關雎鳩": "甲", "在河之洲": "乙"}, [{"line": "關關雎鳩", "meaning": "甲"}]]
)
def test_lines_may_come_as_a_string_or_as_objects(lines: object) -> None:
    text = ended(fed([json.dumps({"line_by_line": lines})]))[LINES]
    if isinstance(lines, str):
        assert text == lines
    else:
        assert "「關關雎鳩」：甲" in text


@pytest.mark.parametrize(
    "answer",
    [
        '```json\n{"overall_development": "好。"}\n```',
        'Here {it} is:\n{"overall_development": "好。"} Hope this helps {x}',
        '{"reading": {"sections": {"overall_development": "好。"}}}',
        '{"title": ["x", null, 3], "n": 1e9, "overall_development": "好。", "more": {"a": []}}',
        '{"overall_development": "好。", "overall_development": "壞。"}',
        '{"overall_development": "好。", "Overall Development": "壞。"}',
        '{"Overall Development": "  好。 \\n"}',
        '{"overall_development": ["好。"]}',
        '{"positive_factors": null, "challenges": 3, "overall_development": "好。",}',
        '{"a": 1} {"overall_development": "好。"}',
        '{"positive_factors": 1}\n{"overall_development": "好。"}',
        '{"overall_development": "\\ud83d好\\udc00。\\u0007"}',
        '{"overall_development": "\\好。"}',
    ],
)
def test_what_models_wrap_around_the_reading_is_taken_off(answer: str) -> None:
    for pieces in ([answer], list(answer)):
        drafts = fed(pieces)
        assert_invariant(drafts)
        assert ended(drafts) == {OVERALL: "好。"}


def test_unescaped_quotes_and_line_breaks_inside_a_value_are_kept() -> None:
    answer = '{"overall_development": "He said "wait" to you,\nthen left.", "positive_factors": "x"}'
    for pieces in ([answer], list(answer)):
        assert ended(fed(pieces)) == {OVERALL: 'He said "wait" to you,\nthen left.', GOOD: "x"}


def test_a_section_ends_when_the_next_begins() -> None:
    reader = parser()
    assert ended(reader.feed('{"overall_development": "好。", "positive_fac')) == {}
    assert ended(reader.feed('tors": "')) == {OVERALL: "好。"}


def test_a_section_cut_by_the_end_of_the_answer_is_shown_and_never_ended() -> None:
    drafts = fed(['{"overall_development": "好。", "positive_factors": "還沒寫'])
    assert ended(drafts) == {OVERALL: "好。"}
    assert shown(drafts)[GOOD] == "還沒寫"


def test_only_wanted_sections_come_out() -> None:
    drafts = fed(['{"overall_development": "好。", "positive_factors": "利。"}'], GOOD)
    assert ended(drafts) == {GOOD: "利。"}
    assert shown(drafts) == {GOOD: "利。"}


def test_complete_when_all_wanted_have_ended() -> None:
    reader = parser(OVERALL)
    reader.feed('{"overall_development": "好。"')
    assert not reader.complete
    reader.feed("}")
    assert reader.complete


def test_a_pair_of_escapes_cut_anywhere_comes_out_whole() -> None:
    answer = '{"overall_development": "a\\ud83d\\ude00b"}'
    for cut in range(len(answer)):
        drafts = fed([answer[:cut], answer[cut:]])
        assert ended(drafts) == {OVERALL: "a😀b"}
        assert_invariant(drafts)


def test_a_key_doubled_in_disguise_never_takes_back_what_was_shown() -> None:
    drafts = fed(list('{"conclusion": "先前的話。", "conclusio\\u006e": "別的"}'))
    assert_invariant(drafts)
    assert shown(drafts) == {SectionName.CONCLUSION: "先前的話。"}


def test_deep_nesting_is_given_up_quietly() -> None:
    assert fed(['{"a":' + "[" * 5000]) == []
