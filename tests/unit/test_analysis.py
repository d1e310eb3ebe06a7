"""The stages of tasks, worked out from logs: the older system's in both dialects, and this project's own."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from analysed import EXCERPT, LOGS, analysed, document, finding, older_log, older_task
from hypothesis import given
from hypothesis import strategies as st

from jieqian.analysis.analysis import analyze
from jieqian.analysis.figures import EXACT_SAMPLES, SKETCH_ERROR, Samples
from jieqian.analysis.reading import LineReader
from jieqian.analysis.source import find_source
from jieqian.analysis.tally import Tally
from jieqian.analysis.timelines import Timelines
from jieqian.bench.figures import percentile

STAGES = ("queue", "poem", "retrieval", "generation", "validation", "faq", "total")


def of_file(path: Path) -> dict[str, Any]:
    return analyze([find_source(str(path))], 5).document()


def test_the_excerpt_comes_out_as_worked_out_by_hand(tmp_path: Path) -> None:
    told = document(tmp_path, EXCERPT)
    stages = told["stages"]
    assert told["tasks"] == {"total": 1, "completed": 1, "failed": 0, "stopped": 0, "unfinished": 0}
    assert stages["queue"]["mean_ms"] == pytest.approx(1000, abs=1000)
    assert stages["retrieval"]["mean_ms"] == pytest.approx(1000, abs=1000)
    assert stages["generation"]["mean_ms"] == pytest.approx(36_000, abs=1000)
    assert {stages["total"][name] for name in ("mean_ms", "p50_ms", "p95_ms")} == {37_080}
    assert stages["generation"]["share"] == pytest.approx(36 / 38.08, abs=0.001)
    for stage in ("validation", "faq"):
        assert stages[stage]["below_resolution"]
        assert stages[stage]["mean_ms"] is None, "below the resolution is not 0, and not what somebody guessed"
    assert any("Below that resolution" in note and "validation, faq" in note for note in told["notes"])
    assert (told["attempts"], told["unreadable_lines"]) == (1, 1)


def test_the_contracts_keys_are_all_there(tmp_path: Path) -> None:
    told = document(tmp_path, EXCERPT)
    assert {"tasks", "stages", "attempts", "errors", "unreadable_lines", "findings"} <= set(told)
    assert all({"mean_ms", "p50_ms", "p95_ms", "share"} <= set(told["stages"][stage]) for stage in STAGES)
    assert all({"finding", "evidence", "advice", "gain_ms"} <= set(each) for each in told["findings"])
    gains = [each["gain_ms"] for each in told["findings"]]
    assert gains == sorted(gains, reverse=True)
    json.dumps(told, allow_nan=False)


def test_the_older_log_of_whole_seconds() -> None:
    told = of_file(LOGS / "older.log")
    stages = told["stages"]
    assert told["tasks"] == {"total": 6, "completed": 5, "failed": 0, "stopped": 0, "unfinished": 1}
    assert told["unreadable_lines"] == 0
    assert stages["queue"]["mean_ms"] == 1800, "two seconds in four of the five, one in the other"
    assert stages["total"]["mean_ms"] == pytest.approx((4260 + 4020 + 3910 + 3950 + 3920) / 5)
    assert stages["generation"]["mean_ms"] == pytest.approx(3600, abs=200)
    assert (told["cache"]["lots_at_hand"], told["cache"]["lots_looked_up"]) == (4, 1)
    polled = finding(told, "wait before a worker")
    assert polled["gain_ms"] == 1800
    assert "before the task was handed to the workers" in polled["evidence"]


def test_perf_figures_are_used_and_their_known_error_is_pointed_out() -> None:
    told = of_file(LOGS / "older_perf.log")
    stages = told["stages"]
    assert (told["tasks"]["completed"], told["tasks"]["unfinished"]) == (2, 1)
    assert (stages["retrieval"]["p95_ms"], stages["generation"]["p95_ms"], stages["total"]["p95_ms"]) == (
        389,
        3963,
        4417,
    )
    assert stages["generation"]["resolution_ms"] is None
    assert stages["queue"]["below_resolution"]
    error = finding(told, "[PERF]")
    assert "book 2 of 3 retrievals" in error["finding"]
    assert error["gain_ms"] == pytest.approx(stages["retrieval"]["mean_ms"] * 2)
    assert "upper bound" in error["advice"]


@pytest.mark.parametrize("seed", range(5))
def test_tasks_that_overlap_are_told_apart(tmp_path: Path, seed: int) -> None:
    """Lines of one second come in any order of their tasks, each task's own in theirs."""
    order = random.Random(seed)
    times = [30, 7, 19, 12]
    tasks = [
        older_task(f"task-{number}", f"worker-{number}", number * 3, number, seconds=seconds, step=order.random() / 2)
        for number, seconds in enumerate(times)
    ]
    told = document(tmp_path, older_log(*tasks))
    assert told["tasks"]["completed"] == 4
    assert told["stages"]["generation"]["mean_ms"] == sum(times) * 1000 / 4
    assert told["stages"]["generation"]["p95_ms"] == 30_000
    assert told["stages"]["retrieval"]["mean_ms"] == 2000
    assert {each["task_id"]: each["stages"]["generation"]["ms"] for each in told["slowest"]} == {
        f"task-{number}": seconds * 1000 for number, seconds in enumerate(times)
    }
    assert (told["lines_without_task"], told["throughput"]["most_at_once"]) == (0, 4)


