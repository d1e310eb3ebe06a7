"""Experiments: their rows, and the tasks that were in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from jieqian.errors import ExperimentExists, ExperimentRunning, UnknownExperiment
from jieqian.experiments.experiment import Experiment, variant_from
from jieqian.experiments.figures import TaskFigures
from jieqian.tasks.tables import experiments, feedback, tasks
from jieqian.tasks.task import Mode

Result = TypeVar("Result")

_times = tasks.c.timings
#: One row a task, in the order of `TaskFigures`. JSON is taken apart by the database: a task's timings are thirty.
_FIGURES = (
    sa.select(
        tasks.c.caller,
        tasks.c.variant,
        tasks.c.status,
        tasks.c.created_at,
        tasks.c.collection,
        tasks.c.lot,
        tasks.c.parent_id.is_not(None),
        _times["cache_hit"].as_string(),
        sa.func.coalesce(_times["degraded"].as_boolean(), sa.false()),
        tasks.c.total_time_ms,
        _times["time_to_first_token_ms"].as_float(),
        _times["model_error"].as_string(),
        feedback.c.score,
    )
    .select_from(tasks.outerjoin(feedback, feedback.c.task_id == tasks.c.id))
    .where(tasks.c.experiment == sa.bindparam("its_name"))
    .order_by(tasks.c.seq)
)


class ExperimentRows:
    """The part of `SqlTaskStore` that keeps experiments."""

    async def _write(self, operation: Callable[[sa.Connection], Result]) -> Result:
        raise NotImplementedError

    async def _read(self, operation: Callable[[sa.Connection], Result]) -> Result:
        raise NotImplementedError

    async def add_experiment(self, experiment: Experiment) -> None:
        """See `ExperimentStore.add_experiment`."""
        row = {
            "name": experiment.name,
            "mode": experiment.mode,
            "variants": [one.as_dict() for one in experiment.variants],
            "started_at": experiment.started_at,
        }
        running = sa.select(experiments.c.name).where(
            experiments.c.mode == experiment.mode, experiments.c.ended_at.is_(None)
        )

        def insert(connection: sa.Connection) -> None:
            if _found(connection, experiment.name) is not None:
                raise ExperimentExists
            if (other := connection.execute(running).scalar()) is not None:
                raise ExperimentRunning(running=other)
            connection.execute(sa.insert(experiments).values(row))

        await self._write(insert)

    async def experiments(self) -> list[Experiment]:
        """See `ExperimentStore.experiments`."""
        query = sa.select(experiments).order_by(experiments.c.started_at.desc(), experiments.c.name)
        found = await self._read(lambda connection: connection.execute(query).mappings().all())
        return [_experiment(row) for row in found]

    async def experiment(self, name: str) -> Experiment:
        """See `ExperimentStore.experiment`."""
        return await self._read(lambda connection: _expected(connection, name))

    async def end_experiment(self, name: str, now: float) -> Experiment:
        """See `ExperimentStore.end_experiment`."""
        running = sa.and_(experiments.c.name == name, experiments.c.ended_at.is_(None))

        def end(connection: sa.Connection) -> Experiment:
            connection.execute(sa.update(experiments).where(running).values(ended_at=now))
            return _expected(connection, name)

        return await self._write(end)

    async def experiment_tasks(self, name: str) -> list[TaskFigures]:
        """See `ExperimentStore.experiment_tasks`."""

        def look(connection: sa.Connection) -> list[TaskFigures]:
            return [TaskFigures(*row) for row in connection.execute(_FIGURES, {"its_name": name})]

        return await self._read(look)


def _expected(connection: sa.Connection, name: str) -> Experiment:
    row = _found(connection, name)
    if row is None:
        raise UnknownExperiment
    return _experiment(row)


def _found(connection: sa.Connection, name: str) -> sa.RowMapping | None:
    return connection.execute(sa.select(experiments).where(experiments.c.name == name)).mappings().one_or_none()


def _experiment(row: sa.RowMapping) -> Experiment:
    return Experiment(
        name=row["name"],
        mode=Mode(row["mode"]),
        variants=tuple(variant_from(told) for told in row["variants"]),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )
