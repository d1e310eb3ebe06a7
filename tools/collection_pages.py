"""Pages of the packaged collections, made from their packs: who is asked, how, and where the text is from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jieqian.lots.pack import COLLECTION_FILE, LOTS_FILE

_LANGUAGES = {"en": "English", "zh-Hant": "中文", "ja": "日本語"}


def collection_page(pack: Path) -> str:
    """One collection as its pack tells of it."""
    about = json.loads((pack / COLLECTION_FILE).read_text(encoding="utf-8"))
    lots = [json.loads(line) for line in (pack / LOTS_FILE).read_text(encoding="utf-8").splitlines()]
    return "\n".join(_lines(about, lots)) + "\n"


def _lines(about: dict[str, Any], lots: list[dict[str, Any]]) -> Iterator[str]:
    names = about["names"]
    yield f"# {names['en']} ({names['zh-Hant']})"
    yield ""
    yield f"`{about['id']}`: {about['size']} lots. {about['deity']['en']} ({about['deity']['zh-Hant']})."
    yield ""
    yield from _in_languages("The deity", about["story"])
    yield from _in_languages("Asked for", about["asked_for"])
    throws = about["custom"]["holy_throws"]
    said = f"{throws} holy throw{'s in a row confirm' if throws > 1 else ' confirms'} a lot" if throws else "no blocks"
    yield from _in_languages(f"How a lot is drawn: {said}", about["custom"]["text"])
    yield from ("## The text", "", f"- Edition: {about['edition']}", f"- Source: {about['source']}")
    yield from (f"- Rights: {about['licence']}", "")
    yield from (about["notes"]["en"], "")
    ranks = Counter((lot["fortune"]["label"], lot["fortune"]["polarity"]) for lot in lots if lot["fortune"])
    if ranks:
        yield from ("| rank | taken as | lots |", "|---|---|---|")
        yield from (f"| {label} | {polarity} | {count} |" for (label, polarity), count in ranks.most_common())
        yield ""
    variants = [(lot["number"], variant) for lot in lots for variant in lot.get("variants", ())]
    if variants:
        yield from (
            "## Where printings differ",
            "",
            "| lot | line | here | elsewhere | decided by |",
            "|---|---|---|---|---|",
        )
        for number, variant in variants:
            row = (number, variant["line"], variant["ours"], variant["other"], variant["decided_by"])
            yield f"| {' | '.join(map(str, row))} |"
        yield ""


def _in_languages(title: str, texts: dict[str, str]) -> Iterator[str]:
    yield from (f"## {title}", "")
    for tag, language in _LANGUAGES.items():
        yield from (f"**{language}.** {texts[tag]}", "")