@pytest.mark.parametrize("lots", [1, 3])
@pytest.mark.parametrize("seed", range(8))
def test_three_workers_for_a_while_often_at_the_same_lot(tmp_path: Path, seed: int, lots: int) -> None:
    numbers = random.Random(seed)
    free, times, tasks = [0, 0, 0], [], []
    for number in range(30):
        worker = free.index(min(free))
        begun, seconds = free[worker] + numbers.randint(0, 4), numbers.randint(1, 40)
        lot, step = numbers.randint(1, lots), numbers.random() * 0.9
        tasks.append(older_task(f"task-{number}", f"worker-{worker}", begun, lot, seconds=seconds, step=step))
        times.append(seconds * 1000)
        free[worker] = begun + seconds + 5
    told = document(tmp_path, older_log(*tasks))
    assert told["tasks"]["completed"] == 30
    assert told["stages"]["generation"]["count"] == 30
    assert told["stages"]["generation"]["mean_ms"] == pytest.approx(sum(times) / 30, abs=0.1)


def test_a_line_that_names_its_worker_is_of_the_task_it_holds(tmp_path: Path) -> None:
    lines = [
        "10:00:00 - Worker worker-1 starting task aaaa",
        "10:00:00 - Worker worker-2 starting task bbbb",
        "10:00:01 - worker-1 - INFO - LLM generation attempt 1/3",
        "10:00:02 - [worker-2] LLM generation attempt 1/3",
        "10:00:05 - [worker-2] VALIDATION_SUCCESS",
        "10:00:21 - worker-1 - INFO - VALIDATION_SUCCESS",
        "10:00:21 - Worker worker-1 completed task aaaa in 21.00s",
        "10:00:22 - Worker worker-2 completed task bbbb in 22.00s",
    ]
    told = document(tmp_path, "\n".join(lines))
    generations = {each["task_id"]: each["stages"]["generation"]["ms"] for each in told["slowest"]}
    assert generations == {"aaaa": 20_000, "bbbb": 3000}


