"""What every store of tasks must do: the log, the history, the queue, and the numbers."""

import asyncio
import math
import uuid
from dataclasses import replace

import pytest
from store_steps import NOW, accept, claim, delta

from jieqian.errors import LeaseLost, StoreError
from jieqian.events.event import Completed
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import Feedback, Mode, Status, Task
from jieqian.testing.sample_tasks import Ear, sample_section

# -- the log -----------------------------------------------------------------------------------------------------------


async def test_event_ids_have_no_holes_under_many_writers(store: TaskStore, ear: Ear):
    task = await accept(store)
    await claim(store)
    writes = [store.append(task.id, "token", [delta(f"{i}-{part}") for part in range(i % 3 + 1)]) for i in range(40)]
    late = [store.append(task.id, "late", [delta("late")]) for _ in range(10)]
    both = [write for pair in zip(writes, [*late, *[None] * 30], strict=True) for write in pair if write is not None]
    done = await asyncio.gather(*both, return_exceptions=True)
    assert sum(isinstance(result, LeaseLost) for result in done) == 10
    log = await store.events(task.id, 0, 1000)
    assert [event.id for event in log] == list(range(1, len(log) + 1))
    assert len(log) == 2 + sum(i % 3 + 1 for i in range(40))
    assert (await store.get(task.id)).last_event_id == len(log)
    assert ear.events(task.id) == log  # announced in the order of commits


async def test_announcements_of_many_tasks_come_in_the_order_of_commits(store: TaskStore, ear: Ear):
    tasks = [await accept(store) for _ in range(3)]
    for task in tasks:
        await claim(store, task.id)
    finished: list[str] = []

    async def write(task: Task, text: str) -> None:
        await store.append(task.id, task.id, [delta(text)])
        finished.append(text)

    await asyncio.gather(*(write(task, f"{i} {task.id}") for i in range(10) for task in tasks))
    announced = [event.data for _, events in ear.heard[3:] for event in events]
    assert [any(text in data for data in announced) for text in finished] == [True] * 30
    assert [next(text for text in finished if text in data) for data in announced] == finished
    for task in tasks:
        assert ear.events(task.id) == await store.events(task.id, 0, 100)


async def test_what_is_announced_is_in_the_log_already(open_store):
    looks: list[asyncio.Task[bool]] = []

    def announce(task_id, events) -> None:
        async def is_there() -> bool:
            return [*events] == await store.events(task_id, events[0].id - 1, len(events))

        looks.append(asyncio.ensure_future(is_there()))

    store = open_store(announce)
    task = await accept(store)
    await claim(store)
    for _ in range(20):
        await store.append(task.id, "token", [delta()])
    assert await asyncio.gather(*looks) == [True] * 21


async def test_the_log_is_read_in_pages(store: TaskStore):
    task = await accept(store)
    await claim(store)
    await store.append(task.id, "token", [delta(str(i)) for i in range(10)])
    whole = await store.events(task.id, 0, 100)
    assert await store.events(task.id, 0, 5) == whole[:5]
    assert await store.events(task.id, 5, 5) == whole[5:10]
    assert await store.events(task.id, 12, 5) == []
    assert await store.events("no such task", 0, 5) == []


@pytest.mark.parametrize("text", ["籤詩🏮𠮷", "line\nbreak\r\n", "\u2028\u2029\x85", '"quote\\"', "a\x01\x7f"])
async def test_text_comes_back_as_it_was(store: TaskStore, text: str):
    task = await accept(store, question=text)
    await claim(store)
    await store.finish_section(task.id, "token", sample_section(text=text), {"note": text}, [delta(text)])
    kept = await store.get(task.id)
    assert (kept.question, kept.sections[0].text, kept.timings) == (text, text, {"note": text})
    (event,) = await store.events(task.id, 2, 10)
    assert "\n" not in event.data


# -- looking -----------------------------------------------------------------------------------------------------------


