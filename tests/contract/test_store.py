"""What every store of tasks must do: accepting, leases, endings, and looking."""

import asyncio
import math
import uuid
from dataclasses import replace

import pytest

from jieqian.errors import IdempotencyMismatch, LeaseLost, QueueFull, StoreError, UnknownTask
from jieqian.events.event import Completed, Failed, SectionDelta, SectionFinished
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import Feedback, Mode, Status, Task
from jieqian.testing.sample_tasks import (
    SAMPLE_TIME,
    Ear,
    sample_first_events,
    sample_request,
    sample_section,
)

NOW = SAMPLE_TIME + 1
DAY = 24 * 3600


async def accept(store: TaskStore, *, max_queue: int = 100, **fields) -> Task:
    accepted = await store.accept(sample_request(**fields), sample_first_events, max_queue)
    return accepted.task


async def claim(store: TaskStore, token: str = "token", now: float = NOW, lease: float = 30) -> Task:
    task = await store.claim(token, now, lease)
    assert task is not None
    return task


def delta(text: str = "詩") -> SectionDelta:
    return SectionDelta(SectionName.CONCLUSION, text)


# -- accepting ---------------------------------------------------------------------------------------------------------


async def test_an_accepted_request_is_a_queued_task_with_its_first_events(store: TaskStore, ear: Ear):
    new = sample_request(fresh=True, parent_id="p", draw_id="d")
    accepted = await store.accept(new, sample_first_events, 100)
    task = accepted.task
    assert accepted.created
    assert task == await store.get(new.id)
    assert {name: getattr(task, name) for name in ("id", "caller", "collection", "lot", "question", "created_at")} == {
        name: getattr(new, name) for name in ("id", "caller", "collection", "lot", "question", "created_at")
    }
    assert (task.language, task.mode, task.strategy) == (new.language, new.mode, new.strategy)
    assert (task.fresh, task.parent_id, task.draw_id, task.care) == (True, "p", "d", None)
    assert (task.status, task.deliveries, task.attempts, task.last_event_id) == (Status.QUEUED, 0, 0, 2)
    assert (task.claimed_at, task.ended_at, task.lease_token, task.sections, task.error) == (None, None, None, (), None)
    log = await store.events(task.id, 0, 10)
    assert [(event.id, event.type) for event in log] == [(1, "queued"), (2, "lot")]
    assert ear.heard == [(task.id, log)]


async def test_the_first_events_know_how_many_stand_before(store: TaskStore):
    for _ in range(3):
        task = await accept(store)
    (first, _) = await store.events(task.id, 0, 10)
    assert '"ahead":2' in first.data


async def test_a_full_queue_takes_no_more_and_keeps_nothing(store: TaskStore, ear: Ear):
    await accept(store, max_queue=2)
    await accept(store, max_queue=2)
    refused = sample_request()
    with pytest.raises(QueueFull) as error:
        await store.accept(refused, sample_first_events, 2)
    assert error.value.problem()["retry_after"] > 0
    with pytest.raises(UnknownTask):
        await store.get(refused.id)
    assert len(ear.heard) == 2
    await claim(store)  # a running task does not stand in the queue
    await accept(store, max_queue=2)


async def test_a_task_with_care_is_complete_at_once_and_taken_by_a_full_queue(store: TaskStore):
    await accept(store, max_queue=1)
    care = {"kind": "self_harm", "message": "你不孤單。", "help_lines": []}
    task = await accept(store, max_queue=1, care=care)
    assert (task.status, task.care, task.ended_at) == (Status.COMPLETED, care, task.created_at)
    await claim(store)
    assert await store.claim("other", NOW, 30) is None
    assert await store.counts() == {Status.QUEUED: 0, Status.RUNNING: 1}


async def test_an_error_in_the_first_events_is_raised_and_nothing_kept(store: TaskStore):
    def wrong(_ahead: int):
        raise ZeroDivisionError

    new = sample_request()
    with pytest.raises(ZeroDivisionError):
        await store.accept(new, wrong, 10)
    with pytest.raises(UnknownTask):
        await store.get(new.id)


# -- idempotency -------------------------------------------------------------------------------------------------------


async def test_the_same_key_and_body_is_the_same_task(store: TaskStore, ear: Ear):
    first = await accept(store, idempotency_key="k", body_hash="b")
    again = await store.accept(sample_request(idempotency_key="k", body_hash="b"), sample_first_events, 100)
    assert not again.created
    assert again.task == first
    assert len(ear.heard) == 1
    assert len(await store.history("asker", 10, None)) == 1


