"""Write lots chosen by random number, three of each packaged collection, as a reader sees them in four languages.

python tools/show_lots.py docs/reports/eighteen-lots.md [SEED]
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import Lot

_OF_EACH = 3


def main(target: str, seed: str = "20261129") -> None:
    """Write the page."""
    dice, library, lines = random.Random(seed), LotLibrary(), []
    lines += ["# Eighteen lots as a reader sees them", ""]
    lines += [
        f"Made with `python tools/show_lots.py {target} {seed}`: three lots of each collection by random number.",
        "",
    ]
    for collection in library.collections():
        for number in sorted(dice.sample(range(1, collection.size + 1), _OF_EACH)):
            lot = library.lot(collection.id, number)
            lines += [f"## {lot.id}", ""]
            for language in Language:
                lines += [f"### {language.value}", "", *_lot_lines(lot, language), ""]
    Path(target).write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _lot_lines(lot: Lot, language: Language) -> Iterator[str]:
    rank = " · ".join(filter(None, [lot.fortune and lot.fortune.label, lot.sign]))
    yield f"**{lot.title(language)}**" + (f" ({rank})" if rank else "")
    yield ""
    commentary = lot.commentary(language)
    assert commentary is not None
    for line, gloss in zip(lot.lines, commentary.gloss, strict=True):
        yield f"- {line}: {gloss}"
    yield from ("", commentary.overall, "")
    if allusion := lot.allusion(language):
        yield from (f"*{allusion}*", "")
    counsel = lot.counsel(language)
    assert counsel is not None
    if counsel.language is not commentary.language:
        yield f"Counsel by topic is given in {counsel.language.value}."
        return
    yield from (f"- {topic}: {text}" for topic, text in counsel.topics.items())


if __name__ == "__main__":
    main(*sys.argv[1:])
