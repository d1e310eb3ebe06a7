"""Experiments made up, and streams of readings in them, whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Any

from jieqian.experiments.experiment import Experiment, Variant
from jieqian.experiments.figures import TaskFigures
from jieqian.tasks.task import Mode

TWO = (Variant(name="now", share=50), Variant(name="new", share=50, model="large"))


def sample_experiment(name: str = "larger", variants: tuple[Variant, ...] = TWO, **more: Any) -> Experiment:
    """Of two variants, unless others are given; `more` replaces other fields."""
    fields: dict[str, Any] = {"name": name, "mode": Mode.QUALITY, "variants": variants, "started_at": 0.0}
    return Experiment(**(fields | more))


def sample_figures(caller: str = "session:a", variant: str = "now", **more: Any) -> TaskFigures:
    """A reading that went well; `more` replaces its fields."""
    known: dict[str, Any] = {
        "status": "completed",
        "created_at": 1000.0,
        "collection": "yuelao",
        "lot": 1,
        "follows": False,
        "cache_hit": "none",
        "degraded": False,
        "total_ms": 10_000.0,
        "first_token_ms": 1_000.0,
        "model_error": None,
        "score": None,
    }
    return TaskFigures(caller=caller, variant=variant, **{**known, **more})


def made_up_stream(
    random: Random, *, slower: float = 0.0, degraded: tuple[float, float] = (0.05, 0.05)
) -> Iterator[TaskFigures]:
    """Readings as they come, without end, a minute apart, half of them by callers who were there before.

    Each caller has a pace of their own and, three in ten, a habit of questions that go wrong more often. `slower`: by
    how much `new` is, in logarithms. `degraded`: the shares of `now` and `new`.
    """
    callers: list[tuple[str, bool, float, bool]] = []
    at = 0.0
    while True:
        if not callers or random.random() < 0.5:
            callers.append(
                (f"session:{len(callers)}", random.random() < 0.5, random.gauss(0, 0.4), random.random() < 0.3)
            )
            caller, new, pace, unlucky = callers[-1]
        else:
            caller, new, pace, unlucky = random.choice(callers)
        at += 60.0
        total = math.exp(9.5 + pace + random.gauss(0, 0.4) + slower * new)
        yield sample_figures(
            caller,
            "new" if new else "now",
            created_at=at,
            lot=random.randint(1, 100),
            degraded=random.random() < degraded[new] * (2.0 if unlucky else 4 / 7),
            total_ms=total,
            first_token_ms=total * math.exp(random.gauss(-2, 0.3)),
            score=None if random.random() < 0.8 else 1 if random.random() < 0.7 else -1,
        )
