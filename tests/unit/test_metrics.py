"""The page of metrics."""

from __future__ import annotations

import re

from jieqian.metrics.prometheus import Metrics


def test_every_series_is_ours_and_ends_in_its_unit() -> None:
    metrics = Metrics()
    metrics.task_accepted("yuelao", "en")
    metrics.care_given("self_harm")
    metrics.reading_ended({"mode": "fast", "time_to_first_token_ms": 5, "prompt_tokens": 3}, "completed")
    metrics.gauge("jieqian_workers", "Workers", "state", lambda: {"idle": 4.0})
    names = set(re.findall(r"^(\w+)[{ ]", metrics.text().decode(), re.MULTILINE))
    assert {"jieqian_tasks_total", "jieqian_reading_seconds_sum", "jieqian_workers"} <= names
    units = r"jieqian_\w+_(total|seconds_(bucket|count|sum))|jieqian_workers"
    assert [name for name in names if not re.fullmatch(units, name)] == []
