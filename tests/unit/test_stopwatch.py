"""The times of a task: disjoint stages that add up to the total. No time is ever compared with a limit."""

import time
from dataclasses import replace

import pytest

from jieqian.events.event import Stage
from jieqian.reading.stopwatch import STAGE_KEYS, Stopwatch
from jieqian.tasks.clock import ACCEPTED, accepted_mark, steady
from jieqian.tasks.task import Status, Task
from jieqian.tasks.timings import ADDING_UP, settled
from jieqian.testing.sample_tasks import sample_task

A_WHILE = 0.01


def a_task(age: float = 0.0, **changes) -> Task:
    """A task that was asked for `age` seconds ago."""
    return sample_task(created_at=time.time() - age, **changes)


def parts(measured: dict[str, float]) -> float:
    return sum(measured[key] for key in (*STAGE_KEYS.values(), "other_ms"))


def test_there_is_a_time_for_every_stage():
    assert set(STAGE_KEYS) == set(Stage)
    measured = Stopwatch(a_task()).measured()
    assert measured.keys() == {*STAGE_KEYS.values(), "other_ms", "total_time_ms"}


def test_the_wait_is_the_queues():
    watch = Stopwatch(a_task(age=10))
    assert watch.stage_ms(Stage.QUEUE) >= 10_000
    assert watch.now_ms() >= watch.stage_ms(Stage.QUEUE)


def test_a_clock_that_was_set_back_makes_no_negative_time():
    measured = Stopwatch(a_task(age=-100)).measured()
    assert all(ms >= 0 for ms in measured.values())


def test_stages_and_the_rest_add_up_to_the_total():
    watch = Stopwatch(a_task(age=1.2345))
    for stage in (Stage.POEM, Stage.RETRIEVAL, Stage.GENERATION):
        with watch.time(stage):
            time.sleep(A_WHILE)
        time.sleep(A_WHILE)
    measured = watch.measured()
    assert parts(measured) == pytest.approx(measured["total_time_ms"], abs=0.05)
    for key in ("poem_lookup_ms", "rag_retrieval_ms", "llm_generation_ms"):
        assert measured[key] >= A_WHILE * 1000 * 0.9
    assert measured["other_ms"] >= 3 * A_WHILE * 1000 * 0.9
    assert measured["validation_ms"] == 0
    assert all(round(ms, 1) == ms for ms in measured.values())


def test_a_stage_within_a_stage_is_booked_once():
    watch = Stopwatch(a_task())
    start = time.perf_counter()
    with watch.time(Stage.GENERATION):
        time.sleep(A_WHILE)
        for _ in range(2):
            with watch.time(Stage.VALIDATION):
                time.sleep(A_WHILE)
    spent = (time.perf_counter() - start) * 1000
    generation, validation = watch.stage_ms(Stage.GENERATION), watch.stage_ms(Stage.VALIDATION)
    assert validation >= 2 * A_WHILE * 1000 * 0.9
    assert generation >= A_WHILE * 1000 * 0.9
    assert generation + validation <= spent
    measured = watch.measured()
    assert parts(measured) == pytest.approx(measured["total_time_ms"], abs=0.05)


def test_an_error_in_a_stage_is_timed_too():
    watch = Stopwatch(a_task())

    def fall() -> None:
        with watch.time(Stage.GENERATION):
            time.sleep(A_WHILE)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fall()
    assert watch.stage_ms(Stage.GENERATION) >= A_WHILE * 1000 * 0.9


def test_attempts_add():
    watch = Stopwatch(a_task())
    watch.add(Stage.GENERATION, 100)
    watch.add(Stage.GENERATION, 50)
    assert watch.stage_ms(Stage.GENERATION) == 150


def test_the_total_is_never_less_than_its_parts():
    watch = Stopwatch(a_task())
    watch.add(Stage.GENERATION, 5_000)
    measured = watch.measured()
    assert measured["total_time_ms"] >= 5_000
    assert measured["other_ms"] == 0


def test_a_later_delivery_goes_on_from_the_first_and_waited_meanwhile():
    """Ten seconds since the request; a first delivery accounted for 3 of them and its own queue wait does not count."""
    before = {
        "queue_wait_ms": 500.0,
        "poem_lookup_ms": 1.0,
        "rag_retrieval_ms": 0.0,
        "llm_generation_ms": 2_900.0,
        "validation_ms": 50.0,
        "other_ms": 49.0,
        "total_time_ms": 3_500.0,
        "prompt_tokens": 7,
    }
    watch = Stopwatch(a_task(age=10, deliveries=2, timings=before))
    assert watch.stage_ms(Stage.GENERATION) == 2_900
    assert watch.stage_ms(Stage.QUEUE) >= 7_000  # not the ten of a first delivery, and not its own half a second
    assert watch.stage_ms(Stage.QUEUE) + 3_000 <= watch.now_ms() + 0.1
    measured = watch.measured()
    assert measured["total_time_ms"] >= 10_000
    assert parts(measured) == pytest.approx(measured["total_time_ms"], abs=0.05)
    assert measured["other_ms"] >= 49


def test_times_that_are_none_count_as_nothing():
    watch = Stopwatch(a_task(timings={"llm_generation_ms": None, "other_ms": None}))
    assert watch.stage_ms(Stage.GENERATION) == 0


HOUR = 3600.0


@pytest.mark.parametrize("moved", [HOUR, -HOUR])
def test_a_clock_that_was_set_meanwhile_makes_no_hour_of_waiting(moved: float):
    task = a_task(age=moved + 2, timings=accepted_mark(2))
    watch = Stopwatch(task)
    assert 2_000 <= watch.stage_ms(Stage.QUEUE) < HOUR * 500
    for status in (Status.QUEUED, Status.RUNNING):
        times = settled(replace(task, status=status, claimed_at=steady() - 1), time.time())
        assert 2_000 <= times["total_time_ms"] < HOUR * 500
        assert sum(times[key] for key in ADDING_UP) == pytest.approx(times["total_time_ms"], abs=0.05)
        assert min(times[key] for key in ADDING_UP) >= 0


def test_what_another_run_accepted_has_waited_by_the_time_of_day():
    watch = Stopwatch(a_task(age=10, timings={ACCEPTED: ["another run", steady()]}))
    assert watch.stage_ms(Stage.QUEUE) >= 10_000


def test_only_time_at_work_uses_up_a_deadline():
    before = {"queue_wait_ms": 500.0, "llm_generation_ms": 2_900.0, "other_ms": 100.0}
    watch = Stopwatch(a_task(age=HOUR, deliveries=2, timings=before))
    assert 3_000 <= watch.worked_ms() < HOUR * 500


@pytest.mark.parametrize(("known", "stage"), [({}, "rag_retrieval_ms"), ({"retrieval": "vector"}, "llm_generation_ms")])
def test_a_task_stopped_at_work_books_its_time_to_what_was_going_on(known, stage):
    task = a_task(age=4, timings={"queue_wait_ms": 1_000.0, **known})
    running = replace(task, status=Status.RUNNING, claimed_at=task.created_at + 1)
    times = settled(running, time.time())
    assert times[stage] == pytest.approx(3_000, abs=500)
    assert sum(times[key] for key in ADDING_UP) == pytest.approx(times["total_time_ms"], abs=0.1)
