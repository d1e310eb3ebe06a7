"""How a reading is written: as its mode says, as its request says, or as a variant of an experiment says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from jieqian.experiments.experiment import Variant
from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import Lot
from jieqian.prompt.prompt import ParentReading
from jieqian.prompt.versions import TEMPLATE_VERSION
from jieqian.reading.answers import Answers
from jieqian.reading.engines import Engine, Engines
from jieqian.tasks.task import Mode, StrategyName, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """`model` None: the mode's. `variant`: what kept answers are told apart by; empty outside of experiments."""

    strategy: StrategyName = StrategyName.AUTO
    model: str | None = None
    template: str = TEMPLATE_VERSION
    variant: str = ""


class Asked(Protocol):
    """A request for a reading, made or to be made."""

    @property
    def language(self) -> Language:
        """What it is to be written in."""
        ...

    @property
    def mode(self) -> Mode:
        """In which mode."""
        ...

    @property
    def question(self) -> str:
        """What is asked."""
        ...

    @property
    def strategy(self) -> StrategyName:
        """As the request has it."""
        ...

    @property
    def experiment(self) -> str | None:
        """The experiment it is in."""
        ...

    @property
    def variant(self) -> str | None:
        """The variant of it."""
        ...


def way_of(asked: Asked, variant: Variant | None) -> Way:
    """The way of that request, whose variant is that (None: it is in no experiment that is known)."""
    if variant is None:
        return Way(strategy=asked.strategy)
    return Way(
        strategy=variant.strategy or asked.strategy,
        model=variant.model,
        template=variant.template or TEMPLATE_VERSION,
        variant=f"{asked.experiment}/{variant.name}",
    )


class Ways:
    """The way of each request, with what writes it and the key its answer is kept under."""

    def __init__(
        self,
        lots: LotLibrary,
        engines: Engines,
        answers: Answers,
        variant: Callable[[str, str], Variant | None],
        find_variant: Callable[[str, str], Awaitable[Variant | None]],
    ) -> None:
        """`variant(experiment, name)`: one that is known here; `find_variant` looks for others too."""
        self._lots, self._engines, self._answers = lots, engines, answers
        self._variant, self._find_variant = variant, find_variant

    def of(self, asked: Asked) -> Way:
        """How it is written, as far as this process knows."""
        if asked.experiment is None or asked.variant is None:
            return way_of(asked, None)
        return way_of(asked, self._variant(asked.experiment, asked.variant))

    async def find(self, task: Task) -> Way:
        """How it is written."""
        if task.experiment is None or task.variant is None:
            return way_of(task, None)
        return way_of(task, await self._find_variant(task.experiment, task.variant))

    def engine(self, mode: Mode, way: Way) -> Engine | None:
        """What writes; None: commentary, or a model that has to be looked for first."""
        return self._engines.engine(mode, way.strategy, way.model)

    def answer_key(self, asked: Asked, lot: Lot, parent: ParentReading | None = None) -> str | None:
        """Under which key an answer to that request would be kept."""
        way = self.of(asked)
        return self._answers.key(
            lot=lot,
            collection=self._lots.collection(lot.collection),
            language=asked.language,
            mode=asked.mode,
            engine=self.engine(asked.mode, way),
            question=asked.question,
            parent=parent,
            template=way.template,
            variant=way.variant,
        )
