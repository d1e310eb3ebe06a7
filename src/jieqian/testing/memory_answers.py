"""The part of the memory store that keeps answers."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace

from jieqian.cache.answer import CacheFilter, CacheStats, KeptAnswer


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: KeptAnswer
    used_at: float
    hits: int = 0

    @property
    def bytes(self) -> int:
        told = [[section.name, section.text, section.attempt] for section in self.answer.sections]
        sources, facts = [dict(source) for source in self.answer.sources], dict(self.answer.facts)
        document = {"sections": told, "sources": sources, "facts": facts}
        return len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())


class MemoryAnswers:
    """Kept answers in a dictionary."""

    def __init__(self, most_answers: int = 10_000) -> None:
        super().__init__()
        self._most_answers = most_answers
        self._answers: dict[str, _Kept] = {}

    async def _turn(self) -> None:
        raise NotImplementedError

    async def answer(self, key: str) -> KeptAnswer | None:
        """See `TaskStore.answer`."""
        await self._turn()
        return self._found(key)

    async def renew_answer(self, key: str, now: float) -> bool:
        """See `TaskStore.renew_answer`."""
        await self._turn()
        kept = self._answers.get(key)
        if kept is not None:
            self._answers[key] = replace(kept, used_at=now)
        return kept is not None

    async def cache_stats(self) -> CacheStats:
        """See `TaskStore.cache_stats`."""
        await self._turn()
        made = [kept.answer.created_at for kept in self._answers.values()]
        return CacheStats(
            entries=len(made),
            bytes=sum(kept.bytes for kept in self._answers.values()),
            hits=sum(kept.hits for kept in self._answers.values()),
            oldest_at=min(made, default=None),
            newest_at=max(made, default=None),
        )

    async def clear_cache(self, which: CacheFilter) -> int:
        """See `TaskStore.clear_cache`."""
        await self._turn()
        gone = [key for key, kept in self._answers.items() if _fits(kept.answer, which)]
        for key in gone:
            del self._answers[key]
        return len(gone)

    def _found(self, key: str) -> KeptAnswer | None:
        kept = self._answers.get(key)
        return None if kept is None else kept.answer

    def _use(self, key: str) -> None:
        kept = self._answers.get(key)
        if kept is not None:
            self._answers[key] = replace(kept, used_at=time.time(), hits=kept.hits + 1)

    def _keep(self, answer: KeptAnswer) -> None:
        self._answers[answer.key] = _Kept(answer, answer.created_at)
        oldest = sorted(self._answers.items(), key=lambda item: (item[1].used_at, item[1].answer.created_at))
        for key, _ in oldest[: max(0, len(oldest) - self._most_answers)]:
            del self._answers[key]

    def _forget_answers(self, task_id: str) -> None:
        self._answers = {key: kept for key, kept in self._answers.items() if kept.answer.task_id != task_id}


def _fits(answer: KeptAnswer, which: CacheFilter) -> bool:
    return (
        which.collection in (None, answer.collection)
        and which.lot in (None, answer.lot)
        and which.model in (None, answer.model)
        and (which.before is None or answer.created_at < which.before)
    )
