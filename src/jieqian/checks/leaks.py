"""Does anything show that is not the reading: thinking, the prompt, JSON, markup, links?"""

from __future__ import annotations

import re

from jieqian.checks.check import Complaint
from jieqian.checks.complaints import complain
from jieqian.checks.phrases import phrases
from jieqian.checks.verse import ReadDraft
from jieqian.sections.section import SECTIONS

_ROLE = re.compile(
    r"(?im)^\s*(?:\[?(?:system|user|assistant|human|ai|bot|model)\]?\s*[::]|(?:用户|使用者|助手|助理|系统|ユーザー|アシスタント)\s*[::])"
)
# Two of the seven names are plain English words; those leak only as a key, with its quotes or at a line's start.
_FIELDS = re.compile(
    r"\b(?:" + "|".join(name for name in SECTIONS if "_" in name) + r")\b|[\"'](?:challenges|conclusion)[\"']\s*:"
)
_JSON = re.compile(
    r"\"[a-zA-Z_]\w{1,40}\"\s*:\s*[\"\[{]"  # "key": "…; a quoted verse line before a colon is none
    r"|^\s*[{\[]\s*[\"{]|\"\s*,?\s*[}\]]+\s*$"  # the object's or list's ends
    r"|\\[nrt\"](?![a-z])|\\u[0-9a-fA-F]{4}"  # escapes shown as they are
    r"|\{\{|\}\}|\{%|\$\{"  # a template's holes
)
_MARKUP = re.compile(
    r"</?[a-zA-Z][\w-]*(?:\s[^<>]*)?/?>|<!--|&(?:nbsp|amp|lt|gt|quot|apos|#\d{1,6});"  # HTML
    r"|^\s{0,3}#{1,6}\s|^\s*(?:-{3,}|\*{3,}|_{3,}|={3,})\s*$"  # headings, rules
    r"|```|~~~|(?<!`)`[^`\n]+`(?!`)"  # code
    r"|\*\*[^*\n]+\*\*|(?<![\w_])__[^_\n]+__(?![\w_])|(?<![\w*])\*[^*\s][^*\n]*\*(?![\w*])"  # bold, italics
    r"|^\s*\|.*\|\s*$|\|\s*:?-{3,}"  # tables
    r"|\[[^\]\n]{1,200}\]\([^)\n]{1,400}\)|\\boxed\{|\$\$"
    # Short plain lists are tolerated, they read well as text; a list inside a list does not.
    r"|^(?:\t| {2,})[-*+•]\s",
    re.MULTILINE,
)
_BULLET = re.compile(r"(?m)^\s*[-*+•]\s")
_MOST_BULLETS = 10
_LINK = re.compile(
    r"(?i)\b(?:https?|ftp|mailto|javascript|data):\S|\bwww\.\w|[\w.+-]@[\w-]{1,63}\.\w{2}"
    r"|\b[a-z0-9][a-z0-9-]{0,62}\.(?:com|org|net|io|info|biz|app|dev|cn|tw|hk|jp|uk|co|me|ai|xyz|top|site|shop|link)\b(?!\.\w)"
)


def hides_thinking(read: ReadDraft) -> Complaint | None:
    """`thinking_leak`: thinking aloud, or the tags of a chat template."""
    if _ROLE.search(read.folded) or _held(read, "thinking"):
        return complain("thinking_leak", read.draft.language)
    return None


def hides_prompt(read: ReadDraft) -> Complaint | None:
    """`prompt_leak`: our rules, field names, a preface, or a program speaking of itself."""
    if _FIELDS.search(read.folded) or _held(read, "prompt"):
        return complain("prompt_leak", read.draft.language)
    return None


def is_plain(read: ReadDraft) -> Complaint | None:
    """`json_remains`, `markup` or `link`: something other than sentences."""
    language = read.draft.language
    if _JSON.search(read.text):
        return complain("json_remains", language)
    # A link inside brackets is markup too, but the link is what matters.
    if _LINK.search(read.text):
        return complain("link", language)
    if _MARKUP.search(read.text) or len(_BULLET.findall(read.text)) > _MOST_BULLETS:
        return complain("markup", language)
    return None


def _held(read: ReadDraft, kind: str) -> bool:
    return any(phrase in read.folded and phrase not in read.folded_question for phrase in phrases("leaks", kind))
