"""The experiments of a running service: started, given to callers, stopped, looked at."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Protocol

from jieqian.cache.filling import CALLER as FILLING
from jieqian.cache.filling import Wanted
from jieqian.errors import ExperimentRefused, ModelError, UnknownExperiment, UnknownModel
from jieqian.experiments.experiment import Experiment, State, Variant, variant_for
from jieqian.experiments.outcome import Outcome, outcome_of
from jieqian.experiments.telling import summary_of
from jieqian.experiments.wish import Wish, checked
from jieqian.prompt.versions import version_names
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import Mode, NewTask, StrategyName

logger = logging.getLogger(__name__)

#: Callers that are no askers: what they ask is in no experiment of its own accord, and counts in none.
NO_ASKERS = frozenset({FILLING, "operator"})
#: An outcome is told again for so long, and for so many times as long as it took: 100,000 readings take three seconds.
OUTCOME_SECONDS, OUTCOME_TIMES = 2.0, 20
#: Each holds a figure a reading.
_MOST_OUTCOMES = 3
_EMBEDDED, _COMMENTARY = "llamacpp", "commentary"


class Models(Protocol):
    """What an experiment needs of `reading.engines.Engines`."""

    async def check_named(self, model: str) -> str:
        """Raise a `ModelError` where the model is not there; answers whose it is."""
        ...

    async def is_in_use(self, model: str) -> bool:
        """Whether that name means the embedded model in use, however it is written."""
        ...

    async def learn(self, models: Collection[str]) -> None:
        """Readings are written with these too from now on."""
        ...

    def own_model(self, mode: Mode) -> tuple[str, bool] | None:
        """The mode's model, and whether it only retells; None where commentary speaks."""
        ...