async def test_the_same_key_finds_its_task_however_far_it_is(store: TaskStore):
    first = await accept(store, idempotency_key="k", body_hash="b")
    await claim(store)
    await store.finish_section(first.id, "token", sample_section(), {}, [])
    again = await store.accept(sample_request(idempotency_key="k", body_hash="b"), sample_first_events, 0)
    assert (again.task.status, again.task.sections) == (Status.RUNNING, (sample_section(),))


async def test_the_same_key_with_another_body_is_refused(store: TaskStore):
    await accept(store, idempotency_key="k", body_hash="b")
    with pytest.raises(IdempotencyMismatch):
        await accept(store, idempotency_key="k", body_hash="other")
    assert len(await store.history("asker", 10, None)) == 1


async def test_a_key_is_the_callers_own(store: TaskStore):
    mine = await accept(store, idempotency_key="k", body_hash="b")
    theirs = await accept(store, caller="another", idempotency_key="k", body_hash="other")
    assert mine.id != theirs.id


async def test_a_key_is_kept_for_24_hours(store: TaskStore):
    first = await accept(store, idempotency_key="k", body_hash="b")
    just_before = await accept(store, idempotency_key="k", body_hash="b", created_at=SAMPLE_TIME + DAY)
    assert just_before.id == first.id
    later = await accept(store, idempotency_key="k", body_hash="other", created_at=SAMPLE_TIME + DAY + 1)
    assert later.id != first.id
    again = await accept(store, idempotency_key="k", body_hash="other", created_at=SAMPLE_TIME + DAY + 2)
    assert again.id == later.id
    assert (await store.get(first.id)).status is Status.QUEUED


async def test_an_erased_tasks_key_is_free(store: TaskStore):
    first = await accept(store, idempotency_key="k", body_hash="b")
    await store.erase(first.id, "asker")
    assert (await accept(store, idempotency_key="k", body_hash="other")).id != first.id


async def test_one_key_many_times_at_once_is_one_insert(store: TaskStore, ear: Ear):
    asked = [sample_request(idempotency_key="k", body_hash="b") for _ in range(20)]
    answers = await asyncio.gather(*(store.accept(new, sample_first_events, 100) for new in asked))
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.task.id for answer in answers}) == 1
    assert len(ear.heard) == 1
    assert len(await store.history("asker", 100, None)) == 1


# -- leases ------------------------------------------------------------------------------------------------------------


async def test_the_oldest_task_is_claimed_first(store: TaskStore):
    accepted = [(await accept(store)).id for _ in range(3)]
    assert [(await claim(store, f"token {i}")).id for i in range(3)] == accepted
    assert await store.claim("token", NOW, 30) is None


async def test_a_claim_is_a_lease_and_counts_a_delivery(store: TaskStore):
    await accept(store)
    task = await claim(store, "token", NOW, 30)
    assert (task.status, task.lease_token, task.lease_expires_at) == (Status.RUNNING, "token", NOW + 30)
    assert (task.deliveries, task.claimed_at) == (1, NOW)
    assert task == await store.get(task.id)


async def test_many_workers_never_claim_the_same_task(store: TaskStore):
    accepted = {(await accept(store)).id for _ in range(10)}
    claimed = await asyncio.gather(*(store.claim(str(i), NOW, 30) for i in range(15)))
    assert sorted(task.id for task in claimed if task) == sorted(accepted)


async def test_a_lapsed_lease_is_claimed_again_before_younger_tasks(store: TaskStore):
    first = await accept(store)
    await accept(store)
    await claim(store, "paused", NOW, 30)
    assert (await claim(store, "next", NOW + 30)).id != first.id  # the first's lease ends just after this moment
    again = await claim(store, "other", NOW + 31)
    assert again.id == first.id
    assert (again.deliveries, again.claimed_at, again.lease_token) == (2, NOW, "other")


async def test_a_heartbeat_prolongs_the_lease(store: TaskStore):
    task = await accept(store)
    await claim(store, "token", NOW, 30)
    await store.heartbeat(task.id, "token", NOW + 60)
    assert await store.claim("other", NOW + 59, 30) is None
    assert await store.claim("other", NOW + 61, 30) is not None


LATE_WRITES = {
    "append": lambda store, task: store.append(task, "paused", [delta()]),
    "end_attempt": lambda store, task: store.end_attempt(task, "paused", 1, [delta()]),
    "finish_section": lambda store, task: store.finish_section(
        task, "paused", sample_section(), {"total_time_ms": 1.0}, [SectionFinished(sample_section())]
    ),
    "end": lambda store, task: store.end(task, "paused", Status.COMPLETED, {"total_time_ms": 1.0}, [Completed({})]),
    "heartbeat": lambda store, task: store.heartbeat(task, "paused", NOW + 999),
    "release": lambda store, task: store.release(task, "paused", counts=True),
}


async def _reclaimed(store: TaskStore, task: Task) -> None:
    await claim(store, "other", NOW + 31)


