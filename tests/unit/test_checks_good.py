"""Good sections are let through: written ones in four languages, and every note of our own commentary."""

# A case is easier to read on one line than wrapped.
# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from jieqian.checks.check import SectionDraft
from jieqian.checks.sections import check_section
from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import Lot
from jieqian.sections.line_by_line import compose
from jieqian.sections.section import SectionName

HANT, HANS, EN, JA = Language.ZH_HANT, Language.ZH_HANS, Language.EN, Language.JA
FIRST, WHOLE, PLUS = SectionName.LINE_BY_LINE, SectionName.OVERALL_DEVELOPMENT, SectionName.POSITIVE_FACTORS
MINUS, DO, NOTES, END = (
    SectionName.CHALLENGES,
    SectionName.SUGGESTED_ACTIONS,
    SectionName.SUPPLEMENTARY_NOTES,
    SectionName.CONCLUSION,
)
LIBRARY = LotLibrary()


@dataclass(frozen=True)
class Case:
    id: str
    lot: str
    language: Language
    section: SectionName
    text: str
    question: str = "?"
    written: str = ""


def draft_of(case: Case) -> SectionDraft:
    collection, number = case.lot.split("/")
    return SectionDraft(
        section=case.section,
        text=case.text,
        lot=LIBRARY.lot(collection, int(number)),
        collection=LIBRARY.collection(collection),
        language=case.language,
        question=case.question,
        written={WHOLE: case.written} if case.written else {},
    )


GOOD = [
    Case(
        "zh-Hant: each line quoted", "yuelao/1", HANT, FIRST,
        "月老靈籤第一籤。「關關雎鳩」：水鳥相和，說的是彼此回應。「在河之洲」：兩人站在同一片沙洲上，距離不遠。"
        "「窈窕淑女」：值得敬重的人就在眼前。「君子好逑」：好的對象，要用好的樣子去追求。",
    ),
    Case(
        "zh-Hant: lines by their place", "guanyin/2", HANT, FIRST,
        "觀音籤第２籤。首句說大魚還守在江湖；第二句說時候未到，不能離開水面；第三句講將來長成的樣子；末句說到那時一躍就過。",
    ),
    Case(
        "zh-Hans: traditional verse quoted in a simplified text", "guanyin/1", HANS, FIRST,
        "这是观音灵签第一签。「天開地闢結良緣」：一切刚刚开始。「日吉時良萬事全」：时间和条件都到了。"
        "「若得此籤非小可」：这个机会要认真对待。「人行中正帝王宣」：做人公正，自然有人来请。",
    ),
    Case(
        "zh-Hans: a slip of the pen in a quotation", "yuelao/1", HANS, FIRST,
        "月老签第1签。关关睢鸠，是鸟在互相呼应；在河之州，说明两人离得不远；窈窕淑女，是值得敬重的人；君子好求，要拿出诚意。",
    ),
    Case(
        "en: lines numbered", "yuelao/1", EN, FIRST,
        "Yue Lao, Lot 1. Line 1: two birds call and answer, so feeling is shared. Line 2: they meet on the same bank, close "
        "to each other. Line 3: someone worth respect is near. Line 4: meet that person with patience and good manners.",
    ),
    Case(
        "en: lines in words, number in words", "guanyin/2", EN, FIRST,
        "This is the second lot of Guanyin. The opening line shows a great fish that still keeps to the river. The second and "
        "third lines say that its time has not come, but that it is growing. In the last line it leaps the gate.",
    ),
    Case(
        "en: couplets", "guanyin/1", EN, FIRST,
        "Kuan Yin lot no. 1 opens well. Its first couplet tells of a world newly made and of a day on which all is ready. "
        "The second couplet adds the condition: be upright, and the call will come to you.",
    ),
    Case(
        "en: the composed form", "guanyin/2", EN, FIRST,
        "This is lot 2 of The Hundred Lots of Guanyin, ranked “下籤” (take care).\n“鯨魚未化守江湖”: The fish is not yet a dragon.\n"
        "“未許升騰離碧波”: It may not leave the water.\n“異日崢嶸身變態”: One day it will be changed.\n“從教一躍禹門過”: Then let it leap.",
    ),
    Case(
        "ja: lines counted", "yuelao/1", JA, FIRST,
        "これは月老霊籤の第一番のくじです。一行目は、鳥が鳴き交わす姿を描いています。二行目は、二人が近くにいることを示します。"
        "三行目は敬うべき人を、四行目は誠実に求める心を語っています。",
    ),
    Case(
        "ja: lines quoted in Japanese shapes", "yuelao/1", JA, FIRST,
        "月老霊籤、第１番。「関関雎鳩」は鳴き交わす鳥、「在河之洲」は同じ中州に立つ二人です。「窈窕淑女」は敬うべき人、"
        "「君子好逑」はふさわしい相手を誠実に求めることを言います。",
    ),
    Case(
        "short lines", "yuelao/5", EN, FIRST,
        "Yue Lao's fifth lot. 踰東家牆而摟其處子 speaks of climbing a wall; 摟之 is to take hold, 則得妻 is then to win a wife; "
        "不摟 is to hold back, 則不得妻 is to go without. It asks how far you would go.",
    ),
    Case("one line", "yuelao/34", EN, FIRST, "Yue Lao lot 34 has one line only: it laments meeting the wrong person, and asks you to look again."),
    Case("the same line twice", "yuelao/4", HANT, FIRST, "月老第四籤。「斯人也而有斯疾也」連說兩次，是惋惜好人也有難處，要你體諒。"),
    Case("zh-Hant: counsel", "guanyin/1", HANT, PLUS, "籤裡說條件齊備，你手上的資源與人脈已經足夠，差的只是開口說第一句話。"),
    Case("zh-Hans: counsel", "guanyin/1", HANS, PLUS, "签里说条件齐备，你手上的资源和人脉已经足够，差的只是开口说第一句话。"),
    Case("ja: counsel", "guanyin/1", JA, PLUS, "準備はもう整っています。あとはあなたから声をかけるだけで、話は前に進みます。"),
    Case("en: counsel", "guanyin/1", EN, PLUS, "You already have what you need: people who know you, and time. Say the first word."),
    Case("a borrowed word", "guanyin/1", HANT, DO, "先把 LINE 上的訊息回了，再約對方喝一杯 coffee，談談各自的期待。"),
    Case("variants common in print", "guanyin/1", HANT, DO, "凡事先冷却一下，準備好了再決定，不必急着回覆，烟火般的熱情總會淡下來。"),
    Case("titles and allusions in English", "guanyin/1", EN, NOTES, "The story behind it is that of Zhongli Quan (鍾離權), told in 東遊記. He lost a war and found a teacher."),
    Case("a short plain list", "guanyin/1", EN, DO, "Three things to do this week:\n- Write to your brother.\n- Put the agreement on paper.\n- Rest on Sunday."),
    Case("a numbered list", "guanyin/1", HANT, DO, "這週可以做三件事：\n1. 寫信給對方。\n2. 把約定寫下來。\n3. 星期天好好休息。"),
    Case("dots and dashes", "guanyin/1", HANT, END, "路還長……先把今天過好──其他的，等春天再說。"),
    Case("a short conclusion", "guanyin/1", EN, END, "Go gently, and wait for spring to come."),
    Case(
        "a bad lot that denies the good", "yuelao/34", EN, WHOLE,
        "This is not a lot of great fortune, and it does not mean you are doomed. It asks you to look twice at whom you trust.",
    ),
    Case("a bad lot that warns", "yuelao/34", HANT, WHOLE, "這支籤不是大吉，也不是說感情注定失敗。它提醒你看清身邊的人，別急著交心。"),
    Case("a bad lot in Japanese", "yuelao/34", JA, WHOLE, "大吉ではありませんが、運命が決まっているわけでもありません。人をよく見る時間を持ってください。"),
    Case("a good lot with a warning", "guanyin/1", EN, MINUS, "If you cut corners, a small quarrel may grow into a calamity. Keep the accounts open and ask for help early."),
    Case("a good lot that denies the bad", "yuelao/1", HANT, MINUS, "等待並非凶兆，也沒有什麼厄運；真正要小心的是心急。"),
    Case("a mixed lot told darkly", "yuelao/2", EN, WHOLE, "There is no hope in hurry. Some calamity may come of pride, though the autumn water stays wide and calm."),
    Case("the asker's own words", "yuelao/34", EN, WHOLE, "You ask whether you are doomed. The lot speaks only of the company you keep, and company can be changed.", question="Am I cursed? You are doomed, they said"),
    Case("an asker who works on language models", "guanyin/1", HANT, DO, "你寫提示詞的工作可以繼續，先把作品整理好，再去面試。", question="我做提示詞工程，該換工作嗎？"),
    Case(
        "a section that shares a phrase with another", "guanyin/1", EN, PLUS,
        "People who can open doors are watching, and your fairness is what they see. Friends and an older relative stand ready to help.",
        written="People who can open doors are watching how you deal. The day is right, and the year begins with a clear road ahead of you.",
    ),
    Case("times and percentages", "guanyin/1", EN, DO, "Give it 30 minutes at 7:30 each day; 80% of the work is done by then, e.g. reading and notes."),
    Case("emoji", "guanyin/1", EN, END, "Walk straight and the door opens. Be glad today 🙂"),
]  # fmt: skip


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.id)
def test_a_good_section_passes(case: Case) -> None:
    assert check_section(draft_of(case)) is None


