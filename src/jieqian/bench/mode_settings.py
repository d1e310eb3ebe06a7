"""Which of the compared models each mode should use, by one rule, as lines to paste into `.env`.

Quality mode: of the models that none is shown to be better than, the one with the highest mean score. Fast mode: of
the models on the same server, the quickest that is not shown to be worse than that one and whose mean score is at most
0.05 lower: what few questions cannot show may still be so.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from statistics import fmean

from jieqian.bench.contenders import Contender
from jieqian.bench.findings import Findings, ModelFindings
from jieqian.llm.llamacpp import packaged_model

RULE = (
    "Quality mode: of the models that none is shown to be better than, the one with the highest mean score. Fast mode: "
    "of those on the same server, the quickest that is not shown to be worse and whose mean is at most 0.05 lower."
)
_LITTLE = 0.05
_PLAIN = re.compile(r"[\w./:@%+,-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Recommended:
    """The models of the modes, the lines to paste, and what is to be said of them."""

    quality: str | None
    fast: str | None
    lines: tuple[str, ...]
    said: tuple[str, ...]


def recommended(findings: Findings) -> Recommended:
    """What the findings recommend; without a single score nothing."""
    told = [model for model in findings.models if model.answers]
    if not told:
        return Recommended(None, None, (), ("No model has a reading: nothing is recommended.",))
    unbeaten = [model for model in told if not any(_beats(findings, other, model) for other in told)] or told
    quality = max(unbeaten, key=_mean)
    if not _mean(quality):
        lines = ("JIEQIAN_LLM_PROVIDER=commentary",)
        return Recommended(None, None, lines, ("No model wrote a section that was let pass: the commentary serves.",))
    by_name = {each.written: each for each in findings.plan.contenders}
    chosen = by_name[quality.fact.model]
    enough = [
        model
        for model in told
        if model.median_seconds() is not None
        and not _beats(findings, quality, model)
        and _mean(quality) - _mean(model) <= _LITTLE
    ]
    quickest = sorted(enough, key=lambda model: model.median_seconds() or 0.0)
    beside = [model for model in quickest if _same_server(by_name[model.fact.model], chosen)]
    fast = beside[0] if beside else quality
    said = _said(findings, told, quality)
    if quickest and quickest[0] is not fast:
        name = quickest[0].name
        said.append(f"{name} is quicker and not shown to be worse, but on another server: one service uses one.")
    return Recommended(quality.fact.model, fast.fact.model, _lines(chosen, by_name[fast.fact.model]), tuple(said))


def _said(findings: Findings, told: list[ModelFindings], quality: ModelFindings) -> list[str]:
    said = []
    others = [model for model in told if model is not quality]
    unsure = [model.name for model in others if not _beats(findings, quality, model)]
    if unsure:
        said.append(f"{quality.name} is not shown to be better than {', '.join(unsure)}; its mean is the highest.")
    for language, count in quality.not_written.items():
        said.append(f"{quality.name} does not write {language} ({count} questions): there the commentary would speak.")
    if findings.left:
        said.append("Readings are missing: this may change once they are there.")
    return said


def _mean(model: ModelFindings) -> float:
    return fmean(model.scores()) if model.answers else 0.0


def _beats(findings: Findings, better: ModelFindings, worse: ModelFindings) -> bool:
    for pair in findings.pairs:
        if (pair.one, pair.other) == (better, worse):
            return pair.quality.parts > 0
        if (pair.one, pair.other) == (worse, better):
            return pair.quality.parts < 0
    return False


def _same_server(one: Contender, other: Contender) -> bool:
    if one.provider == "llamacpp" or other.provider == "llamacpp":
        return one == other  # the embedded model is one
    return (one.provider, one.base_url) == (other.provider, other.base_url)


def _lines(quality: Contender, fast: Contender) -> tuple[str, ...]:
    found: dict[str, str] = {}
    if quality.provider != "auto":
        found["JIEQIAN_LLM_PROVIDER"] = quality.provider
    if quality.base_url is not None:
        found["JIEQIAN_LLM_BASE_URL"] = quality.base_url
    tiny = packaged_model()
    packaged = tiny is not None and quality.provider == "llamacpp" and quality.model == str(tiny.absolute())
    found["JIEQIAN_LLM_MODEL"] = "tiny" if packaged else quality.model
    if fast is not quality:
        found["JIEQIAN_LLM_FAST_MODEL"] = fast.model
    return tuple(env_line(name, value) for name, value in found.items())


def env_line(name: str, value: str) -> str:
    """`NAME=value` as an `.env` file has it: quoted where the value would otherwise be read as something else."""
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    return f"{name}={json.dumps(value, ensure_ascii=False)}"
