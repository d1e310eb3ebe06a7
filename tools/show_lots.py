"""Write lots chosen by random number, three of each packaged collection, as a reader sees them in four languages.

python tools/show_lots.py docs/reports/eighteen-lots.md [SEED]
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from jieqian.cli.lot_text import lot_lines
from jieqian.cli.words import Words
from jieqian.languages import Language
from jieqian.lots.library import LotLibrary

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
                words = Words(language)
                lines += [f"### {language.value}", "", f"**{lot.title(language)}**", "", "```text"]
                lines += [*lot_lines(lot.as_dict(language), words), "```", ""]
    Path(target).write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
