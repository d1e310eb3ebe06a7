"""The page of metrics."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jieqian.metrics.prometheus import MOST_COLLECTIONS, MOST_MODELS, OTHER, Metrics

READ = {
    "task_id": "one",
    "mode": "fast",
    "strategy": "parallel",
    "llm_provider": "ollama",
    "llm_model": "qwen2.5:7b",
    "language": "en",
    "collection": "yuelao",
    "cache_hit": "none",
    "degraded": True,
    "attempts": 3,
    "total_time_ms": 17_000.0,
    "llm_generation_ms": 16_000.0,
    "time_to_first_event_ms": 4.0,
    "time_to_first_token_ms": 800.0,
    "prompt_tokens": 1_000,
    "completion_tokens": 500,
    "tokens_per_second": 31.5,
    "section_ms": {"line_by_line": 10, "conclusion": 20},
    "sections_from_model": 1,
    "model_error": "model_stalled",
}


def page_of(metrics: Metrics) -> str:
    return asyncio.run(metrics.page()).decode()


def value_of(page: str, sample: str, **labels: str) -> float:
    """The sum of a sample's series with these labels."""
    families = text_string_to_metric_families(page)
    found = [one for family in families for one in family.samples if one.name == sample]
    return sum(one.value for one in found if labels.items() <= one.labels.items())


def test_every_series_is_ours_and_ends_in_its_unit() -> None:
    metrics = Metrics()
    metrics.task_accepted("yuelao", "en")
    metrics.care_given("self_harm")
    metrics.reading_ended(READ, "completed")
    metrics.gauge("jieqian_workers", "Workers", "state", lambda: {"idle": 4.0})
    names = set(re.findall(r"^(\w+)[{ ]", page_of(metrics), re.MULTILINE))
    assert {"jieqian_tasks_total", "jieqian_reading_seconds_sum", "jieqian_workers"} <= names
    units = r"jieqian_\w+_(total|(seconds|tokens_per_second)_(bucket|count|sum))|jieqian_workers"
    assert [name for name in names if not re.fullmatch(units, name)] == []


def test_a_reading_is_counted_by_all_that_tells_it_from_others() -> None:
    metrics = Metrics()
    metrics.reading_ended(READ, "completed")
    of_model = {"mode": "fast", "strategy": "parallel", "provider": "ollama", "model": "qwen2.5:7b"}
    ended = {"status": "completed", "degraded": "true", "cache_hit": "none"}
    page = page_of(metrics)
    assert value_of(page, "jieqian_tasks_total", **ended, **of_model) == 1
    assert value_of(page, "jieqian_reading_seconds_sum", cache_hit="none", **of_model) == 17
    assert value_of(page, "jieqian_stage_seconds_sum", stage="generation", mode="fast") == 16
    assert value_of(page, "jieqian_collection_reading_seconds_count", collection="yuelao", language="en") == 1
    assert value_of(page, "jieqian_first_event_seconds_sum", mode="fast") == 0.004
    assert value_of(page, "jieqian_first_token_seconds_sum", **of_model) == 0.8
    assert value_of(page, "jieqian_model_tokens_per_second_sum", **of_model) == 31.5
    assert value_of(page, "jieqian_attempts_total", **of_model) == 3
    assert value_of(page, "jieqian_tasks_retried_total", **of_model) == 1
    assert value_of(page, "jieqian_model_faults_total", cause="model_stalled") == 1
    for source in ("model", "commentary"):
        assert value_of(page, "jieqian_sections_total", source=source) == 1


@pytest.mark.parametrize("hit", ["exact", "semantic"])
def test_a_kept_answer_is_counted_as_such_and_its_tokens_only_once(hit: str) -> None:
    metrics = Metrics()
    metrics.reading_ended({**READ, "cache_hit": hit, "attempts": 0}, "completed")
    page = page_of(metrics)
    assert value_of(page, "jieqian_reading_seconds_count", cache_hit=hit) == 1
    assert value_of(page, "jieqian_model_tokens_total") == 0
    assert value_of(page, "jieqian_model_tokens_per_second_count") == 0


def test_the_targets_can_be_read_off_the_buckets() -> None:
    metrics = Metrics()
    metrics.reading_ended(READ, "completed")
    page = page_of(metrics)
    for seconds in ("2.0", "5.0", "12.0", "18.0", "22.0", "40.0"):
        within = value_of(page, "jieqian_reading_seconds_bucket", le=seconds)
        assert within == (float(seconds) > 17)


def test_a_task_of_which_nothing_was_measured_is_counted_too() -> None:
    metrics = Metrics()
    nothing: dict[str, Any] = dict.fromkeys(READ)
    metrics.reading_ended(nothing, "stopped")
    page = page_of(metrics)
    assert value_of(page, "jieqian_tasks_total", status="stopped", provider="none", model="none") == 1


def test_however_many_names_there_are_the_page_stays_small() -> None:
    metrics = Metrics()
    for number in range(MOST_MODELS + 30):
        metrics.reading_ended({**READ, "llm_model": f"model-{number}" + "x" * 500}, "completed")
    for number in range(MOST_COLLECTIONS + 30):
        metrics.task_accepted(f"collection-{number}", "en")
    page = page_of(metrics)
    assert value_of(page, "jieqian_tasks_total", model=OTHER) == 30
    assert value_of(page, "jieqian_tasks_total") == MOST_MODELS + 30
    assert value_of(page, "jieqian_tasks_accepted_total", collection=OTHER) >= 30
    assert "x" * 101 not in page
