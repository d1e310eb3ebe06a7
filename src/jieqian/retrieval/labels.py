"""What passages are called in the four languages, and how their parts are put side by side."""

from __future__ import annotations

from collections.abc import Sequence

from jieqian.languages import Language
from jieqian.lots.lot import Lot
from jieqian.retrieval.passage import Kind, StoredPassage

TOPIC_LABELS = {
    Language.ZH_HANT: {
        "love": "感情",
        "work": "工作",
        "wealth": "財運",
        "health": "健康",
        "study": "學業",
        "family": "家庭",
        "travel": "出行",
    },
    Language.ZH_HANS: {
        "love": "感情",
        "work": "工作",
        "wealth": "财运",
        "health": "健康",
        "study": "学业",
        "family": "家庭",
        "travel": "出行",
    },
    Language.EN: {
        "love": "Love",
        "work": "Work",
        "wealth": "Money",
        "health": "Health",
        "study": "Study",
        "family": "Family",
        "travel": "Travel",
    },
    Language.JA: {
        "love": "恋愛",
        "work": "仕事",
        "wealth": "金運",
        "health": "健康",
        "study": "学業",
        "family": "家庭",
        "travel": "旅行",
    },
}
RANK = {Language.ZH_HANT: "等第", Language.ZH_HANS: "等第", Language.EN: "Rank", Language.JA: "吉凶"}
NO_RANK = {
    Language.ZH_HANT: "此籤沒有印出等第",
    Language.ZH_HANS: "此签没有印出等第",
    Language.EN: "no rank is printed on this lot",
    Language.JA: "吉凶は記されていない",
}
_KINDS = {
    Language.ZH_HANT: {
        Kind.VERSE: "籤詩",
        Kind.LINE: "詩句",
        Kind.RANK: "等第",
        Kind.OVERALL: "整體籤意",
        Kind.ALLUSION: "典故",
        Kind.FAQ: "常見問題",
    },
    Language.ZH_HANS: {
        Kind.VERSE: "签诗",
        Kind.LINE: "诗句",
        Kind.RANK: "等第",
        Kind.OVERALL: "整体签意",
        Kind.ALLUSION: "典故",
        Kind.FAQ: "常见问题",
    },
    Language.EN: {
        Kind.VERSE: "verse",
        Kind.LINE: "a line",
        Kind.RANK: "rank",
        Kind.OVERALL: "overall sense",
        Kind.ALLUSION: "allusion",
        Kind.FAQ: "a question asked before",
    },
    Language.JA: {
        Kind.VERSE: "籤詩",
        Kind.LINE: "詩句",
        Kind.RANK: "吉凶",
        Kind.OVERALL: "全体の意味",
        Kind.ALLUSION: "故事",
        Kind.FAQ: "よくある質問",
    },
}


def title_of(passage: StoredPassage, lot: Lot, language: Language) -> str:
    """What a reader in `language` is told the passage is: `Yue Lao's Hundred Lots, lot 7: love`."""
    if passage.kind is Kind.TOPIC:
        part = TOPIC_LABELS[language].get(passage.topic or "", passage.topic or "")
    else:
        part = _KINDS[language][passage.kind]
    return f"{lot.title(language)}: {part.lower()}" if language is Language.EN else f"{lot.title(language)}・{part}"


def noted(head: str, note: str, language: Language) -> str:
    """A head with what is said of it."""
    return f"{head}: {note}" if language is Language.EN else f"{head}：{note}"


def joined(lines: Sequence[str]) -> str:
    """A verse in one line."""
    return "，".join(lines)