async def _released(store: TaskStore, task: Task) -> None:
    await store.release(task.id, "paused", counts=True)


async def _ended(store: TaskStore, task: Task) -> None:
    await store.end(task.id, "paused", Status.FAILED, {}, [Failed({})])


async def _stopped(store: TaskStore, task: Task) -> None:
    await store.stop(task.id, "asker", NOW)


async def _restarted(store: TaskStore, task: Task) -> None:
    assert await store.release_leases() == 1


@pytest.mark.parametrize("lose", [_reclaimed, _released, _ended, _stopped, _restarted])
@pytest.mark.parametrize("write", LATE_WRITES.values(), ids=LATE_WRITES)
async def test_a_late_write_is_refused_and_changes_nothing(store: TaskStore, ear: Ear, write, lose):
    task = await accept(store)
    await claim(store, "paused", NOW, 30)
    await lose(store, task)
    before, log, heard = await store.get(task.id), await store.events(task.id, 0, 100), len(ear.heard)
    with pytest.raises(LeaseLost):
        await write(store, task.id)
    assert await store.get(task.id) == before
    assert await store.events(task.id, 0, 100) == log
    assert len(ear.heard) == heard


@pytest.mark.parametrize("write", LATE_WRITES.values(), ids=LATE_WRITES)
async def test_a_write_to_an_erased_task_is_refused(store: TaskStore, write):
    task = await accept(store)
    await claim(store, "paused")
    await store.erase(task.id, "asker")
    with pytest.raises(LeaseLost):
        await write(store, task.id)
    assert await store.events(task.id, 0, 10) == []


@pytest.mark.parametrize(("counts", "deliveries"), [(True, 1), (False, 0)])
async def test_a_released_task_is_queued_again_in_its_old_place(store: TaskStore, counts: bool, deliveries: int):
    first = await accept(store)
    await accept(store)
    await claim(store)
    await store.finish_section(first.id, "token", sample_section(), {"total_time_ms": 5.0}, [])
    await store.release(first.id, "token", counts=counts)
    task = await store.get(first.id)
    assert (task.status, task.deliveries, task.lease_token) == (Status.QUEUED, deliveries, None)
    assert await store.ahead_of([first.id]) == {first.id: 0}
    again = await claim(store, "other", NOW + 5)
    assert (again.id, again.sections) == (first.id, (sample_section(),))
    assert (again.claimed_at, again.timings) == (NOW, {"total_time_ms": 5.0})  # the deadline runs from the first claim


async def test_leases_of_processes_that_are_gone_end(store: TaskStore):
    tasks = [await accept(store) for _ in range(3)]
    await claim(store, "a")
    await claim(store, "b")
    assert await store.release_leases() == 2
    assert await store.counts() == {Status.QUEUED: 3, Status.RUNNING: 0}
    assert [(await store.get(task.id)).deliveries for task in tasks] == [1, 1, 0]
    assert await store.release_leases() == 0


# -- writing a reading -------------------------------------------------------------------------------------------------


async def test_sections_are_kept_with_their_timings_in_reading_order(store: TaskStore):
    task = await accept(store)
    await claim(store)
    for count, name in enumerate(reversed(SECTIONS), start=1):
        await store.finish_section(task.id, "token", sample_section(name), {"count": count}, [])
    kept = await store.get(task.id)
    assert kept.sections == tuple(sample_section(name) for name in SECTIONS)
    assert kept.timings == {"count": 7}
    assert kept.missing == ()


async def test_a_section_is_finished_once(store: TaskStore, ear: Ear):
    task = await accept(store)
    await claim(store)
    await store.finish_section(task.id, "token", sample_section(), {}, [delta()])
    before = await store.get(task.id)
    with pytest.raises(Exception, match=r"(?i)unique|already"):
        await store.finish_section(task.id, "token", sample_section(text="另一段"), {"a": 1}, [delta()])
    assert await store.get(task.id) == before
    assert len(await store.events(task.id, 0, 10)) == 3
    assert len(ear.events(task.id)) == 3


async def test_an_attempt_is_counted_with_its_events(store: TaskStore):
    task = await accept(store)
    await claim(store)
    await store.end_attempt(task.id, "token", 1, [delta(), delta()])
    kept = await store.get(task.id)
    assert (kept.attempts, kept.last_event_id, kept.status) == (1, 4, Status.RUNNING)


async def test_a_fourth_attempt_is_impossible(store: TaskStore):
    task = await accept(store)
    await claim(store)
    with pytest.raises(Exception, match="attempts"):
        await store.end_attempt(task.id, "token", 4, [])
    assert (await store.get(task.id)).attempts == 0


