"""The dashboard's benchmark: what it puts in again is counted as the tasks themselves are, and its report is whole."""

from __future__ import annotations

from pathlib import Path

from jieqian.bench.dashboard import Plan, measure
from jieqian.metrics.figures import RELATIVE_ERROR


async def test_all_is_measured_and_percentiles_are_as_near_as_stated(tmp_path: Path) -> None:
    plan = Plan(tasks=800, days=4, parts=2, runs=1, piece=100, folder=tmp_path / "kept")
    report = await measure(plan, lambda *_: None)
    found = report.figures
    assert found["counting"]["counted"] == 400
    assert found["percentiles"]["worst"] <= RELATIVE_ERROR * 1.001
    assert {one["span"] for one in found["percentiles"]["each"]} >= {"a day", "a week", "a year"}
    assert 750 < max(one["samples"] for one in found["percentiles"]["each"]) <= 800
    assert set(found["panels"]) >= {"summary", "series", "histogram", "stages", "slowest"}
    again = (await measure(plan, lambda *_: None)).figures
    assert again["counting"]["counted"] == 0
    assert again["percentiles"]["each"] == found["percentiles"]["each"]
