"""The report of a comparison: who is shown to be better, tables, pictures, readings side by side, and settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from jieqian.bench.charts import Chart, Points
from jieqian.bench.comparison_html import comparison_html
from jieqian.bench.comparison_tables import NO_RANK, comparison_tables, questions_in_words, verdict
from jieqian.bench.findings import Findings, ModelFindings, Pair
from jieqian.bench.machine import describe_machine
from jieqian.bench.markdown import plain, quoted
from jieqian.bench.mode_settings import RULE, Recommended, recommended
from jieqian.bench.report import Report
from jieqian.bench.rubric.written import Rule
from jieqian.sections.section import SECTIONS

#: So many questions are shown in the Markdown; the HTML file has all.
_SHOWN = 4


def comparison_report(findings: Findings) -> Report:
    """All of it. `figures` hold every score and fault, and every reading's text is in the records."""
    machine = dict(findings.machines[-1]) if findings.machines else describe_machine()
    advice = recommended(findings)
    tables = list(comparison_tables(findings))
    notes = list(_notes(findings))
    verdicts = [verdict(pair) for pair in findings.pairs] or ["No two models have an answer to the same question."]
    return Report(
        name="comparison",
        title="Models compared",
        machine=machine,
        figures=_figures(findings, advice),
        tables=tables,
        charts=_charts(findings),
        notes=[*verdicts, *notes],
        appendix=_appendix(findings, advice),
        html=partial(comparison_html, findings, advice, tables, verdicts, notes, machine),
    )


def _charts(findings: Findings) -> list[Chart | Points]:
    charts: list[Chart | Points] = []
    placed = {}
    for model in findings.models:
        score, middle, spread = (
            model.mean(lambda answer: answer.score.whole),
            model.median_seconds(),
            model.spread_seconds(),
        )
        if score is not None and middle is not None and spread is not None:
            placed[model.name] = ((middle, score.mean), (spread, (score.low, score.high)))
    if placed:
        charts.append(
            Points(
                title="Speed against quality",
                places={name: at for name, (at, _) in placed.items()},
                reaches={name: reach for name, (_, reach) in placed.items()},
                across="a whole reading, seconds (p50, quartiles)",
                unit="score (mean, 95 %)",
            )
        )
    told = [model for model in findings.models if model.answers]
    if told:
        charts.append(
            Chart(
                title="Each rule",
                kind="bars",
                places=[rule.value.replace(" ", "\n") for rule in Rule],
                series={
                    model.name: [
                        sum(answer.score.rules[rule].score for answer in model.answers.values()) / len(model.answers)
                        for rule in Rule
                    ]
                    for model in told
                },
                unit="mean score",
            )
        )
    return charts


def _notes(findings: Findings) -> Iterator[str]:
    plan = findings.plan
    languages = ", ".join(each.value for each in plan.languages)
    yield (
        f"{questions_in_words(len(plan.questions))} of the shipped set, in {languages}, "
        f"{plan.mode} mode, seed {plan.seed}; each put to every model by the real service, in an order drawn for each."
    )
    for model in findings.models:
        if model.not_written:
            told = ", ".join(f"{count} in {language}" for language, count in model.not_written.items())
            yield f"{model.name} does not write every language: it was not asked {told}, and is not scored on them."
        if model.broken:
            yield f"{model.name}: {model.broken} readings broke off, its server gone, and were asked again."
        if model.fact.tiny:
            yield f"{model.name} is very small: it only retells notes of the commentary and explains no line."
    for written, cause in findings.left.items():
        yield f"Not whole: readings of {written} are missing ({cause}). The same command goes on where this one ended."
    yield (
        "A section the model did not write (the commentary stood in) counts 0 in each rule that looks at it; the score "
        "of its own text leaves such sections out."
    )
    yield (
        "A difference is shown where its interval has no 0 in it: 95 % shared among all pairs, for single rules among "
        "all pairs and rules (Bonferroni), from 4,000 draws of the questions, of which there must be as many as a "
        "sign test would take. Not shown is not the same as equal."
    )
    yield "The rules look at form and at words; whether a reading is wise, they do not see. Read some side by side."
    if len(findings.machines) > 1:
        yield f"Made in {len(findings.machines)} runs; the machine told is that of the last."


