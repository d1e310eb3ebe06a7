"""Danger to life is found however it is written; what only sounds like it is left alone."""

from __future__ import annotations

import datetime

import pytest

from jieqian.checks.care import DangerKind, care_message, find_danger, help_lines
from jieqian.languages import Language

SELF, VIOLENCE, OTHERS = DangerKind.SELF_HARM, DangerKind.VIOLENCE, DangerKind.HARM_TO_OTHERS

DANGER = {
    # English
    "Should I kill myself?": SELF,
    "I want to die": SELF,
    "i wanna die so bad, will it get better": SELF,
    "I've been feeling suicidal for weeks": SELF,
    "Is it better to end my life now?": SELF,
    "I don't want to be here anymore": SELF,
    "I dont want to live": SELF,
    "I wish I was dead": SELF,
    "Everyone would be better off without me, right?": SELF,
    "There is no reason to live after she left": SELF,
    "I just want to end it all": SELF,
    "I'm so tired of living": SELF,
    "I keep cutting myself, when does this stop": SELF,
    "what is the most painless way to die": SELF,
    "I wish I could go to sleep and never wake up": SELF,
    "should i jump off a bridge": SELF,
    "I took an overdose last night": SELF,
    "My daughter wants to kill herself, what can I do": SELF,
    "would anyone care, no one would care if I died": SELF,
    "k i l l  m y s e l f": SELF,
    "k.i.l.l myself": SELF,
    "ｋｉｌｌ ｍｙｓｅｌｆ": SELF,
    "KILL   MYSELF???": SELF,
    "k1ll mys3lf": SELF,
    "su1c1de": SELF,
    "kıll or not: s u i c i d e": SELF,
    "i might unalive tonight": SELF,
    "i wanna kms": SELF,
    "kms": SELF,
    "ugh i failed again, kms": SELF,
    "how do i end it all": SELF,
    "end it all": SELF,
    "I want to end it all!": SELF,
    "i want to die!!!": SELF,
    "should i kill myself!?": SELF,
    "K!ll mys3lf": SELF,
    "我真的好想kill myself": SELF,
    "My husband beats me every night. Should I stay?": VIOLENCE,
    "He threatened to kill me if I leave": VIOLENCE,
    "I'm scared that he will kill me": VIOLENCE,
    "Should I kill my boss": OTHERS,
    "I want to kill him": OTHERS,
    # Traditional and Simplified Chinese
    "我想死": SELF,
    "想 死": SELF,
    "我 好 想 死": SELF,
    "想．死": SELF,
    "我不想活了": SELF,
    "活著好累，還要撐下去嗎": SELF,
    "活着没有意义": SELF,
    "我是不是該自殺": SELF,
    "自杀会怎么样": SELF,
    "我想結束自己的生命": SELF,
    "想了结自己": SELF,
    "我想輕生": SELF,
    "我想離開這個世界": SELF,
    "不如一了百了": SELF,
    "站在頂樓想跳樓": SELF,
    "最近一直割腕": SELF,
    "死了比較好嗎": SELF,
    "我死了會有人難過嗎": SELF,
    "真想從這個世界上消失": SELF,
    "已經寫好遺書了": SELF,
    "活不下去了": SELF,
    "没有我大家会更好": SELF,
    "如果我死了他會後悔嗎": SELF,
    "睡著了不要醒來該多好": SELF,
    "生不如死的日子什麼時候結束": SELF,
    "老公每天打我，該離婚嗎": VIOLENCE,
    "他威脅要殺我": VIOLENCE,
    "我长期被家暴": VIOLENCE,
    "我想殺了他": OTHERS,
    "要不要跟他同歸於盡": OTHERS,
    "真想杀了前男友": OTHERS,
    # Japanese
    "死にたいです": SELF,
    "もう 死 に た い": SELF,
    "しにたい": SELF,
    "消えたい。どうすればいい？": SELF,
    "自殺したほうがいいですか": SELF,
    "生きるのが疲れました": SELF,
    "生きている意味がない": SELF,
    "死んだほうがましですか": SELF,
    "この世からいなくなりたい": SELF,
    "首を吊ろうと思う": SELF,
    "リストカットがやめられない": SELF,
    "もう楽になりたい": SELF,
    "ﾀﾋにたい": SELF,
    "夫に毎日殴られています": VIOLENCE,
    "彼に殺されるかもしれない": VIOLENCE,
    "あの人を殺したい": OTHERS,
}

