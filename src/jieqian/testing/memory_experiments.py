"""The part of the memory store that keeps experiments."""

from __future__ import annotations

from dataclasses import replace

from jieqian.errors import ExperimentExists, ExperimentRunning, UnknownExperiment
from jieqian.experiments.experiment import Experiment, State
from jieqian.experiments.figures import TaskFigures
from jieqian.tasks.task import Feedback, Task


class MemoryExperiments:
    """Experiments in a dictionary, by name."""

    _tasks: dict[str, Task]
    _feedback: dict[str, tuple[Feedback, float]]

    def __init__(self) -> None:
        super().__init__()
        self._experiments: dict[str, Experiment] = {}

    async def _turn(self) -> None:
        raise NotImplementedError

    async def add_experiment(self, experiment: Experiment) -> None:
        """See `ExperimentStore.add_experiment`."""
        await self._turn()
        if experiment.name in self._experiments:
            raise ExperimentExists
        for other in self._experiments.values():
            if other.state is State.RUNNING and other.mode is experiment.mode:
                raise ExperimentRunning(running=other.name)
        self._experiments[experiment.name] = experiment

    async def experiments(self) -> list[Experiment]:
        """See `ExperimentStore.experiments`."""
        await self._turn()
        return sorted(self._experiments.values(), key=lambda one: (-one.started_at, one.name))

    async def experiment(self, name: str) -> Experiment:
        """See `ExperimentStore.experiment`."""
        await self._turn()
        if name not in self._experiments:
            raise UnknownExperiment
        return self._experiments[name]

    async def end_experiment(self, name: str, now: float) -> Experiment:
        """See `ExperimentStore.end_experiment`."""
        found = await self.experiment(name)
        if found.state is State.RUNNING:
            self._experiments[name] = found = replace(found, ended_at=now)
        return found

    async def experiment_tasks(self, name: str) -> list[TaskFigures]:
        """See `ExperimentStore.experiment_tasks`."""
        await self._turn()
        return [self._figures(task) for task in self._tasks.values() if task.experiment == name]

    def _figures(self, task: Task) -> TaskFigures:
        given = self._feedback.get(task.id)
        return TaskFigures(
            caller=task.caller,
            variant=task.variant or "",
            status=task.status.value,
            created_at=task.created_at,
            collection=task.collection,
            lot=task.lot,
            follows=task.parent_id is not None,
            cache_hit=task.timings.get("cache_hit"),
            degraded=bool(task.timings.get("degraded")),
            total_ms=task.timings.get("total_time_ms"),
            first_token_ms=task.timings.get("time_to_first_token_ms"),
            model_error=task.timings.get("model_error"),
            score=None if given is None else given[0].score,
        )
