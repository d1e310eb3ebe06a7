"""A reading is written in the language asked for, or in the question's own."""

from __future__ import annotations

import pytest

from jieqian.checks.language import question_language, resolve_language
from jieqian.errors import UnsupportedLanguage
from jieqian.languages import Language, named_language

HANT, HANS, EN, JA = Language.ZH_HANT, Language.ZH_HANS, Language.EN, Language.JA

TAGS = {
    "zh-Hant": HANT, "ZH-HANT": HANT, "zh_Hant": HANT, "zh-hant-TW": HANT, "zh-TW": HANT, "zh_HK": HANT, "zh-MO": HANT,
    "zh": HANT, "zh-Hant-CN": HANT, "zh-cht": HANT,
    "zh-Hans": HANS, "zh-CN": HANS, "zh_SG": HANS, "zh-hans-HK": HANS, "zh-CHS": HANS,
    "en": EN, "EN": EN, "en-US": EN, "en_GB": EN, " en ": EN,
    "ja": JA, "ja-JP": JA, "JA_jp": JA,
}  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_a_named_language_wins_over_the_question(tag: str) -> None:
    assert resolve_language(tag, "Wird es gut?") == TAGS[tag]
    assert resolve_language(tag, "會結婚嗎") == TAGS[tag]


@pytest.mark.parametrize("tag", [None, "", "  ", "auto", "AUTO"])
def test_auto_takes_the_questions(tag: str | None) -> None:
    assert named_language(tag) is None
    assert resolve_language(tag, "結婚できますか") == JA


@pytest.mark.parametrize("tag", ["de", "fr-FR", "english", "jp", "zh/../etc", "en-" + "x" * 40, "-", "en--", "中文"])
def test_other_languages_are_refused(tag: str) -> None:
    with pytest.raises(UnsupportedLanguage):
        resolve_language(tag, "hi")


QUESTIONS = {
    "我今年會遇到對的人嗎？": HANT,
    "這份工作該不該換": HANT,
    "我今年会遇到对的人吗？": HANS,
    "这份工作该不该换": HANS,
    "月老": HANT,  # either script: the collections' own
    "姻缘": HANS,
    "求財": HANT,
    "我的未来": HANS,
    "ㄨㄛˇ": HANT,
    "Will I find love this year?": EN,
    "Ｗｉｌｌ ｉｔ ｗｏｒｋ": EN,
    "¿Encontraré el amor?": EN,
    "今年は結婚できますか": JA,
    "ﾃﾝｼｮｸ ｼﾀｲ": JA,
    "運命の人": JA,
    "恋愛運": JA,
    "転職運": JA,
    "国際結婚": JA,
    "我の愛你": HANT,
    "What does 姻緣 mean for me?": EN,
    "Should I marry 王小明?": EN,
    "我的 boyfriend 會回來嗎": HANT,
    "用 Python 写 code 好吗": HANS,
    "ITの仕事に転職すべき?": JA,
    "I like ラーメン and 寿司, should I move to Japan?": EN,
    "42": EN,
    "?!": EN,
    "❤️": EN,
    "결혼할 수 있을까요": EN,
    "выйду ли я замуж": EN,
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_questions_language(question: str) -> None:
    assert question_language(question) == QUESTIONS[question]
