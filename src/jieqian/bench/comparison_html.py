"""A comparison as one HTML file: no script, no address; models' texts escaped, with what offends a rule marked."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from jieqian.bench.findings import Answer, Findings
from jieqian.bench.machine import in_words
from jieqian.bench.mode_settings import RULE, Recommended
from jieqian.bench.report import Table
from jieqian.sections.section import SECTIONS

_templates = Environment(
    loader=PackageLoader("jieqian.bench", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a section's text; `why` it offends a rule, or ""."""

    text: str
    why: str = ""


def comparison_html(
    findings: Findings,
    advice: Recommended,
    tables: Sequence[Table],
    verdicts: Sequence[str],
    notes: Sequence[str],
    machine: Mapping[str, Any],
    picture: str | None,
) -> str:
    """The whole report; its policy allows its own style and pictures that it holds itself, and nothing else."""
    style = files("jieqian.bench").joinpath("templates", "comparison.css").read_text(encoding="utf-8")
    return _templates.get_template("comparison.html").render(
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        machine=in_words(dict(machine)),
        verdicts=verdicts,
        notes=notes,
        tables=tables,
        picture=None if picture is None else base64.b64encode(picture.encode()).decode(),
        readings=[_reading(findings, question) for question in findings.plan.questions],
        advice=advice,
        rule=RULE,
    )


def _reading(findings: Findings, question: Any) -> dict[str, Any]:
    return {
        "question": question,
        "rank": question.polarity.value if question.polarity else "no rank",
        "answers": [
            {"name": model.name, "answer": answer, "sections": sections_of(answer) if answer else []}
            for model in findings.models
            if (answer := model.answers.get(question.id)) or question.language.value not in model.not_written
        ],
    }


def sections_of(answer: Answer) -> list[dict[str, Any]]:
    """Each section with its source and its pieces, in order."""
    found = []
    for name in SECTIONS:
        section = answer.record["sections"].get(name)
        if section is None:
            continue
        faults = [
            (fault.offending.removesuffix("…"), f"{fault.rule.value}: {fault.why}")
            for fault in answer.score.faults
            if fault.section is name and fault.offending
        ]
        own = section["source"] == "model"
        found.append({"name": name.value, "own": own, "pieces": pieces(section["text"], faults if own else [])})
    return found


def pieces(text: str, faults: Sequence[tuple[str, str]]) -> list[Piece]:
    """The text in runs, each offending part a run of its own where it stands in the text; parts never overlap."""
    spans: list[tuple[int, int, str]] = []
    for offending, why in faults:
        at = text.find(offending)
        if at >= 0 and offending and not any(at < end and begin < at + len(offending) for begin, end, _ in spans):
            spans.append((at, at + len(offending), why))
    found, begun = [], 0
    for begin, end, why in sorted(spans):
        if begin > begun:
            found.append(Piece(text[begun:begin]))
        found.append(Piece(text[begin:end], why))
        begun = end
    if begun < len(text):
        found.append(Piece(text[begun:]))
    return found
