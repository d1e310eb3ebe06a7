"""The part of what a store of tasks promises (`tasks/store.py`) that is about experiments."""

from __future__ import annotations

from typing import Protocol

from jieqian.experiments.experiment import Experiment
from jieqian.experiments.figures import TaskFigures


class ExperimentStore(Protocol):
    """Keeps experiments, and tells what became of their tasks."""

    async def add_experiment(self, experiment: Experiment) -> None:
        """Keep it as running. Raises `ExperimentExists`, and `ExperimentRunning` where its mode has one that runs."""
        ...

    async def experiments(self) -> list[Experiment]:
        """All there are, those started last first."""
        ...

    async def experiment(self, name: str) -> Experiment:
        """The experiment of that name. Raises `UnknownExperiment`."""
        ...

    async def end_experiment(self, name: str, now: float) -> Experiment:
        """End it; one that has ended is unchanged. Raises `UnknownExperiment`."""
        ...

    async def experiment_tasks(self, name: str) -> list[TaskFigures]:
        """What is known of each task of that experiment, oldest first."""
        ...