async def test_history_is_the_callers_newest_first_page_by_page(store: TaskStore):
    mine = []
    for _ in range(5):
        mine.insert(0, (await accept(store)).id)
        await accept(store, caller="another")
    first = await store.history("asker", 2, None)
    second = await store.history("asker", 2, first[-1].seq)
    third = await store.history("asker", 2, second[-1].seq)
    assert [task.id for task in (*first, *second, *third)] == mine
    assert await store.history("asker", 2, third[-1].seq) == []


async def test_history_shows_sections(store: TaskStore):
    task = await accept(store)
    await claim(store)
    await store.finish_section(task.id, "token", sample_section(), {}, [])
    assert (await store.history("asker", 1, None))[0].sections == (sample_section(),)


async def test_places_in_the_queue(store: TaskStore):
    tasks = [(await accept(store)).id for _ in range(4)]
    assert await store.ahead_of([tasks[2], tasks[0], "no such task"]) == {tasks[0]: 0, tasks[2]: 2}
    await claim(store)
    await store.stop(tasks[1], "asker", NOW)
    assert await store.ahead_of(tasks) == {tasks[2]: 0, tasks[3]: 1}
    assert await store.ahead_of([]) == {}


async def test_counts_are_of_live_tasks(store: TaskStore):
    assert await store.counts() == {Status.QUEUED: 0, Status.RUNNING: 0}
    tasks = [await accept(store) for _ in range(4)]
    await claim(store)
    await store.stop(tasks[1].id, "asker", NOW)
    assert await store.counts() == {Status.QUEUED: 2, Status.RUNNING: 1}


async def _completed(store: TaskStore, mode: Mode, total: float | None, attempts: int = 1) -> None:
    task = await accept(store, mode=mode)
    await claim(store)
    await store.end_attempt(task.id, "token", attempts, [])
    timings = {} if total is None else {"total_time_ms": total}
    await store.end(task.id, "token", Status.COMPLETED, timings, [Completed({})])


async def test_the_median_is_of_the_modes_readings_that_asked_a_model(store: TaskStore):
    assert await store.median_total_ms("fast") is None
    for total in (10.0, 40.0, 20.0):
        await _completed(store, Mode.FAST, total)
    await _completed(store, Mode.QUALITY, 999.0)
    await _completed(store, Mode.FAST, 0.1, attempts=0)  # commentary alone
    assert await store.median_total_ms("fast") == 20.0
    assert await store.median_total_ms("quality") == 999.0


async def test_the_median_of_unmeasured_readings_is_unknown(store: TaskStore):
    await _completed(store, Mode.FAST, None)
    assert await store.median_total_ms("fast") is None


async def test_the_median_is_of_the_last_hundred(store: TaskStore):
    for total in [1000.0] * 60 + [1.0] * 60:
        await _completed(store, Mode.FAST, total)
    assert await store.median_total_ms("fast") == 1.0


async def test_feedback_is_kept_and_replaced(store: TaskStore):
    task = await accept(store)
    await store.add_feedback(task.id, "asker", Feedback(1, "準"), NOW)
    await store.add_feedback(task.id, "asker", Feedback(-1, None), NOW + 1)
    with pytest.raises(Exception, match="score"):
        await store.add_feedback(task.id, "asker", Feedback(0, None), NOW)


async def test_a_closed_store_says_so(store: TaskStore):
    await store.ping()
    task = await accept(store)
    await store.close()
    for refused in (store.ping(), store.get(task.id), accept(store), store.claim("t", NOW, 30)):
        with pytest.raises(StoreError):
            await refused


async def test_lease_times_may_lie_anywhere(store: TaskStore):
    """Fractions of a second are kept."""
    await accept(store, created_at=1.25)
    task = await claim(store, str(uuid.uuid4()), math.pi, 0.125)
    assert (task.created_at, task.lease_expires_at) == (1.25, math.pi + 0.125)
    assert replace(task) == await store.get(task.id)