async def test_a_write_without_events_is_not_announced(store: TaskStore, ear: Ear):
    """An empty announcement says that a task was erased."""
    task = await accept(store)
    await claim(store)
    await store.append(task.id, "token", [])
    await store.end_attempt(task.id, "token", 1, [])
    await store.finish_section(task.id, "token", sample_section(), {}, [])
    await store.release(task.id, "token", counts=False)
    assert [events for _, events in ear.heard if not events] == []


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
async def test_an_ended_task_keeps_what_it_ended_with(store: TaskStore, status: Status):
    task = await accept(store)
    await claim(store)
    problem = {"code": "unknown_lot"} if status is Status.FAILED else None
    await store.end(task.id, "token", status, {"total_time_ms": 12.5}, [Completed({"a": "籤"})], error=problem)
    ended = await store.get(task.id)
    assert (ended.status, ended.timings, ended.error) == (status, {"total_time_ms": 12.5}, problem)
    assert ended.ended_at is not None
    assert (ended.lease_token, ended.lease_expires_at) == (None, None)
    assert await store.claim("other", NOW + 1e6, 30) is None


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
async def test_a_task_ends_in_an_end(store: TaskStore, status: Status):
    task = await accept(store)
    await claim(store)
    with pytest.raises(Exception, match=r"(?i)constraint|no end"):
        await store.end(task.id, "token", status, {}, [])
    assert (await store.get(task.id)).status is Status.RUNNING


# -- stop and erase ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [False, True])
async def test_stop_ends_a_live_task_and_keeps_its_sections(store: TaskStore, ear: Ear, running: bool):
    task = await accept(store)
    kept = ()
    if running:
        await claim(store)
        kept = (sample_section(),)
        await store.finish_section(task.id, "token", kept[0], {"poem_lookup_ms": 1.0}, [])
    stopped = await store.stop(task.id, "asker", SAMPLE_TIME + 2)
    assert stopped == await store.get(task.id)
    assert (stopped.status, stopped.sections, stopped.ended_at) == (Status.STOPPED, kept, SAMPLE_TIME + 2)
    assert stopped.timings["total_time_ms"] == 2000
    last = (await store.events(task.id, 0, 10))[-1]
    assert (last.id, last.type, last.final) == (stopped.last_event_id, "stopped", True)
    assert ("一句一句" in last.data) is running
    assert ear.heard[-1] == (task.id, [last])
    assert await store.claim("other", NOW + 1e6, 30) is None


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.STOPPED])
async def test_stop_leaves_an_ended_task_alone(store: TaskStore, ear: Ear, status: Status):
    task = await accept(store)
    await claim(store)
    if status is Status.STOPPED:
        await store.stop(task.id, "asker", NOW)
    else:
        await store.end(task.id, "token", status, {}, [Completed({})])
    before, heard = await store.get(task.id), len(ear.heard)
    assert await store.stop(task.id, "asker", NOW + 9) == before
    assert await store.get(task.id) == before
    assert len(ear.heard) == heard


@pytest.mark.parametrize("state", ["queued", "running", "ended"])
async def test_erase_leaves_nothing_in_any_state(store: TaskStore, ear: Ear, state: str):
    task = await accept(store)
    if state != "queued":
        await claim(store)
        await store.finish_section(task.id, "token", sample_section(), {}, [])
    if state == "ended":
        await store.end(task.id, "token", Status.COMPLETED, {}, [Completed({})])
        await store.add_feedback(task.id, "asker", Feedback(1, "好"), NOW)
    await store.erase(task.id, "asker")
    assert ear.heard[-1] == (task.id, [])
    with pytest.raises(UnknownTask):
        await store.get(task.id)
    assert await store.events(task.id, 0, 10) == []
    assert await store.history("asker", 10, None) == []
    assert await store.claim("other", NOW + 1e6, 30) is None
    with pytest.raises(UnknownTask):
        await store.erase(task.id, "asker")


async def test_an_erased_tasks_number_is_not_given_again(store: TaskStore):
    """A history's cursor would show or hide the wrong tasks."""
    first = await accept(store)
    await store.erase(first.id, "asker")
    assert (await accept(store)).seq > first.seq


async def test_a_stranger_finds_no_task(store: TaskStore, ear: Ear):
    task = await accept(store)
    heard = len(ear.heard)
    for refused in (
        store.get(task.id, "stranger"),
        store.stop(task.id, "stranger", NOW),
        store.erase(task.id, "stranger"),
        store.add_feedback(task.id, "stranger", Feedback(1, None), NOW),
        store.get("no such task"),
        store.stop("no such task", "asker", NOW),
    ):
        with pytest.raises(UnknownTask):
            await refused
    assert await store.history("stranger", 10, None) == []
    assert await store.get(task.id, "asker") == task
    assert len(ear.heard) == heard


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