def test_retries_and_failures_are_told_by_their_cause(tmp_path: Path) -> None:
    retried = older_task("first", "worker-1", 0, 1, seconds=20)
    place = next(index for index, (_, line) in enumerate(retried) if "attempt 1/3" in line)
    retried[place + 1 : place + 1] = [
        (9, "PoemInterpreter - WARNING - VALIDATION_FAILURE: Attempt 1 failed validation"),
        (9, "PoemInterpreter - INFO - LLM generation attempt 2/3"),
    ]
    failed = [
        (40, "app.services.task_queue_service - INFO - Created task second for user 1"),
        (41, "app.services.task_worker_pool - INFO - Worker worker-1 starting task second"),
        (43, "app.services.task_queue_service - ERROR - Error processing task second: Fortune not found: Lots_900"),
        (43, "app.services.task_worker_pool - INFO - Worker worker-1 completed task second in 2.20s"),
        (50, "app.services.task_queue_service - INFO - Created task third for user 1"),
        (51, "app.services.task_worker_pool - INFO - Worker worker-1 starting task third"),
        (55, "app.services.task_worker_pool - ERROR - Worker worker-1 task third failed after 4.00s: Lots_7 is broken"),
    ]
    told = document(tmp_path, older_log(retried, failed))
    assert (told["tasks"]["completed"], told["tasks"]["failed"], told["attempts"]) == (1, 2, 2)
    assert told["retries"] == {"tasks": 1, "lost_ms": 5000}
    assert {(each["cause"], each["count"], each["of"]) for each in told["errors"]} == {
        ("Attempt N failed validation", 1, "attempt"),
        ("Fortune not found: Lots_N", 1, "task"),
        ("Lots_N is broken", 1, "task"),
    }
    assert finding(told, "more than one attempt")["gain_ms"] == 5000
    assert told["stages"]["generation"]["mean_ms"] == 20_000, "attempts add"


def test_questions_that_come_again_are_what_a_kept_answer_would_save(tmp_path: Path) -> None:
    tasks = [older_task(f"task-{n}", "worker-1", n * 30, 1 if n < 3 else n, seconds=10) for n in range(4)]
    told = document(tmp_path, older_log(*tasks))
    assert finding(told, "kept answer")["gain_ms"] == pytest.approx(10_000 * 2 / 4)


def test_a_clock_that_is_set_makes_no_figure(tmp_path: Path) -> None:
    first, second = (
        older_task("first", "worker-1", 0, 1, seconds=10),
        older_task("second", "worker-1", 0, 2, seconds=10),
    )
    third = older_task("third", "worker-1", 200, 3, seconds=10)
    middle = next(index for index, (_, line) in enumerate(second) if "VALIDATION_SUCCESS" in line)
    back = [*((at + 60, line) for at, line in second[:middle]), *((at - 1000, line) for at, line in second[middle:])]
    forth = [*third[:middle], *((at + 9000, line) for at, line in third[middle:])]
    log = older_log(first) + "".join(older_log([line]) for line in back) + older_log(forth)
    told = document(tmp_path, log)
    assert told["tasks"]["completed"] == 3
    assert told["clock_jumps"] == 1
    assert told["stages"]["generation"]["p95_ms"] == 10_000
    assert told["stages"]["generation"]["count"] == 1, "stamps of the two tasks under way are worth nothing"
    assert told["stages"]["total"]["mean_ms"] == 12_100, "the worker's own figure stands"
    assert any("clock went back 1 time" in note for note in told["notes"])


def test_undated_stamps_go_on_over_midnight(tmp_path: Path) -> None:
    log = (
        EXCERPT.replace("00:17:08", "23:59:58")
        .replace("00:17:09", "23:59:59")
        .replace("00:17:", "00:00:")
        .replace("37.08", "47.08")
    )
    told = document(tmp_path, log.replace("00:00:10", "00:00:00"))
    assert told["stages"]["generation"]["mean_ms"] == 46_000
    assert told["stages"]["queue"]["mean_ms"] == 1000


def test_a_log_given_twice_and_rotated_logs_in_any_order(tmp_path: Path) -> None:
    whole = older_log(
        older_task("first", "worker-1", 0, 1, seconds=10), older_task("second", "worker-1", 50, 2, seconds=10)
    )
    lines = whole.splitlines(keepends=True)
    told = document(tmp_path, "".join(lines[9:]), "".join(lines[:9]))
    assert told["tasks"]["completed"] == 2
    assert told["stages"]["generation"]["mean_ms"] == 10_000
    again = document(tmp_path, whole, whole)
    assert again["tasks"]["total"] == 2
    assert any("given twice" in note for note in again["notes"])


