"""What every store of tasks must do: sections, endings, stopping and erasing."""

import pytest
from store_steps import NOW, accept, claim, delta

from jieqian.errors import UnknownTask
from jieqian.events.event import Completed
from jieqian.sections.section import SECTIONS
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import Feedback, Status
from jieqian.tasks.timings import ADDING_UP
from jieqian.testing.sample_tasks import SAMPLE_TIME, Ear, sample_section

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


async def test_sources_are_kept_with_timings_and_events(store: TaskStore, ear: Ear):
    task = await accept(store)
    await claim(store)
    sources = [{"id": "yuelao/8#topic:love@en", "title": "a", "text": "b", "score": 0.8}, {"id": "c", "title": "月老"}]
    await store.keep_sources(task.id, "token", sources, {"retrieval": "vector"}, [delta()])
    kept = await store.get(task.id)
    assert (list(kept.sources), kept.timings, kept.status) == (sources, {"retrieval": "vector"}, Status.RUNNING)
    assert len(ear.events(task.id)) == 3
    await store.keep_sources(task.id, "token", [], {}, [])
    assert (await store.get(task.id)).sources == ()
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
    assert sum(stopped.timings[key] for key in ADDING_UP) == 2000
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