def _figures(findings: Findings, advice: Recommended) -> dict[str, Any]:
    plan = findings.plan
    return {
        "plan": {**plan.as_dict(), "questions_asked": len(plan.questions)},
        "whole": not findings.left,
        "missing": dict(findings.left),
        "models": [_model_figures(model) for model in findings.models],
        "pairs": [_pair_figures(pair) for pair in findings.pairs],
        "questions": [
            {
                "id": question.id,
                "answers": {
                    model.fact.model: {**answer.score.as_dict(), "seconds": round(answer.seconds, 3)}
                    for model in findings.models
                    if (answer := model.answers.get(question.id)) is not None
                },
            }
            for question in plan.questions
        ],
        "recommended": {
            "quality": advice.quality,
            "fast": advice.fast,
            "env": list(advice.lines),
            "said": list(advice.said),
            "rule": RULE,
        },
    }


def _model_figures(model: ModelFindings) -> dict[str, Any]:
    score, share = model.mean(lambda answer: answer.score.whole), model.mean(lambda answer: answer.score.from_model)
    own = model.mean(lambda answer: answer.score.own)
    rules = {rule: model.mean(lambda answer, rule=rule: answer.score.rules[rule].score) for rule in Rule}  # type: ignore[misc]
    return {
        "model": model.fact.model,
        "name": model.name,
        "digest": model.fact.digest,
        "answers": len(model.answers),
        "asked_of": model.asked_of,
        "not_written": dict(model.not_written),
        "broken": model.broken,
        "readings_without": sum(not answer.score.from_model for answer in model.answers.values()),
        "score": score and score.as_dict(),
        "own_score": own and own.as_dict(),
        "from_model": share and share.as_dict(),
        "rules": {rule.value: found and found.as_dict() for rule, found in rules.items()},
        "seconds_p50": model.median_seconds(),
    }


def _pair_figures(pair: Pair) -> dict[str, Any]:
    return {
        "one": pair.one.fact.model,
        "other": pair.other.fact.model,
        "quality": pair.quality.as_dict(),
        "rules": {rule.value: found.as_dict() for rule, found in pair.rules.items()},
        "log_times": pair.times and pair.times.as_dict(),
        "judge": pair.judged and pair.judged.as_dict(),
        "verdict": verdict(pair),
    }


def by_difference(findings: Findings) -> Sequence[str]:
    """The questions' ids, those first on which the models' scores are furthest apart."""

    def apart(question: str) -> float:
        scores = [model.answers[question].score.whole for model in findings.models if question in model.answers]
        return max(scores) - min(scores) if len(scores) > 1 else -1.0

    return sorted((each.id for each in findings.plan.questions), key=lambda question: (-apart(question), question))


def _appendix(findings: Findings, advice: Recommended) -> str:
    parts = ["### Readings side by side"]
    order = [each for each in by_difference(findings) if any(each in model.answers for model in findings.models)]
    if len(order) > _SHOWN:
        parts.append(f"The {_SHOWN} questions furthest apart; `comparison.html` has all {len(order)}.")
    for question in order[:_SHOWN]:
        parts += _side_by_side(findings, question)
    parts.append("### Settings")
    parts += [RULE, *(f"- {plain(each)}" for each in advice.said)]
    if advice.lines:
        parts.append("```\n" + "\n".join(advice.lines) + "\n```")
    return "\n\n".join(parts)


def _side_by_side(findings: Findings, question: str) -> Iterator[str]:
    asked = next(each for each in findings.plan.questions if each.id == question)
    rank = asked.polarity.value if asked.polarity else NO_RANK
    yield f"#### {question}: {asked.collection} {asked.lot} ({rank})\n\n{quoted(asked.question)}"
    for model in findings.models:
        answer = model.answers.get(question)
        if answer is None:
            yield f"**{plain(model.name)}**: no reading."
            continue
        score = answer.score
        own = f"{score.from_model * 7:.0f} of 7 sections its own"
        yield f"**{plain(model.name)}**: {score.whole:.2f}, {own}, {answer.seconds:.0f} s"
        for name in SECTIONS:
            section = answer.record["sections"].get(name)
            if section is not None and section["source"] == "model":
                yield f"*{name.value}*\n\n{quoted(section['text'])}"
        if score.faults:
            yield "\n".join(
                f"- {fault.rule.value}{f', {fault.section.value}' if fault.section else ''}: {plain(fault.why)}"
                + (f": “{plain(fault.offending)}”" if fault.offending else "")
                for fault in score.faults
            )