def test_tracebacks_belong_to_the_line_before_them(tmp_path: Path) -> None:
    lines = [
        "2026-11-29 12:00:00,500 ERROR   jieqian.worker.pool cannot claim: it broke action=x",
        "  Traceback (most recent call last):",
        '    File "pool.py", line 7, in claim',
        "  ValueError: broken",
        "2026-11-29 12:00:01 - app.main - ERROR - Error in task dispatcher: 77 broke, question: 'Will she write?'",
        "Traceback (most recent call last):",
        '  File "x.py", line 1',
        "ValueError: x",
        "this is no line of a log",
    ]
    told = document(tmp_path, "\n".join(lines))
    assert told["unreadable_lines"] == 1
    assert {each["cause"] for each in told["errors"]} == {"cannot claim: it broke", "Error in task dispatcher: N broke"}


def test_percentiles_are_seen_samples_and_later_within_the_sketchs_error() -> None:
    numbers, samples = random.Random(7), Samples()
    seen = []
    for count in range(EXACT_SAMPLES * 3):
        seen.append(numbers.lognormvariate(7, 1.2))
        samples.add(seen[-1])
        if count == EXACT_SAMPLES - 1:
            assert samples.exact
            assert samples.percentile(95) == percentile(sorted(seen), 95)
    ordered = sorted(seen)
    assert not samples.exact
    for percent in (1, 50, 95, 99):
        assert samples.percentile(percent) == pytest.approx(percentile(ordered, percent), rel=SKETCH_ERROR * 2)
    assert samples.mean == pytest.approx(sum(seen) / len(seen))


PARTS = r"""
2026-01-02 10:00:00|10:00:00| - |INFO|{|}|=|null|Created task a|Worker worker-1 starting task a
LLM generation attempt 1/3|VALIDATION_SUCCESS|TASK_SUCCESS|Worker worker-1 completed task a in 1.5s|籤
{"asctime":"2026-01-02 10:00:00,1",|[PERF] LLM generation completed in 9999999999ms|99999999999999999999
jieqian.reading.record task_ended task_id=a status=completed total_time_ms=1e999
"""
WORDS = st.sampled_from([*PARTS.strip().replace("\n", "|").split("|"), "\x1b[31m", "\0", " " * 90])


@given(st.lists(st.one_of(st.binary(max_size=60), st.lists(WORDS, max_size=6).map(lambda w: "".join(w).encode()))))
def test_no_line_is_fatal_and_each_is_counted_once(lines: list[bytes]) -> None:
    reader, timelines = LineReader(), Timelines(Tally(3))
    for line in lines:
        entry = reader.entry(line)
        if entry is not None:
            timelines.take(entry)
    timelines.finish()
    assert reader.read + reader.unreadable <= len(lines)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40)), max_size=60))
def test_older_lines_in_any_order_end_each_task_once(steps: list[tuple[int, int]]) -> None:
    tasks = [older_task(f"task-{n}", f"worker-{n % 2}", n, n % 3, seconds=5) for n in range(5)]
    reader, tally = LineReader(), Tally(3)
    timelines = Timelines(tally)
    for task, step in steps:
        line = older_log([tasks[task][step % len(tasks[task])]]).encode()
        entry = reader.entry(line)
        assert entry is not None
        timelines.take(entry)
    timelines.finish()
    assert tally.completed <= 5
    assert all(ms >= 0 for stage in tally.stages.values() for ms in [stage.samples.least])


def test_stamps_without_a_day_and_with_one_in_one_report(tmp_path: Path) -> None:
    tasks = older_log(
        older_task("first", "worker-1", 0, 1, seconds=10), older_task("second", "worker-1", 50, 2, seconds=10)
    )
    told = document(tmp_path, EXCERPT, tasks)
    assert told["tasks"]["completed"] == 3
    assert told["throughput"]["span_seconds"] == 64


def test_tasks_that_never_end_are_let_go(tmp_path: Path) -> None:
    from jieqian.analysis.timelines import MOST_UNDER_WAY

    lines = [f"10:00:00 - Created task t{number} for user 1" for number in range(MOST_UNDER_WAY + 500)]
    told = analysed(tmp_path, "\n".join(lines)).document()
    assert told["tasks"]["unfinished"] == MOST_UNDER_WAY + 500
    assert told["tasks"]["completed"] == 0
