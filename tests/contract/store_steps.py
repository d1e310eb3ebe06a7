"""The steps that the stores' tests are made of."""

from jieqian.events.event import SectionDelta
from jieqian.sections.section import SectionName
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import Task
from jieqian.testing.sample_tasks import SAMPLE_TIME, sample_first_events, sample_request

NOW = SAMPLE_TIME + 1


async def accept(store: TaskStore, *, max_queue: int = 100, **fields) -> Task:
    """Accept a sample request."""
    accepted = await store.accept(sample_request(**fields), sample_first_events, max_queue)
    return accepted.task


async def claim(store: TaskStore, token: str = "token", now: float = NOW, lease: float = 30) -> Task:
    """Claim the next task; there must be one."""
    task = await store.claim(token, now, lease)
    assert task is not None
    return task


def delta(text: str = "詩") -> SectionDelta:
    """An event that changes no state."""
    return SectionDelta(SectionName.CONCLUSION, text)
