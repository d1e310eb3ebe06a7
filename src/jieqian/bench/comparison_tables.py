"""The tables of a comparison, and its verdicts in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from jieqian.bench.differences import Difference, Interval
from jieqian.bench.figures import shown, summarize
from jieqian.bench.findings import Answer, Findings, ModelFindings, Pair
from jieqian.bench.report import Table
from jieqian.bench.rubric.written import Rule
from jieqian.lots.lot import Polarity

#: How a lot without a printed rank is told.
NO_RANK = "no rank"


def verdict(pair: Pair) -> str:
    """One sentence: which of the two is shown to be better, or that neither is, and what would show it."""
    one, other, found = pair.one.name, pair.other.name, pair.quality
    gap = found.interval
    reach = f"{gap.mean:+.2f} ({gap.low:+.2f} to {gap.high:+.2f}) on {questions_in_words(gap.n)}"
    if found.parts:
        better, worse = (one, other) if found.parts > 0 else (other, one)
        return f"{better} is shown to be better than {worse}: {one} less {other} is {reach}."
    told = f"Neither of {one} and {other} is shown to be better: {one} less {other} is {reach}."
    if found.more is None:
        return f"{told} No number of questions that could be asked would show so small a difference."
    return f"{told} To show a difference of that size, about {found.more} more would be needed."


def comparison_tables(findings: Findings) -> Iterator[Table]:
    """All of them, in the order a reader needs them."""
    yield _of_models(findings)
    yield _of_rules(findings)
    if findings.pairs:
        yield _of_pairs(findings)
    yield _of_kinds(findings)
    if findings.judge:
        yield _of_judge(findings)


def _of_models(findings: Findings) -> Table:
    rows = []
    for model in findings.models:
        rows.append(
            (
                model.name,
                f"{len(model.answers)} of {model.asked_of}",
                _told(model.mean(lambda answer: answer.score.whole)),
                _told(model.mean(lambda answer: answer.score.from_model)),
                _told(model.mean(lambda answer: answer.score.own)),
                str(sum(not answer.score.from_model for answer in model.answers.values())),
                _seconds(model.median_seconds()),
                _seconds(_median_first(model)),
                "-" if (rate := model.median_timing("tokens_per_second")) is None else shown(rate),
            )
        )
    heads = (
        *("model", "questions", "score", "share by the model", "score of its own text", "readings without it"),
        *("whole reading, s", "first text, s", "tokens/s"),
    )
    return Table("Scores from 0 to 1, mean (95 %); times p50", heads, rows)


def _of_rules(findings: Findings) -> Table:
    rows = [
        (
            rule.value,
            *(
                _told(model.mean(lambda answer, rule=rule: answer.score.rules[rule].score))  # type: ignore[misc]
                for model in findings.models
            ),
            *(_parted(pair, pair.rules[rule]) for pair in findings.pairs),
        )
        for rule in Rule
    ]
    pairs = [f"{pair.one.name} and {pair.other.name}" for pair in findings.pairs]
    return Table("Each rule, mean (95 %)", ("rule", *(model.name for model in findings.models), *pairs), rows)


def _of_pairs(findings: Findings) -> Table:
    rows = []
    for pair in findings.pairs:
        gap = pair.quality.interval
        rows.append(
            (
                f"{pair.one.name} less {pair.other.name}",
                str(gap.n),
                f"{gap.mean:+.2f} ({gap.low:+.2f} to {gap.high:+.2f})",
                _parted(pair, pair.quality),
                "-" if pair.quality.more is None else f"about {pair.quality.more}",
                _times(pair),
            )
        )
    heads = (
        "pair",
        "questions of both",
        "difference of scores",
        "better",
        "more questions to show it",
        "time, first to second",
    )
    return Table("Pairs, question by question", heads, rows)


def _of_kinds(findings: Findings) -> Table:
    rows = []
    for kind, names in (
        ("language", _languages(findings)),
        ("rank", _ranks(findings)),
        ("collection", _collections(findings)),
    ):
        for name in names:
            cells = []
            for model in findings.models:
                scores = [answer.score.whole for answer in model.answers.values() if _kind_of(answer, kind) == name]
                cells.append(f"{sum(scores) / len(scores):.2f} ({len(scores)})" if scores else _unasked(model, name))
            rows.append((kind, name, *cells))
    return Table(
        "Mean score by kind of question (questions)", ("kind", "of", *(each.name for each in findings.models)), rows
    )


def _of_judge(findings: Findings) -> Table:
    rows = []
    for pair in findings.pairs:
        said = pair.judged
        if said is None:
            continue
        if said.verdict is None:
            told = "none: the judge is not shown to agree with itself"
        else:
            told = _parted(pair, said.verdict)
        rows.append(
            (
                f"{pair.one.name} and {pair.other.name}",
                str(said.agrees),
                str(said.by_place),
                f"{said.wins[0]} and {said.wins[1]}",
                str(said.unanswered),
                told,
            )
        )
    heads = (
        "pair",
        "agrees with itself",
        "the same place twice",
        "chosen in both orders",
        "no valid answer",
        "verdict",
    )
    return Table(f"The judge {findings.judge}, asked in both orders", heads, rows)


def _kind_of(answer: Answer, kind: str) -> str:
    question = answer.question
    if kind == "language":
        return question.language.value
    if kind == "rank":
        return question.polarity.value if question.polarity else NO_RANK
    return question.collection


def _languages(findings: Findings) -> list[str]:
    return list(dict.fromkeys(question.language.value for question in findings.plan.questions))


def _ranks(findings: Findings) -> list[str]:
    there = {question.polarity for question in findings.plan.questions}
    return [each.value for each in Polarity if each in there] + ([NO_RANK] if None in there else [])


def _collections(findings: Findings) -> list[str]:
    return sorted({question.collection for question in findings.plan.questions})


def _unasked(model: ModelFindings, name: str) -> str:
    return "does not write it" if name in model.not_written else "-"


def _parted(pair: Pair, found: Difference) -> str:
    if not found.parts:
        return "not shown"
    return pair.one.name if found.parts > 0 else pair.other.name


def _times(pair: Pair) -> str:
    if pair.times is None:
        return "-"
    gap = pair.times.interval
    return f"{math.exp(gap.mean):.2f} ({math.exp(gap.low):.2f} to {math.exp(gap.high):.2f})"


def _told(found: Interval | None) -> str:
    return "-" if found is None else str(found)


def _seconds(found: float | None) -> str:
    return "-" if found is None else shown(found)


def questions_in_words(count: int) -> str:
    """`1 question`, `12 questions`."""
    return "1 question" if count == 1 else f"{count} questions"


def _median_first(model: ModelFindings) -> float | None:
    told = [
        answer.record["first_text_ms"] / 1000
        for answer in model.answers.values()
        if answer.score.from_model and answer.record["first_text_ms"] is not None
    ]
    return summarize(told).p50 if told else None
