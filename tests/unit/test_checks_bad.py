"""Each kind of bad section is refused, for the reason that helps the model most."""

# A case is easier to read on one line than wrapped.
# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass

import pytest

from jieqian.checks.check import SectionDraft
from jieqian.checks.complaints import all_advice
from jieqian.checks.sections import CHECKS, check_section
from jieqian.checks.verse import read_draft
from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.sections.section import SectionName

HANT, HANS, EN, JA = Language.ZH_HANT, Language.ZH_HANS, Language.EN, Language.JA
FIRST, WHOLE, DO, END = (
    SectionName.LINE_BY_LINE,
    SectionName.OVERALL_DEVELOPMENT,
    SectionName.SUGGESTED_ACTIONS,
    SectionName.CONCLUSION,
)
LIBRARY = LotLibrary()
PLAIN = "The day is right and the road is open, so begin with what you can do today. "


@dataclass(frozen=True)
class Case:
    id: str
    reason: str
    lot: str
    language: Language
    section: SectionName
    text: str
    written: str = ""


def draft_of(case: Case) -> SectionDraft:
    collection, number = case.lot.split("/")
    return SectionDraft(
        section=case.section,
        text=case.text,
        lot=LIBRARY.lot(collection, int(number)),
        collection=LIBRARY.collection(collection),
        language=case.language,
        question="Will it go well?",
        written={SectionName.POSITIVE_FACTORS: case.written} if case.written else {},
    )


