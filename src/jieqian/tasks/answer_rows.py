"""Kept answers: their rows, bounded, and gone with the task they were written for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

from jieqian.cache.answer import MOST_OWN, CacheFilter, CacheStats, KeptAnswer, OwnReading
from jieqian.sections.section import Section, SectionName, SectionSource
from jieqian.tasks.tables import answers, tasks
from jieqian.tasks.task import NewTask, Status

Result = TypeVar("Result")
_COLUMNS = ("key", "task_id", "collection", "lot", "language", "mode", "model", "created_at")


class AnswerRows:
    """The part of `SqlTaskStore` that keeps answers."""

    async def _write(
        self, operation: Callable[[sa.Connection], Result], *, durable: bool = True, leaves_no_trace: bool = False
    ) -> Result:
        raise NotImplementedError

    async def _read(self, operation: Callable[[sa.Connection], Result]) -> Result:
        raise NotImplementedError

    async def answer(self, key: str) -> KeptAnswer | None:
        """See `TaskStore.answer`."""
        return await self._read(lambda connection: find_answer(connection, key))

    async def renew_answer(self, key: str, now: float) -> bool:
        """See `TaskStore.renew_answer`."""
        change = sa.update(answers).where(answers.c.key == key).values(used_at=now)
        return await self._write(lambda connection: connection.execute(change).rowcount > 0, durable=False)

    async def own_readings(self, new: NewTask, limit: int) -> list[OwnReading]:
        """See `TaskStore.own_readings`."""
        mine = tasks.c.caller == new.caller
        latest = sa.select(tasks.c.seq).where(mine).order_by(tasks.c.seq.desc()).limit(1).offset(MOST_OWN - 1)
        query = (
            sa.select(tasks.c.id, tasks.c.question, tasks.c.timings)
            .where(mine, tasks.c.seq >= sa.func.coalesce(latest.scalar_subquery(), 0))
            .where(tasks.c.collection == new.collection, tasks.c.lot == new.lot, tasks.c.language == new.language)
            .where(tasks.c.mode == new.mode, tasks.c.parent_id.is_not_distinct_from(new.parent_id))
            .where(tasks.c.status == Status.COMPLETED, tasks.c.care.is_(None))
            .where(tasks.c.timings["cache_task_id"].as_string().is_(None))
            .order_by(tasks.c.seq.desc())
            .limit(limit)
        )
        found = await self._read(lambda connection: connection.execute(query).all())
        return [OwnReading(row.id, row.question, row.timings.get("cache_created_at")) for row in found]

    async def cache_stats(self) -> CacheStats:
        """See `TaskStore.cache_stats`."""
        count, total = sa.func.count(), sa.func.coalesce(sa.func.sum(answers.c.bytes), 0)
        hits = sa.func.coalesce(sa.func.sum(answers.c.hits), 0)
        query = sa.select(count, total, hits, sa.func.min(answers.c.created_at), sa.func.max(answers.c.created_at))
        row = await self._read(lambda connection: connection.execute(query).one())
        return CacheStats(entries=row[0], bytes=row[1], hits=row[2], oldest_at=row[3], newest_at=row[4])

    async def clear_cache(self, which: CacheFilter) -> int:
        """See `TaskStore.clear_cache`."""
        change = sa.delete(answers)
        for name in ("collection", "lot", "model"):
            if (wanted := getattr(which, name)) is not None:
                change = change.where(answers.c[name] == wanted)
        if which.before is not None:
            change = change.where(answers.c.created_at < which.before)
        return await self._write(lambda connection: int(connection.execute(change).rowcount), leaves_no_trace=True)


def find_answer(connection: sa.Connection, key: str) -> KeptAnswer | None:
    """The answer under that key. One this version cannot read is none."""
    row = connection.execute(sa.select(answers).where(answers.c.key == key)).mappings().one_or_none()
    if row is None:
        return None
    try:
        document = json.loads(row["document"])
        finished = tuple(
            Section(SectionName(name), text, SectionSource.MODEL, attempt, 0)
            for name, text, attempt in document["sections"]
        )
        sources, facts = tuple(document["sources"]), dict(document["facts"])
    except (ValueError, KeyError, TypeError):
        return None
    return KeptAnswer(**{name: row[name] for name in _COLUMNS}, sections=finished, sources=sources, facts=facts)


def use_answer(connection: sa.Connection, key: str, now: float) -> None:
    """Count that it served."""
    used = sa.update(answers).where(answers.c.key == key)
    connection.execute(used.values(used_at=now, hits=answers.c.hits + 1))


def keep_answer(connection: sa.Connection, kept: KeptAnswer, most: int) -> None:
    """Keep it, in place of an earlier one; beyond `most` those go that were used longest ago."""
    document = json.dumps(
        {
            "sections": [[section.name, section.text, section.attempt] for section in kept.sections],
            "sources": [dict(source) for source in kept.sources],
            "facts": dict(kept.facts),
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )
    row: dict[str, Any] = {name: getattr(kept, name) for name in _COLUMNS}
    row |= {"used_at": kept.created_at, "bytes": len(document.encode()), "document": document}
    connection.execute(sa.delete(answers).where(answers.c.key == kept.key))
    connection.execute(sa.insert(answers).values(row))
    surplus = connection.execute(sa.select(sa.func.count()).select_from(answers)).scalar_one() - most
    if surplus > 0:
        oldest = sa.select(answers.c.key).order_by(answers.c.used_at, answers.c.created_at).limit(surplus)
        connection.execute(sa.delete(answers).where(answers.c.key.in_(oldest)))


def forget_answers(connection: sa.Connection, task_id: str) -> None:
    """The task is erased: so is the answer it made."""
    connection.execute(sa.delete(answers).where(answers.c.task_id == task_id))
