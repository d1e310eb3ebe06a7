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


#: How passages were found, where it was not by meaning.
_FOUND: dict[str, dict[Language, str]] = {
    "lexical": {
        Language.ZH_HANT: "按字詞找到相關的解說",
        Language.ZH_HANS: "按字词找到相关的解说",
        Language.EN: "Passages found by their words",
        Language.JA: "言葉から関係する解説を探しました",
    },
    "none": {
        Language.ZH_HANT: "這次不用其他解說",
        Language.ZH_HANS: "这次不用其他解说",
        Language.EN: "Going on without further passages",
        Language.JA: "ほかの解説なしで進めます",
    },
}


def stage_message(stage: Stage, language: Language, retrieval: str | None = None) -> str:
    """One short line for the stage; that of retrieval, once finished, says how passages were found."""
    if stage is Stage.RETRIEVAL and retrieval in _FOUND:
        return _FOUND[retrieval][language]
    return _MESSAGES[stage][language]