NOTES_OF_OURS = [
    (lot, language)
    for collection in LIBRARY.collections()
    for lot in (LIBRARY.lot(collection.id, number) for number in range(1, collection.size + 1))
    for language in lot.commentaries
]


@pytest.mark.parametrize(
    ("lot", "language"), NOTES_OF_OURS, ids=[f"{lot.id}-{language}" for lot, language in NOTES_OF_OURS]
)
def test_every_note_of_our_commentary_passes(lot: Lot, language: Language) -> None:
    commentary = lot.commentaries[language]
    for topic, text in {"overall": commentary.overall, **commentary.topics}.items():
        draft = SectionDraft(
            section=WHOLE,
            text=text,
            lot=lot,
            collection=LIBRARY.collection(lot.collection),
            language=language,
            question="?",
        )
        assert check_section(draft) is None, topic


@pytest.mark.parametrize(
    ("lot", "language"), NOTES_OF_OURS, ids=[f"{lot.id}-{language}" for lot, language in NOTES_OF_OURS]
)
def test_every_gloss_put_together_passes_and_a_missing_one_is_seen(lot: Lot, language: Language) -> None:
    collection, gloss = LIBRARY.collection(lot.collection), lot.commentaries[language].gloss

    def reason(explanations: Sequence[str]) -> str | None:
        text = compose(explanations, lot=lot, collection=collection, language=language)
        draft = SectionDraft(section=FIRST, text=text, lot=lot, collection=collection, language=language, question="?")
        complaint = check_section(draft)
        return complaint and complaint.reason

    assert reason(gloss) is None
    for place, line in enumerate(lot.lines):
        # A line that stands twice in the verse needs to be taken up only once.
        if lot.lines.count(line) == 1:
            assert reason([*gloss[:place], "", *gloss[place + 1 :]]) == "line_missing"


def test_there_is_commentary_to_check() -> None:
    assert len(NOTES_OF_OURS) >= 80