BAD = [
    Case("nothing", "empty", "guanyin/1", EN, WHOLE, ""),
    Case("only marks", "empty", "guanyin/1", HANT, WHOLE, " 。……！\n"),
    Case("one word", "too_short", "guanyin/1", EN, WHOLE, "Good."),
    Case("four characters", "too_short", "guanyin/1", HANT, END, "順其自然。"),
    Case("only quotations", "too_short", "guanyin/1", HANT, WHOLE, "「天開地闢結良緣，日吉時良萬事全，若得此籤非小可，人行中正帝王宣。」"),
    Case("a novel", "too_long", "guanyin/1", EN, WHOLE, " ".join(f"On day {day} of month {day % 12} a friend of house {day * 7} brings you news of task {day * 3}." for day in range(80))),
    Case("the same sentence", "runaway", "guanyin/1", EN, WHOLE, "Be patient and wait for the right day. " * 4),
    Case("a loop without an end", "runaway", "guanyin/1", HANT, WHOLE, "先把事情做好，" + "再慢慢等待時機到來，" * 12),
    Case("a loop at the end of a long text", "runaway", "guanyin/1", EN, WHOLE, PLAIN + "Friends stand near you, your accounts are clear, and an elder will speak for you if asked. Write first, then travel. " + "and then the door and the " * 30),
    Case("one character", "runaway", "guanyin/1", JA, WHOLE, "これからとても良くなりますよ" + "ああああああああああああああああああああ"),
    Case("English for Chinese", "wrong_language", "guanyin/1", HANT, WHOLE, PLAIN * 2),
    Case("Chinese for English", "wrong_language", "guanyin/1", EN, WHOLE, "條件都齊備了，先從今天能做的事開始，不要貪快。"),
    Case("English with whole Chinese sentences", "wrong_language", "guanyin/1", EN, WHOLE, "Begin today. 條件都齊備了，先從今天能做的事開始，不要貪快。"),
    Case("Chinese for Japanese", "wrong_language", "guanyin/1", JA, WHOLE, "條件都齊備了，先從今天能做的事開始，不要貪快。"),
    Case("Japanese for Chinese", "wrong_language", "guanyin/1", HANT, WHOLE, "準備はもう整っています。あとはあなたから声をかけるだけです。"),
    Case("Spanish for English", "wrong_language", "guanyin/1", EN, WHOLE, "El día es bueno y el camino está abierto; empieza hoy con lo que puedas hacer, sin prisa pero con alegría."),
    Case("Korean for Japanese", "wrong_language", "guanyin/1", JA, WHOLE, "오늘은 좋은 날입니다. 서두르지 말고 할 수 있는 일부터 시작하세요."),
    Case("Chinese in place of English, first section", "wrong_language", "yuelao/1", EN, FIRST, "月老靈籤第一籤。關關雎鳩，水鳥相和，彼此回應；在河之洲，距離不遠；窈窕淑女，值得敬重；君子好逑，誠心追求。"),
    Case("simplified for traditional", "wrong_script", "guanyin/1", HANT, WHOLE, "条件都齐备了，先从今天能做的事开始，不要贪快，慢慢来会比较好。"),
    Case("mixed script", "wrong_script", "guanyin/1", HANT, WHOLE, "條件都齊備了，先从今天能做的事开始，不要贪快，慢慢來會比較好，机会还在。"),
    Case("traditional for simplified", "wrong_script", "guanyin/1", HANS, WHOLE, "條件都齊備了，先從今天能做的事開始，不要貪快，慢慢來會比較好。"),
    Case("thinking tags", "thinking_leak", "guanyin/1", EN, WHOLE, "<think>They ask about work.</think> " + PLAIN),
    Case("thinking aloud", "thinking_leak", "guanyin/1", EN, WHOLE, "Okay, the user wants to know about work. " + PLAIN),
    Case("thinking aloud in Chinese", "thinking_leak", "guanyin/1", HANT, WHOLE, "用戶問的是工作，我需要寫一段整體發展。條件都齊備了。"),
    Case("chat template", "thinking_leak", "guanyin/1", EN, WHOLE, PLAIN + "<|im_end|>"),
    Case("a role", "thinking_leak", "guanyin/1", EN, WHOLE, PLAIN + "\nUser: and my health?"),
    Case("a role in Chinese", "thinking_leak", "guanyin/1", HANS, WHOLE, "条件都齐备了，先从今天开始。\n用户：那健康呢？"),
    Case("an AI", "prompt_leak", "guanyin/1", EN, WHOLE, "As an AI language model, I cannot see the future. " + PLAIN),
    Case("an AI in Chinese", "prompt_leak", "guanyin/1", HANT, WHOLE, "作為一個 AI，".replace(" ", "") + "我沒有個人意見，但條件都齊備了。"),
    Case("an AI in Japanese", "prompt_leak", "guanyin/1", JA, WHOLE, "言語モデルとして断言はできませんが、準備はもう整っています。"),
    Case("a field name", "prompt_leak", "guanyin/1", EN, WHOLE, "overall_development: " + PLAIN),
    Case("our rules", "prompt_leak", "guanyin/1", EN, WHOLE, "According to the instructions, " + PLAIN),
    Case("a refusal", "prompt_leak", "guanyin/1", EN, WHOLE, "I'm sorry, but I can't help with that request about the lot."),
    Case("JSON around it", "json_remains", "guanyin/1", EN, WHOLE, '{"text": "The day is right and the road is open."}'),
    Case("the end of JSON", "json_remains", "guanyin/1", EN, WHOLE, PLAIN.strip() + '"}'),
    Case("escapes", "json_remains", "guanyin/1", EN, WHOLE, "The day is right.\\n\\nThe road is open to you and to your friends."),
    Case("a template's hole", "json_remains", "guanyin/1", EN, WHOLE, "Dear {{ name }}, " + PLAIN),
    Case("HTML", "markup", "guanyin/1", EN, WHOLE, "<p>" + PLAIN + "</p>"),
    Case("an image that calls home", "markup", "guanyin/1", EN, WHOLE, PLAIN + "<img src=x onerror=alert(1)>"),
    Case("a heading", "markup", "guanyin/1", EN, WHOLE, "## Overall\n" + PLAIN),
    Case("bold", "markup", "guanyin/1", HANT, WHOLE, "**整體**：條件都齊備了，先從今天能做的事開始。"),
    Case("a table", "markup", "guanyin/1", EN, WHOLE, "| now | later |\n|---|---|\n| the day is right | the road is open |"),
    Case("a code fence", "markup", "guanyin/1", EN, WHOLE, "```\n" + PLAIN + "\n```"),
    Case("nested list", "markup", "guanyin/1", EN, DO, "- Write to your brother about it.\n  - Today is the day for it.\n  - Or on Sunday at the latest."),
    Case("a link", "link", "guanyin/1", EN, WHOLE, PLAIN + "See https://fortune.example/7 for more."),
    Case("a bare domain", "link", "guanyin/1", HANT, WHOLE, "條件都齊備了，詳情請看 lucky-lots.com 的說明。"),
    Case("an e-mail address", "link", "guanyin/1", EN, WHOLE, PLAIN + "Write to master@temple.example now."),
    Case("a Markdown link", "link", "guanyin/1", EN, WHOLE, PLAIN + "[More](http://x.example)."),
    Case("quoted, hardly explained", "line_not_explained", "yuelao/1", HANT, FIRST, "這是月老靈籤第1籤。\n「關關雎鳩」：一對對。\n「在河之洲」：水中的沙洲。\n「窈窕淑女」：文靜美好的女子。\n「君子好逑」：是君子的好伴侶。"),
    Case("a line left out", "line_missing", "yuelao/1", HANT, FIRST, "月老靈籤第一籤。「關關雎鳩」：水鳥相和。「在河之洲」：距離不遠。「君子好逑」：誠心追求。"),
    Case("a line left out, by place", "line_missing", "guanyin/2", EN, FIRST, "Guanyin lot 2. Line 1 shows a fish in the river. Line 2 says to wait. Line 4 is the leap over the gate."),
    Case("a sister line is not the line", "line_missing", "yuelao/38", HANT, FIRST, "月老第三十八籤。「不得乎親」：得不到父母的心。「不可以為人」：做人難安。「不可以為子」：為人子女有愧。"),
    Case("a short line is not inside a long one", "line_missing", "yuelao/5", EN, FIRST, "Yue Lao lot 5. 踰東家牆而摟其處子 is to climb the wall; 則得妻 is to win; 則不得妻 is to go without a wife."),
    Case("no line at all", "line_missing", "guanyin/1", JA, FIRST, "観音霊籤の第一番です。とても良い始まりの詩で、誠実であれば助けが来ます。"),
    Case("no collection", "collection_missing", "guanyin/2", EN, FIRST, "Lot 2. Line 1 shows a fish. Line 2 says to wait. Line 3 tells of change, and line 4 is the leap."),
    Case("no collection in Chinese", "collection_missing", "yuelao/1", HANT, FIRST, "第一籤。關關雎鳩，水鳥相和；在河之洲，距離不遠；窈窕淑女，值得敬重；君子好逑，誠心追求。"),
    Case("no number", "number_missing", "guanyin/2", EN, FIRST, "Guanyin says: line 1 shows a fish. Line 2 says to wait. Line 3 tells of change, and line 4 is the leap."),
    Case("another number", "number_missing", "guanyin/2", HANT, FIRST, "觀音第十二籤。首句說大魚守著江湖；第二句說時候未到；第三句講將來；末句一躍而過。"),
    Case("the number in the collection's name", "number_missing", "guanyin/100", HANT, FIRST, "觀音靈籤一百籤：首句說佛，第二句說路，第三句說心，末句說回頭是岸，慢慢來。"),
    Case("a sentence twice", "repeats_itself", "guanyin/1", EN, WHOLE, "Begin with what you can do today. Friends will help you on the road. Elders will advise you. Friends will help you on the road."),
    Case("a sentence twice in Chinese", "repeats_itself", "guanyin/1", HANT, END, "條件都齊備了，先從今天能做的事開始。身邊的人會幫你。條件都齊備了，先從今天能做的事開始。"),
    Case("a copy", "repeats_section", "guanyin/1", EN, WHOLE, PLAIN + "Friends will help.", written=PLAIN + "Elders will advise."),
    Case("a copy in Chinese, in the other script", "repeats_section", "guanyin/1", HANS, END, "条件都齐备了，先从今天能做的事开始，慢慢来。", written="條件都齊備了，先從今天能做的事開始，不要貪快。"),
    Case("a copy in Japanese", "repeats_section", "guanyin/1", JA, END, "準備はもう整っています。声をかければ話は進みます。", written="準備はもう整っています。声をかければ話は必ず前に進みます。"),
    Case("a good lot as a bad omen", "polarity_reversed", "yuelao/1", EN, WHOLE, "This lot is a bad omen for the marriage, so you had better stay at home."),
    Case("a great lot as 下下籤", "polarity_reversed", "yuelao/1", HANT, WHOLE, "這是一支下下籤，感情上會遇到很多阻礙，最好先不要行動。"),
    Case("a good lot as disaster", "polarity_reversed", "guanyin/1", HANT, WHOLE, "你將大難臨頭，之後厄運一個接一個，做什麼都不順利。"),
    Case("a bad lot as the best", "polarity_reversed", "yuelao/34", EN, WHOLE, "This is an extremely auspicious lot: love comes to you this year and stays."),
    Case("a bad lot as 大吉", "polarity_reversed", "yuelao/34", HANS, WHOLE, "恭喜你，此签大吉，感情很快就会有好结果，可以放心去追求。"),
    Case("a bad lot as triumph", "polarity_reversed", "yuelao/34", HANT, WHOLE, "接下來感情一帆風順，求婚必定成功，只要開口就會有好消息。"),
    Case("a mixed lot as of high rank", "polarity_reversed", "yuelao/2", EN, WHOLE, "Your lot holds a high rank, so love will come by itself and you can lean back."),
    Case("a mixed lot as the worst", "polarity_reversed", "yuelao/2", HANT, WHOLE, "這是一支下下籤，感情上會遇到很多阻礙，最好先不要行動。"),
    Case("a cautioning lot as of high rank", "polarity_reversed", "guanyin/2", EN, WHOLE, "This is a high-ranking lot, and the change of work you ask about is well favoured."),
    Case("a cautioning lot as the best, in Japanese", "polarity_reversed", "guanyin/2", JA, WHOLE, "これは最高の運勢です。思い切って前へ進めば、望んだ通りになります。"),
    Case("fate", "told_as_fate", "yuelao/34", EN, WHOLE, "You are doomed in love, whatever you may try this year."),
    Case("fate in Chinese", "told_as_fate", "yuelao/34", HANT, WHOLE, "這段感情注定失敗，做什麼都沒有用，還是放棄比較好。"),
    Case("fate in Japanese", "told_as_fate", "yuelao/34", JA, WHOLE, "この恋は変えられない運命にあり、これから何をしても結果は同じです。"),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.id)