class Experiments:
    """Who is in which variant, and what came of it. The store holds the truth; what is kept here is looked at again."""

    def __init__(self, store: TaskStore, models: Models, secret: str) -> None:
        self._store, self._models, self._secret = store, models, secret
        self._known: dict[str, Experiment] = {}
        self._outcomes: dict[str, tuple[float, Outcome]] = {}  # each with the time until it is told
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Look at the store again: another process may have started or stopped one."""
        async with self._changing:
            await self._load()

    async def look(self) -> None:
        """As `load`, where the store tells of something new."""
        if {one.name: one for one in await self._store.experiments()} != self._known:
            await self.load()

    async def _load(self) -> None:
        self._known = {one.name: one for one in await self._store.experiments()}
        variants = [(each, one) for each in self.running() for one in each.variants]
        await self._models.learn({one.model for _, one in variants if one.model})
        for each, one in variants:
            if one.template is not None and one.template not in version_names():
                logger.error(
                    "variant %s of %s has templates that are gone; the packaged ones are used",
                    *(one.name, each.name),
                    extra={"action": "templates_gone", "templates": one.template},
                )

    def running(self) -> list[Experiment]:
        """Those that run, at most one a mode."""
        return [one for one in self._known.values() if one.state is State.RUNNING]

    def running_in(self, mode: Mode) -> Experiment | None:
        """The one that runs in that mode."""
        return next((one for one in self.running() if one.mode is mode), None)

    # -- who gets what --------------------------------------------------------------------------------------------

    def assign(self, new: NewTask) -> NewTask:
        """The request in its caller's variant; as it is where no experiment runs in its mode, or it is outside.

        Outside are requests that name a model or a strategy themselves, those of no askers, and help lines.
        """
        outside = new.model is not None or new.strategy is not StrategyName.AUTO or new.care is not None
        experiment = self.running_in(new.mode)
        if experiment is None or outside or new.caller in NO_ASKERS:
            return new
        variant = variant_for(experiment, new.caller, self._secret)
        return replace(new, experiment=experiment.name, variant=variant.name)

    def variant_in(self, mode: Mode, caller: str) -> Variant | None:
        """What the caller would have if they asked now."""
        experiment = self.running_in(mode)
        return None if experiment is None or caller in NO_ASKERS else variant_for(experiment, caller, self._secret)

    def variant(self, experiment: str, name: str) -> Variant | None:
        """The variant of that name, if this process knows the experiment."""
        known = self._known.get(experiment)
        return None if known is None else known.variant(name)

    async def find_variant(self, experiment: str, name: str) -> Variant | None:
        """The variant of that name; None where the store does not know it either."""
        if experiment not in self._known:
            try:
                self._known[experiment] = await self._store.experiment(experiment)
            except UnknownExperiment:
                return None
        return self.variant(experiment, name)

    def spread(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Readings to have in store, once for each variant where an experiment runs: none serves another's callers."""
        found: list[Wanted] = []
        for one in wanted:
            experiment = self.running_in(one.mode)
            if experiment is None:
                found.append(one)
                continue
            for variant in experiment.variants:
                found.append(replace(one, experiment=experiment.name, variant=variant.name))
        return found

    # -- started, stopped, looked at ------------------------------------------------------------------------------

    async def start(self, wish: Wish) -> Experiment:
        """Start it: from now on each caller of the mode has one of its variants.

        Raises `ExperimentRefused`, `ExperimentRunning`, `ExperimentExists`, `UnknownMode`, `UnknownStrategy`,
        `UnknownModel`.
        """
        own = self._models.own_model(Mode(wish.mode)) if wish.mode in list(Mode) else None
        mode, variants = checked(wish, None if own is None else own[0])
        named = sorted({one.model for one in variants if one.model is not None})
        if own is None and not all(one.model for one in variants):
            raise ExperimentRefused(
                "No model writes readings now, so there is nothing to compare. `jieqian doctor` says why."
            )
        in_use = await self._expect_models(named)
        if own is not None:
            # An embedded model has several names: its file's, its path, that of `jieqian model list`.
            named_once = [replace(one, model=None if one.model in in_use else one.model) for one in wish.variants]
            checked(replace(wish, variants=named_once), own[0])
            _expect_more_than_retelling(own, {*named} - in_use)
        experiment = Experiment(name=wish.name, mode=mode, variants=variants, started_at=time.time())
        async with self._changing:
            await self._store.add_experiment(experiment)
            await self._load()
        return experiment

    async def _expect_models(self, named: Sequence[str]) -> set[str]:
        """Those that mean the embedded model in use."""
        embedded, in_use = [], set()
        for model in named:
            try:
                provider = await self._models.check_named(model)
            except ModelError as error:
                raise UnknownModel(error.detail, **error.extra) from error
            if provider == _COMMENTARY:
                raise UnknownModel("commentary is no model: every reading would count as degraded.")
            if provider == _EMBEDDED and await self._models.is_in_use(model):
                in_use.add(model)
            elif provider == _EMBEDDED:
                embedded.append(model)
        if len(embedded) > 1:
            raise ExperimentRefused(
                f"{' and '.join(embedded)} would be loaded in turn, for one embedded model besides the one in use is "
                "held at a time. Name one of them, or serve both with a model server."
            )
        return in_use

    async def stop(self, name: str) -> Experiment:
        """Stop it: requests from now on are as without it; those accepted are written as they were to be."""
        async with self._changing:
            experiment = await self._store.end_experiment(name, time.time())
            self._outcomes.pop(name, None)
            await self._load()
        return experiment

    async def all(self) -> list[Experiment]:
        """All there are, those started last first."""
        return await self._store.experiments()

    async def outcome(self, name: str) -> Outcome:
        """What came of it so far. Raises `UnknownExperiment`."""
        experiment = await self._store.experiment(name)
        known = self._outcomes.get(name)
        # One that was still being worked out when the experiment was stopped tells of one that runs.
        if known is not None and time.monotonic() < known[0] and known[1].experiment == experiment:
            return known[1]
        begun = time.monotonic()
        found = await self._store.experiment_tasks(name)
        outcome = await asyncio.to_thread(outcome_of, experiment, found, time.time(), NO_ASKERS)
        took = time.monotonic() - begun
        self._outcomes[name] = (time.monotonic() + max(OUTCOME_SECONDS, OUTCOME_TIMES * took), outcome)
        while len(self._outcomes) > _MOST_OUTCOMES:
            self._outcomes.pop(next(iter(self._outcomes)))
        return outcome

    async def summaries(self) -> list[dict[str, Any]]:
        """Of each that runs: `{"name", "mode", "summary"}`, the summary one line of English."""
        return [
            {"name": one.name, "mode": one.mode.value, "summary": summary_of(await self.outcome(one.name))}
            for one in sorted(self.running(), key=lambda one: one.mode.value)
        ]


def _expect_more_than_retelling(own: tuple[str, bool], others: Collection[str]) -> None:
    name, only_retells = own
    if only_retells and not others:
        raise ExperimentRefused(
            f"{name} only retells the commentary, whatever strategy or template there is. Connect a larger model, or "
            "compare it with one that a variant names."
        )
