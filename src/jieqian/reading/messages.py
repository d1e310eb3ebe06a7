"""What an asker is told of each stage, in their language."""

from __future__ import annotations

from jieqian.events.event import Stage
from jieqian.languages import Language

_MESSAGES: dict[Stage, dict[Language, str]] = {
    Stage.QUEUE: {
        Language.ZH_HANT: "排隊等候",
        Language.ZH_HANS: "排队等候",
        Language.EN: "Waiting for a free place",
        Language.JA: "順番を待っています",
    },
    Stage.POEM: {
        Language.ZH_HANT: "取出籤詩",
        Language.ZH_HANS: "取出签诗",
        Language.EN: "Fetching the lot",
        Language.JA: "おみくじの詩を取り出しています",
    },
    Stage.RETRIEVAL: {
        Language.ZH_HANT: "查找相關的解說",
        Language.ZH_HANS: "查找相关的解说",
        Language.EN: "Looking for passages that bear on the question",
        Language.JA: "関係する解説を探しています",
    },
    Stage.GENERATION: {
        Language.ZH_HANT: "解讀籤意",
        Language.ZH_HANS: "解读签意",
        Language.EN: "Writing the reading",
        Language.JA: "読み解いています",
    },
    Stage.VALIDATION: {
        Language.ZH_HANT: "核對內容",
        Language.ZH_HANS: "核对内容",
        Language.EN: "Checking what was written",
        Language.JA: "内容を確かめています",
    },
}


def stage_message(stage: Stage, language: Language) -> str:
    """One short line for the stage."""
    return _MESSAGES[stage][language]
