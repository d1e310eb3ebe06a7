"""Near questions: what differs in a number, a month, a person or a negation never has the same sense."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from jieqian.bench.near import GROUPS, Pair, Share, by_form, judged, pairs_of, threshold
from jieqian.cache.sense import LONGEST, likeness, same_sense, sense_of
from jieqian.cache.suggested import suggested_questions

SAME = [
    ("Will I pass my driving test?", "Am I going to pass the driving test"),
    ("Please tell me whether he will come back.", "Is he gonna return?"),
    ("Should I marry him?", "Would it be a good idea to marry him?"),
    ("Will my mum get better?", "Will my mother recover?"),
    ("Should I take the job in Rome or Paris?", "Should I take the job in Paris or Rome?"),
    ("今年適合換工作嗎？", "请问我今年适不适合跳槽"),
    ("她還會回信給我嗎？", "她会不会回信给我呢"),
    ("什麼時候才能結婚", "我何时能结婚啊"),
    ("該選文科還是理科", "该选理科还是文科"),
    ("錢包找得回來嗎", "钱包能不能找回来"),
    ("方角は東と西どちらがいいですか", "方角は西と東どっちがいい？"),
    ("彼女は返事をくれるでしょうか。", "彼女は返事をくれますか？"),
    ("今年、転職したほうがいいでしょうか。", "今年転職すべきですか"),
    ("いつ結婚できますか", "私はいつ結婚できるか知りたいです"),
    ("ＡＢＣ社に受かりますか", "ABC社に合格するでしょうか"),
]
OTHERS = [
    ("Will she marry me?", "Will I marry her?"),
    ("Will he call?", "Will she call?"),
    ("Will we be happy if I move?", "Will we be happy if I don't move?"),
    ("Should I buy a house?", "Should I buy the house?"),
    ("Will I pass?", "Will I ever fail?"),
    ("Should I wait until May?", "Should I wait until November?"),
    ("Is 1.5 enough?", "Is 15 enough?"),
    ("Should I travel?", "Should we travel?"),
    ("他會原諒我嗎", "我會原諒他嗎"),
    ("他喜歡我嗎", "她喜歡我嗎"),
    ("他為什麼跟我分手", "他為什麼不跟我分手"),
    ("今年買明年賣好嗎", "明年買今年賣好嗎"),
    ("今年借的錢，明年還得清嗎", "明年借的錢，今年還得清嗎"),
    ("我們會結婚嗎", "我會結婚嗎"),
    ("該借錢給小舅子嗎", "該跟小舅子借錢嗎"),
    ("他還是她的上司嗎", "她還是他的上司嗎"),
    ("小明還是小紅的上司嗎", "小紅還是小明的上司嗎"),
    ("兄と弟を訴えるべき？", "弟と兄を訴えるべき？"),
    ("彼を止めるべき？", "彼をやめるべき？"),
    ("母は私を許せるでしょうか", "私は母を許せるでしょうか"),
    ("彼を待つべき？", "彼は待つべき？"),
    ("行くべきですか", "行かないべきですか"),
    ("受かりますか", "受かりましたか"),
    ("彼は自分を責めていますか", "彼は私を責めていますか"),
]
#: One asked word and what each of them makes another question.
FRAMES = [
    ("en", "Will I meet my {} in {} at {}?", ("brother", "sister", "mother", "father", "boss", "ex", "him", "her")),
    ("zh", "{}{}會還我{}元嗎", ("哥哥", "姐姐", "媽媽", "爸爸", "老闆", "前男友", "他", "她")),
    ("ja", "{}は{}に{}万円を返してくれますか", ("兄", "姉", "母", "父", "部長", "元彼", "彼", "彼女")),
]
MONTHS = {
    "en": ("January", "May", "June", "March", "November", "Monday", "Sunday", "2026", "2027"),
    "zh": ("一月", "二月", "十一月", "十二月", "明天", "後天", "今年", "明年", "下週一"),
    "ja": ("一月", "二月", "十一月", "十二月", "明日", "あさって", "今年", "来年", "月曜"),
}
NUMBERS = ("1", "3", "13", "30", "300", "3,000", "30000")
NEGATED = [
    ("Will {} leave me?", "Will {} not leave me?"),
    ("Why did {} call?", "Why didn't {} call?"),
    ("{}會離開我嗎", "{}不會離開我嗎"),
    ("{}肯見我嗎", "{}不肯見我嗎"),
    ("{}は来ますか", "{}は来ませんか"),
    ("{}が好きですか", "{}が好きではないですか"),
]


def same(one: str, other: str) -> bool:
    senses = sense_of(one), sense_of(other)
    assert None not in senses
    return same_sense(*senses)  # type: ignore[arg-type]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_other_words_of_the_same_sense_are_one(one: str, other: str) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_what_differs_in_sense_is_not(one: str, other: str) -> None:
    assert not same(one, other)
    assert not same(other, one)


@pytest.mark.parametrize(("group", "frame", "persons"), FRAMES, ids=[group for group, *_ in FRAMES])
def test_a_changed_person_month_or_number_never_matches(group: str, frame: str, persons: tuple[str, ...]) -> None:
    order = (lambda p, m, n: (m, p, n)) if group == "zh" else (lambda p, m, n: (p, m, n))
    asked = {frame.format(*order(p, m, n)) for p in persons for m in MONTHS[group] for n in NUMBERS}
    by_sense: dict[object, str] = {}
    for question in sorted(asked):
        sense = sense_of(question)
        assert sense not in by_sense, (question, by_sense[sense])
        by_sense[sense] = question
    assert len(by_sense) == len(persons) * len(MONTHS[group]) * len(NUMBERS)


@pytest.mark.parametrize(("plain", "negated"), NEGATED)
def test_a_negation_never_matches(plain: str, negated: str) -> None:
    for who in ("he", "she", "Tom") if plain.isascii() else ("他", "彼", "王先生"):
        assert not same(plain.format(who), negated.format(who))


def test_the_suggested_questions_are_all_of_their_own_sense() -> None:
    for questions in suggested_questions().values():
        for one, other in combinations(questions, 2):
            assert not same(one, other), (one, other)


def test_what_no_list_is_for_has_no_sense() -> None:
    assert sense_of("¿Volverá?") is not None  # in Latin letters: compared word for word
    assert not same("¿Volverá él?", "¿Volverá ella?")
    assert sense_of("12345") is None
    assert sense_of("？！") is None
    assert sense_of("Will it rain? " * LONGEST) is None
    assert not same("Will he return?", "他會回來嗎")


def test_a_question_is_compared_however_it_is_written() -> None:
    for question in ("Will he come back?", "她還會回信給我嗎", "彼女から返事は来ますか"):
        assert same(question, f"  {question.upper()}\n")
        assert same(question, re.sub(r"[?？]", "", question))
        assert likeness(question, question) == 1.0


@pytest.mark.parametrize("group", GROUPS)
def test_no_labelled_pair_of_another_sense_is_taken_for_one(group: str) -> None:
    found = judged(pairs_of(group), by_form)
    assert found.false.hits == 0
    assert found.caught.hits >= 30, "fewer than when the report was written"


def test_a_share_tells_how_far_it_may_be_off() -> None:
    low, high = Share(0, 105).interval
    assert low == 0.0
    assert high == pytest.approx(0.0353, abs=1e-4)
    assert Share(0, 0).interval == (0.0, 1.0)
    assert str(Share(5, 10)) == "5/10 = 50.0% (23.7%-76.3%)"


def test_the_threshold_lets_no_pair_of_another_sense_through() -> None:
    pairs = [Pair("en-1", "a", "b", "same"), Pair("en-3", "c", "d", "near"), Pair("en-5", "e", "f", "unrelated")]
    assert threshold(pairs, {"en-1": 0.9, "en-3": 0.8, "en-5": 0.3}) == 0.8
