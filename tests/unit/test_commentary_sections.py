import pytest
from sample_lots import YUELAO, sample_lot

from jieqian.languages import Language
from jieqian.lots.lot import ASKED_TOPICS, Lot, Polarity
from jieqian.sections.from_commentary import commentary_section
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.sections.topics import topic_of

QUESTIONS = ("他會回來嗎？", "今年如何？", "Should I quit?", "hi", "受験は合格しますか")
THREATS = ("注定", "注定", "逃不", "大難", "doomed", "fated", "punish", "呪", "祟", "不幸になり")


def stand_in(lot: Lot, language: Language, question: str) -> dict[SectionName, str]:
    return {name: commentary_section(name, lot, YUELAO, language, question) for name in SECTIONS}


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("polarity", [*Polarity, None])
@pytest.mark.parametrize(
    "commentaries",
    [(Language.ZH_HANT, Language.EN), (Language.ZH_HANT,), (Language.EN,), (), (Language.EN, Language.JA)],
)
def test_seven_different_sections_for_any_lot(
    language: Language, polarity: Polarity | None, commentaries: tuple[Language, ...]
) -> None:
    for question in QUESTIONS:
        texts = stand_in(sample_lot(polarity=polarity, commentaries=commentaries), language, question)
        assert len(set(texts.values())) == len(SECTIONS)
        for text in texts.values():
            assert len(text) >= 10
            assert text == text.strip()
            assert "{" not in text
            assert "None" not in text
            assert not any(threat in text for threat in THREATS)


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("commentaries", [(Language.ZH_HANT, Language.EN), ()])
def test_the_first_section_names_the_lot_and_quotes_every_line(
    language: Language, commentaries: tuple[Language, ...]
) -> None:
    text = commentary_section(SectionName.LINE_BY_LINE, sample_lot(commentaries=commentaries), YUELAO, language, "hi")
    assert YUELAO.name(language) in text
    assert "1" in text
    lines = ("关关雎鸠", "在河之洲", "窈窕淑女", "君子好逑") if language is Language.ZH_HANS else sample_lot().lines
    assert all(line in text for line in lines)


def test_counsel_follows_the_topic_of_the_question() -> None:
    texts = stand_in(sample_lot(), Language.EN, "Will I get the job?")
    assert "On work: listen first" in texts[SectionName.SUGGESTED_ACTIONS]
    assert "On love" not in texts[SectionName.SUGGESTED_ACTIONS]


def test_a_question_without_topic_gets_two_counsels() -> None:
    text = stand_in(sample_lot(), Language.EN, "hi")[SectionName.SUGGESTED_ACTIONS]
    assert "On love: listen" in text
    assert "On work: listen" in text


def test_counsel_of_another_language_is_given_where_its_own_has_none() -> None:
    lot = sample_lot(commentaries=(Language.ZH_HANT, Language.EN, Language.JA))
    texts = stand_in(lot, Language.JA, "転職はうまくいきますか")
    assert "水鳥が呼び合います。" in texts[SectionName.LINE_BY_LINE]
    assert "呼び合う水鳥" in texts[SectionName.OVERALL_DEVELOPMENT]
    assert "英語" in texts[SectionName.SUGGESTED_ACTIONS]
    assert "On work: listen first" in texts[SectionName.SUGGESTED_ACTIONS]


def test_a_commentary_in_another_language_is_said_to_be_one() -> None:
    texts = stand_in(sample_lot(), Language.JA, "hi")
    for name in (SectionName.LINE_BY_LINE, SectionName.OVERALL_DEVELOPMENT, SectionName.SUGGESTED_ACTIONS):
        assert "英語" in texts[name]
    assert texts[SectionName.SUGGESTED_ACTIONS].count("について：\nOn ") == 2, "each of two counsels is named"
    assert "英語" not in texts[SectionName.CONCLUSION]


def test_without_commentary_nothing_is_made_of_the_verse() -> None:
    texts = stand_in(sample_lot(commentaries=()), Language.ZH_HANT, "他會回來嗎？")
    assert "還沒有" in texts[SectionName.LINE_BY_LINE]
    assert "大吉" in texts[SectionName.OVERALL_DEVELOPMENT]
    assert "水鳥" not in "".join(texts.values())


def test_simplified_sections_hold_no_traditional_text() -> None:
    text = "".join(stand_in(sample_lot(), Language.ZH_HANS, "他会回来吗").values())
    assert "签" in text
    assert not set("籤這個說來對樣會時") & set(text)


def test_ranks_are_told_differently() -> None:
    told = {
        polarity: stand_in(sample_lot(polarity=polarity), Language.EN, "hi")[SectionName.CONCLUSION]
        for polarity in [*Polarity, None]
    }
    assert len(set(told.values())) == len(told)


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("他還會回來嗎？", "love"),
        ("她已讀不回", "love"),
        ("Will he come back to me?", "love"),
        ("I keep thinking about someone I met. Should I write to them?", "love"),
        ("彼女と復縁できますか", "love"),
        ("該不該換跑道", "work"),
        ("老公的工作會好轉嗎", "work"),
        ("Does my boss like me?", "work"),
        ("転職すべきですか", "work"),
        ("我的錢拿得回來嗎", "wealth"),
        ("宝くじは当たりますか", "wealth"),
        ("媽媽下週開刀，會順利嗎", "health"),
        ("母の病気は治りますか", "health"),
        ("今年會不會上榜", "study"),
        ("我儿子能考上大学吗", "study"),
        ("婆婆一直管我們", "family"),
        ("下個月去日本玩，會順利嗎", "travel"),
        ("海外旅行は無事に終わりますか", "travel"),
        ("該不該搬家", "home"),
        ("引っ越しはうまくいきますか", "home"),
        ("ＷＯＲＫ？", "work"),
        ("hi", None),
        ("今年運勢如何", None),
        ("", None),
    ],
)
def test_topics_are_told_by_the_words(question: str, topic: str | None) -> None:
    assert topic_of(question) == topic
    assert topic is None or topic in ASKED_TOPICS
