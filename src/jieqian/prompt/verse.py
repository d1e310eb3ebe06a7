"""A lot's verse and rank in the script of the language that is asked for."""

from __future__ import annotations

from jieqian.languages import Language
from jieqian.lots.lot import Fortune, Lot, Polarity
from jieqian.lots.script import to_simplified


def in_script(text: str, language: Language) -> str:
    """Text of a lot (kept in Traditional characters) as a reading in `language` quotes it."""
    return to_simplified(text) if language is Language.ZH_HANS else text


def verse_lines(lot: Lot, language: Language) -> tuple[str, ...]:
    """The lot's lines as a reading in `language` quotes them."""
    return tuple(in_script(line, language) for line in lot.lines)


def rank_label(fortune: Fortune, language: Language) -> str:
    """The rank as printed, in the script of `language`."""
    return in_script(fortune.label, language)


def rank_sense(polarity: Polarity, language: Language) -> str:
    """What a rank of that polarity means, in two or three words of `language`."""
    return _SENSE[language][polarity]


_SENSE: dict[Language, dict[Polarity, str]] = {
    Language.ZH_HANT: {
        Polarity.GREAT: "非常順利",
        Polarity.GOOD: "順利",
        Polarity.MIXED: "好壞參半",
        Polarity.CAUTION: "需要謹慎",
        Polarity.BAD: "目前不順",
    },
    Language.ZH_HANS: {
        Polarity.GREAT: "非常顺利",
        Polarity.GOOD: "顺利",
        Polarity.MIXED: "好坏参半",
        Polarity.CAUTION: "需要谨慎",
        Polarity.BAD: "目前不顺",
    },
    Language.EN: {
        Polarity.GREAT: "very favourable",
        Polarity.GOOD: "favourable",
        Polarity.MIXED: "mixed",
        Polarity.CAUTION: "calls for care",
        Polarity.BAD: "unfavourable for now",
    },
    Language.JA: {
        Polarity.GREAT: "とても良い",
        Polarity.GOOD: "良い",
        Polarity.MIXED: "良し悪しが半ば",
        Polarity.CAUTION: "慎重さが要る",
        Polarity.BAD: "今は順調でない",
    },
}
