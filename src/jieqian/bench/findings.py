"""What the records of a comparison show: scores, times and differences; no model and no network."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from jieqian.bench.compared import ComparedQuestion
from jieqian.bench.comparison import Fact, Plan, facts_in, readings_in
from jieqian.bench.differences import Difference, Interval, difference, interval
from jieqian.bench.figures import summarize
from jieqian.bench.judging import Judged, judged
from jieqian.bench.records import Record
from jieqian.bench.rubric.score import Score, score_reading
from jieqian.bench.rubric.written import Rule
from jieqian.lots.library import LotLibrary

#: A server names its models as it likes; this goes into tables, pictures and headings.
_NOT_IN_A_NAME = re.compile(r"[^\w .:/@+#,-]")


@dataclass(frozen=True, slots=True)
class Answer:
    """One reading of one model with its score."""

    question: ComparedQuestion
    record: Record
    score: Score

    @property
    def seconds(self) -> float:
        """From the request to the last event."""
        return float(self.record["whole_ms"]) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFindings:
    """One model: its answers by question. `broken`: readings that broke off because its server was gone."""

    fact: Fact
    name: str
    answers: Mapping[str, Answer]
    asked_of: int
    not_written: Mapping[str, int]
    broken: int

    def scores(self) -> list[float]:
        """The whole score of each reading."""
        return [answer.score.whole for answer in self.answers.values()]

    def mean(self, of: Callable[[Answer], float | None]) -> Interval | None:
        """The mean of what `of` tells of its answers, with its interval at 95 %."""
        told = [value for answer in self.answers.values() if (value := of(answer)) is not None]
        return interval(told) if told else None

    def median_seconds(self) -> float | None:
        """Of a whole reading in which the model wrote a section."""
        told = [answer.seconds for answer in self.answers.values() if answer.score.from_model]
        return summarize(told).p50 if told else None

    def spread_seconds(self) -> tuple[float, float] | None:
        """Quartiles of the same."""
        told = sorted(answer.seconds for answer in self.answers.values() if answer.score.from_model)
        if not told:
            return None
        return told[(len(told) - 1) // 4], told[math.ceil(3 * (len(told) - 1) / 4)]

    def median_timing(self, name: str) -> float | None:
        """The median of one of the service's timings."""
        told = [value for each in self.answers.values() if (value := each.record["timings"].get(name)) is not None]
        return summarize(told).p50 if told else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two models on the questions both answered. `times`: how many times as long the first takes, as a logarithm."""

    one: ModelFindings
    other: ModelFindings
    quality: Difference
    rules: Mapping[Rule, Difference]
    times: Difference | None
    judged: Judged | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All of it. `left`: models some of whose readings are missing, with the cause."""

    plan: Plan
    models: Sequence[ModelFindings]
    pairs: Sequence[Pair]
    left: Mapping[str, str] = field(default_factory=dict)
    machines: Sequence[Mapping[str, Any]] = ()
    judge: str | None = None


def findings_of(
    plan: Plan, found: Sequence[Record], *, left: Mapping[str, str] | None = None, judge: str | None = None
) -> Findings:
    """Score every reading and set the models side by side."""
    lots, facts = LotLibrary(), facts_in(found)
    names = _names(plan, facts)
    models = [
        _model(each.written, names[each.written], facts[each.written], plan, found, lots)
        for each in plan.contenders
        if each.written in facts
    ]
    couples = [
        (one, other, common)
        for one, other in combinations(models, 2)
        if (common := [each.id for each in plan.questions if each.id in one.answers and each.id in other.answers])
    ]
    return Findings(
        plan=plan,
        models=models,
        pairs=[_pair(one, other, common, len(couples), found, judge) for one, other, common in couples],
        left=left or {},
        machines=[record["run"] for record in found if "run" in record],
        judge=judge,
    )


def _names(plan: Plan, facts: Mapping[str, Fact]) -> dict[str, str]:
    """The models' own names, where those tell them apart; else as they were written."""
    own = {written: _NOT_IN_A_NAME.sub("?", fact.name) for written, fact in facts.items()}
    apart = len(set(own.values())) == len(own)
    return own if apart else {each.written: _NOT_IN_A_NAME.sub("?", each.written) for each in plan.contenders}


def _model(written: str, name: str, fact: Fact, plan: Plan, found: Sequence[Record], lots: LotLibrary) -> ModelFindings:
    by_question = {record["question"]: record for record in readings_in(found) if record["model"] == written}
    answers = {
        question.id: Answer(
            question, by_question[question.id], score_reading(by_question[question.id]["sections"], question, lots)
        )
        for question in plan.questions
        if question.id in by_question
    }
    not_written: dict[str, int] = {}
    for question in plan.questions:
        if question.language not in fact.languages:
            not_written[question.language.value] = not_written.get(question.language.value, 0) + 1
    return ModelFindings(
        fact=fact,
        name=name,
        answers=answers,
        asked_of=len(plan.questions) - sum(not_written.values()),
        not_written=not_written,
        broken=sum(record.get("model") == written and "broken" in record for record in found),
    )


def _pair(
    one: ModelFindings,
    other: ModelFindings,
    common: Sequence[str],
    couples: int,
    found: Sequence[Record],
    judge: str | None,
) -> Pair:
    answers = [(one.answers[question], other.answers[question]) for question in common]
    quality = difference([(a.score.whole, b.score.whole) for a, b in answers], comparisons=couples)
    rules = {
        rule: difference(
            [(a.score.rules[rule].score, b.score.rules[rule].score) for a, b in answers],
            comparisons=couples * len(Rule),
        )
        for rule in Rule
    }
    timed = [(a, b) for a, b in answers if a.score.from_model and b.score.from_model]
    times = None
    if timed:
        times = difference([(math.log(a.seconds), math.log(b.seconds)) for a, b in timed], comparisons=couples)
    said = judged(judge, (one.fact.model, other.fact.model), found, comparisons=couples) if judge else None
    return Pair(one=one, other=other, quality=quality, rules=rules, times=times, judged=said)
