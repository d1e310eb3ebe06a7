"""The labelled questions that come with the package (`labelled/README.md`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jieqian.languages import Language

LABELLED = Path(__file__).with_name("labelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledQuestion:
    """One question about a drawn lot.

    `wanted`: passages of other lots, ids without their language (`yuelao/7#overall`).
    `indirect`: no usual word of the topic stands in it.
    """

    id: str
    language: Language
    collection: str
    lot: int
    topic: str
    indirect: bool
    question: str
    wanted: frozenset[str]

    @property
    def held_out(self) -> bool:
        """Whether nothing was chosen by it: those of even number; the odd ones are for tuning."""
        return int(self.id.rpartition("-")[2]) % 2 == 0


def labelled_questions(folder: Path = LABELLED) -> list[LabelledQuestion]:
    """Those of every topic there is, in order of file and line."""
    files = sorted(folder.glob("questions-*.jsonl"))
    return [_question(json.loads(line)) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def _question(row: dict[str, Any]) -> LabelledQuestion:
    return LabelledQuestion(
        id=row["id"],
        language=Language(row["language"]),
        collection=row["collection"],
        lot=row["lot"],
        topic=row["topic"],
        indirect=row["indirect"],
        question=row["question"],
        wanted=frozenset(_place(row, short) for short in row["wanted"]),
    )


def _place(row: dict[str, Any], short: str) -> str:
    """`12` is the counsel of lot 12 on the question's topic, `12#line:2` its second line."""
    lot, _, part = short.partition("#")
    return f"{row['collection']}/{lot}#{part or 'topic:' + row['topic']}"
