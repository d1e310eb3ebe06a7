"""What is wrong with one text of a pack: its script, markup, links, words that speak to a model instead of a reader."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jieqian.languages import Language
from jieqian.lots.script import OLD_FORMS, is_simplified_form, is_traditional_form, to_simplified

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa]")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
_QUOTED = re.compile(
    r"“[^”]*”|\"[^\"]*\"|‘[^’]*’|'[^']*'|「[^」]*」|『[^』]*』|《[^》]*》|\([^()]*\)|（[^（）]*）|\[[^\]]*\]"
)
_MARKDOWN = re.compile(
    r"\*\*|__|`|~~~|^\s{0,3}(?:#{1,6}|[-*+>]|\d+\.)\s|\[[^\]]*\]\([^)]*\)|^[^\S\n]*\|.*\|[^\S\n]*$", re.MULTILINE
)
# ASCII alone: Chinese has no blank before and behind an address. Each begins where a word does: long runs cost little.
LINK = re.compile(
    r"(?i:(?<![A-Z0-9])(?:https?|ftp|file|javascript|data|mailto):\S|(?<![A-Z0-9])www\.\w"
    r"|(?<![A-Z0-9_.+-])[A-Z0-9_.+-]{1,64}@[A-Z0-9-]{1,63}\.\w"
    r"|(?<![A-Z0-9_-])[A-Z0-9_-]{1,63}\.(?:com|org|net|io|tw|cn|jp|hk)(?![A-Z0-9_]))"
)
# Matched against text folded to Simplified characters, so each Chinese phrase stands here once.
_TO_A_MODEL = re.compile(
    r"(?i:\b(?:ignore|disregard|forget)\s+(?:all|any|the|these|your|previous|prior|above)\b[^,.;:!?]{0,30}"
    r"\b(?:instructions?|prompts?|rules|text)\b"
    r"|\b(?:system|developer)\s+(?:prompt|message)\b|\bas\s+an\s+ai\b|\b(?:large\s+)?language\s+model\b"
    r"|\byou\s+are\s+(?:now\s+)?(?:an?\s+)?(?:ai|assistant|chatbot)\b|^[^\S\n]*(?:system|assistant|user)\s{0,9}[:：]"
    r"|<\|?(?:im_|endof|start_header)|\[/?inst\]|</?think)"
    r"|(?:忽略|无视|忘记|不要理会)(?:以上|上述|上面|前面|之前|先前|所有|一切).{0,12}(?:指示|指令|提示|规则|内容)"
    r"|系统(?:提示|指令|讯息|消息)|(?:作为|身为)(?:一个|一名)?(?:AI|人工智能|人工智慧|语言模型)|语言模型"
    r"|(?:以前|上記|これまで)の(?:指示|命令)|指示を無?[無无]視|システムプロンプト|言語モデル",
    re.MULTILINE,
)
_ENDS_IN_MARK = re.compile(r"[，。、；：！？,.;:!?]$")


def text_faults(text: str) -> Iterator[str]:
    """What no title, allusion or commentary may hold, its script apart; sentences to follow its key."""
    for what, pattern, searched in (
        ("markup", _MARKDOWN, text),
        ("a link or an address", LINK, text),
        ("words meant for a language model", _TO_A_MODEL, _folded(text)),
    ):
        if found := pattern.search(searched):
            yield f"holds {what}: {found[0].strip()[:40]}"


def speaks_to_a_model(text: str) -> bool:
    """Whether a text holds words meant for a language model instead of a reader."""
    return _TO_A_MODEL.search(_folded(text)) is not None


def verse_faults(line: str) -> Iterator[str]:
    """What no line of verse may hold, its script apart."""
    if _ENDS_IN_MARK.search(line):
        yield f"ends with the mark {line[-1]}; verse lines stand without it"
    for what, pattern in (("markup", _MARKDOWN), ("a link or an address", LINK)):
        if found := pattern.search(line):
            yield f"holds {what}: {found[0].strip()[:40]}"


def verse_script_faults(line: str, script: Language) -> Iterator[str]:
    """Where a line of verse is not in the script it is printed in; forms that old print has too are left alone."""
    yield from script_faults(line.translate(OLD_FORMS) or line, script)


def script_faults(text: str, language: Language) -> Iterator[str]:
    """Where a text is not in its language's script."""
    if language is Language.EN:
        bare = _QUOTED.sub("", text)
        if found := "".join(_HAN.findall(bare) + _KANA.findall(bare)):
            yield f"is English but holds {found[:10]} outside quotation marks and brackets"
        if not _LATIN.search(text):
            yield "is English but holds no Latin letter"
        return
    han, latin = len(_HAN.findall(text)), len(_LATIN.findall(text))
    kana = len(_KANA.findall(text))
    if han + kana == 0 or latin > 2 * (han + kana):
        yield f"is {language.value} but written in another script"
    elif language is Language.JA:
        if kana == 0 and han > 30:
            yield "is ja but holds no kana"
    else:
        if kana:
            yield f"is {language.value} but holds kana: {''.join(_KANA.findall(text))[:10]}"
        wrong = _wrong_forms(text, language)
        if wrong:
            other = "Simplified" if language is Language.ZH_HANT else "Traditional"
            yield f"is {language.value} but holds characters only {other} script has: {wrong}"


def _wrong_forms(text: str, language: Language) -> str:
    of_other = is_simplified_form if language is Language.ZH_HANT else is_traditional_form
    return "".join(dict.fromkeys(filter(of_other, _HAN.findall(text))))[:10]


def _folded(text: str) -> str:
    return text if not _HAN.search(text) else f"{to_simplified(text)}\n{text}"