def test_a_bad_section_is_refused(case: Case) -> None:
    complaint = check_section(draft_of(case))
    assert complaint is not None
    assert complaint.reason == case.reason
    assert "{" not in complaint.advice


def test_every_reason_is_met_by_an_example() -> None:
    assert {case.reason for case in BAD} == set(all_advice())


def test_advice_is_there_in_every_language() -> None:
    assert {reason: set(told) for reason, told in all_advice().items()} == {
        reason: set(Language) for reason in all_advice()
    }


def test_the_advice_names_what_is_missing() -> None:
    missing = next(case for case in BAD if case.id == "a line left out")
    complaint = check_section(draft_of(missing))
    assert complaint is not None
    assert "窈窕淑女" in complaint.advice
    assert "關關雎鳩" not in complaint.advice


def test_the_checks_are_all_in_use() -> None:
    assert len(set(CHECKS)) == len(CHECKS) == 16


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "unit", ["第一二三四五六七八九十", "line 1, ", "- ", "1 2 ", '"a', "[a](", "<a ", "a.b-", "{"], ids=ascii
)
def test_a_runaway_text_does_not_hold_a_check_up(unit: str) -> None:
    """The bound is for a search that would take minutes, not a measure of speed."""
    text = "line 1 and " + unit * (8_000 // len(unit)) + "x"
    draft = draft_of(Case("", "", "yuelao/1", EN, FIRST, text))
    assert [check(read_draft(draft)) for check in CHECKS]
