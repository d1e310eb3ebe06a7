"""How the first section is put together: a sentence naming the lot, then each line quoted with its explanation."""

from __future__ import annotations

from collections.abc import Sequence

from jieqian.languages import Language
from jieqian.lots.lot import Collection, Lot
from jieqian.prompt.verse import rank_label, rank_sense, verse_lines

_HEADINGS = {
    Language.ZH_HANT: ("這是{name}第{number}籤。", "這是{name}第{number}籤，籤等「{rank}」（{sense}）。"),
    Language.ZH_HANS: ("这是{name}第{number}签。", "这是{name}第{number}签，签等“{rank}”（{sense}）。"),
    Language.EN: ("This is lot {number} of {name}.", "This is lot {number} of {name}, ranked “{rank}” ({sense})."),
    Language.JA: (
        "これは{name}の第{number}番のくじです。",
        "これは{name}の第{number}番、「{rank}」（{sense}）のくじです。",
    ),
}
_QUOTED = {
    Language.ZH_HANT: "「{line}」：",
    Language.ZH_HANS: "“{line}”：",
    Language.EN: "“{line}”: ",
    Language.JA: "「{line}」：",
}
_LEADING = " \n「『“‘\"'《〈（("
_FOLLOWING = " \n」』”’\"'》〉）)，,：:、。.；;－—–-"


def heading(lot: Lot, collection: Collection, language: Language) -> str:
    """One sentence naming collection, number and, where one is printed, the rank with its sense."""
    plain, ranked = _HEADINGS[language]
    name = collection.name(language)
    if lot.fortune is None:
        return plain.format(name=name, number=lot.number)
    rank, sense = rank_label(lot.fortune, language), rank_sense(lot.fortune.polarity, language)
    return ranked.format(name=name, number=lot.number, rank=rank, sense=sense)


def quoted(line: str, language: Language) -> str:
    """The verse line in the language's quotation marks, ready for its explanation."""
    return _QUOTED[language].format(line=line)


def compose(
    explanations: Sequence[str], *, lot: Lot, collection: Collection, language: Language, ended: bool = True
) -> str:
    """The section's text from one explanation a line.

    With `ended` false the last explanation may still grow; the text then is a beginning of every later one. A line
    whose explanation is empty is left out, so a check can see that it was not taken up; explanations beyond the last
    line follow without a quote.
    """
    lines = verse_lines(lot, language)
    rows: list[str] = []
    for place, explanation in enumerate(explanations):
        grows = not ended and place == len(explanations) - 1
        if place >= len(lines):
            own = explanation.strip()
        else:
            own = _without_verse(explanation, (lines[place], lot.lines[place]), grows=grows)
        if own:
            rows.append((quoted(lines[place], language) if place < len(lines) else "") + own)
    return "\n".join([heading(lot, collection, language), *rows])


def _without_verse(explanation: str, verses: Sequence[str], *, grows: bool) -> str:
    """The explanation without the verse line it may repeat first; "" while that is still open."""
    bare = explanation.lstrip(_LEADING)
    for verse in verses:
        if bare.startswith(verse):
            return bare[len(verse) :].lstrip(_FOLLOWING).rstrip()
        if grows and verse.startswith(bare):
            return ""
    return explanation.strip().lstrip("：:，,、 ")