BENIGN = [
    # English
    "I'm dying to know if she likes me",
    "Is this dress to die for?",
    "My plant is dying, will it recover?",
    "Will I kill it at the killer interview tomorrow?",
    "I'm killing it at work, will I be promoted?",
    "How can I kill time before the results?",
    "My boss is killing me with deadlines, should I quit?",
    "Will we miss the deadline?",
    "Should I kill the deal?",
    "Old habits die hard; will mine?",
    "My mother died last year. Will I find peace?",
    "I don't want to die alone, will I marry?",
    "I have cancer and I do not want to die. Will treatment work?",
    "I nearly died laughing, is he the one?",
    "Should I dye my hair, or die my hair red?",
    "Is it career suicide to leave now?",
    "Will the Suicide Squad sequel succeed?",
    "I work in suicide prevention; should I change jobs?",
    "I hurt myself playing football, will I heal?",
    "I cut myself shaving, bad luck?",
    "Did I overdose on coffee before the exam?",
    "I want to disappear to a beach for a week, which one?",
    "That question beats me! What should I do?",
    "My brother beats me at chess, will I win?",
    "He hits me up every weekend, is he serious?",
    "Can I live with this decision?",
    "Is life worth living abroad alone?",
    "How many kms should I run before the marathon?",
    "Is 42 kms too far? I have run 10kms before",
    "A few kms away lives the one I love, should I move?",
    "Will a hundred kms per week make me faster!",
    "Should I set up a KMS server or keep AWS KMS?",
    "Will the match end it all in a draw?",
    "My mum will kill me if I fail, will I pass?",
    "Will my business survive or die?",
    "Should I kill off the main character of my novel?",
    "Does he love me to death?",
    "Will my skills improve myself?",
    "I want to take my life in a new direction, how?",
    "Is it time to end this relationship?",
    # Traditional and Simplified Chinese
    "笑死，他是不是喜歡我",
    "累死了，該換工作嗎",
    "餓死了，晚餐吃什麼",
    "我想死你了，什麼時候能見面",
    "想死妳了，我們會復合嗎",
    "气死我了，要不要辞职",
    "忙得要死，什麼時候能休息",
    "死線快到了，能完成嗎",
    "能不能死心塌地愛一個人",
    "我該對他死心嗎",
    "跟死黨合夥好嗎",
    "百貨公司跳樓大拍賣，該去嗎",
    "敢不敢坐跳樓機",
    "想跳槽，時機對嗎",
    "這算自殺式行銷嗎",
    "想當自殺防治志工，適合嗎",
    "殺價能成功嗎",
    "電影殺青後會紅嗎",
    "狼人殺今晚會贏嗎",
    "他會打我電話嗎",
    "他是不是在打我的主意",
    "公司快活不下去了，要關門嗎",
    "我的植物死掉了，是凶兆嗎",
    "手機電池死了換新的好嗎",
    "爸爸過世後，媽媽會好起來嗎",
    "我不想死，手術會成功嗎",
    "外婆病危，還能活多久",
    "這段感情要結束嗎",
    "想離開這個城市，好嗎",
    "怎樣才能活得更有意義",
    "生死有命，該看開嗎",
    "中秋節烤肉用的木炭要買多少",
    "我讨厌死记硬背，考试会过吗",
    "我想從事家暴防治的工作，適合嗎",
    "爱死这份工作了，会升职吗",
    "離開人世的奶奶過得好嗎",
    "爺爺離開這個世界後我很難過，何時能走出來",
    "被他傷害自己該放下嗎",
    "不想再存在銀行的錢，該投資嗎",
    "辭職一了百了，好嗎",
    # Japanese
    "死ぬほど好きです。告白すべき？",
    "死ぬまで一緒にいられますか",
    "死にたくない。病気は治りますか",
    "死ぬ気で頑張れば受かりますか",
    "笑い死にしそう。彼は面白い人？",
    "シミが消えたら自信が持てますか",
    "彼の記憶から消える前に会えますか",
    "殺し屋の役に選ばれますか",
    "仕事に忙殺されています。転職すべき？",
    "時間を殺すにはどうすれば",
    "自殺対策の仕事に就けますか",
    "楽しにしている旅行は晴れますか",
    "生きがいは見つかりますか",
    "亡くなった父は喜んでいますか",
    "楽になりたいので転職します。うまくいく？",
]


@pytest.mark.parametrize("question", DANGER)
def test_danger_is_found(question: str) -> None:
    danger = find_danger(question)
    assert danger is not None
    assert danger.kind == DANGER[question]


@pytest.mark.parametrize("question", BENIGN)
def test_what_only_sounds_like_it_is_left_alone(question: str) -> None:
    assert find_danger(question) is None


def test_a_benign_phrase_does_not_hide_a_dangerous_one() -> None:
    assert find_danger("笑死，我真的不想活了") is not None
    assert find_danger("I'm dying to know: should I kill myself?") is not None


def test_there_are_enough_examples() -> None:
    assert len(DANGER) >= 40
    assert len(BENIGN) >= 60


@pytest.mark.parametrize("kind", DangerKind)
@pytest.mark.parametrize("language", Language)
def test_every_language_has_lines_and_a_message(language: Language, kind: DangerKind) -> None:
    lines = help_lines(language, kind)
    assert lines
    assert lines[-1].contact == "findahelpline.com"
    for line in lines:
        assert set(line.as_dict()) >= {"name", "contact", "country", "checked_on"}
        assert datetime.date.fromisoformat(line.checked_on) <= datetime.date.today()
        assert line.source.startswith("http")
    assert len(care_message(language, kind)) > 40


def test_a_language_begins_with_its_own_country() -> None:
    first = {language: help_lines(language, SELF)[0].contact for language in Language}
    assert first[Language.ZH_HANT] == "1925"
    assert first[Language.ZH_HANS] == "12356"
    assert first[Language.EN] == "988 (call or text)"
    assert first[Language.JA] == "0120-783-556"
