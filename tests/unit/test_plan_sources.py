"""Where a plan's times come from: logs, their analysis, a database, and files that are none."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from analysed import document as document_of

from jieqian.errors import UsageError
from jieqian.planning import sources

LOGS = Path(__file__).parent.parent / "data" / "logs"


def timing(ms: float, **more: Any) -> dict[str, Any]:
    return {
        "attempts": 1,
        "cache_hit": "none",
        "degraded": False,
        "llm_generation_ms": ms,
        "poem_lookup_ms": 1.0,
        "rag_retrieval_ms": 20.0,
        "validation_ms": 3.0,
        "other_ms": 6.0,
        **more,
    }


def own_log(folder: Path, timings: list[dict[str, Any]]) -> Path:
    lines = [
        {
            "asctime": f"2026-11-01 10:{place // 60:02}:{place % 60:02},000",
            "levelname": "INFO",
            "name": "jieqian.reading.record",
            "message": "task_ended",
            "task_id": str(place),
            "status": "completed",
            "queue_wait_ms": 5.0,
            "total_time_ms": 99_999.0,
            "llm_model": "m" if each["attempts"] else None,
            **each,
        }
        for place, each in enumerate(timings)
    ]
    log = folder / "server.log"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return log


MIXED = [timing(ms) for ms in range(1000, 31_000, 1000)] + [
    timing(0.0, attempts=0, cache_hit="exact", poem_lookup_ms=0.0, rag_retrieval_ms=0.0, validation_ms=0.0)
] * 10


def test_logs_and_their_analysis_tell_the_same(tmp_path: Path) -> None:
    log = own_log(tmp_path, MIXED)
    found = sources.from_logs([str(log)])
    assert [found.generation.at(share) for share in (0.5, 0.95)] == [16.0, 29.0]
    assert (found.generation.values[0], found.generation.values[-1]) == (1.0, 30.0)
    assert found.cache_share == pytest.approx(0.25)
    assert "30 readings" in found.said
    document = tmp_path / "analysis.json"
    document.write_text(json.dumps(document_of(tmp_path, log.read_bytes())), encoding="utf-8")
    again = sources.from_analysis(document)
    assert again.generation.at(0.5) == pytest.approx(15.0, rel=0.01), "by the nearest rank: kept answers are left out"
    assert again.generation.at(0.95) == pytest.approx(29.0, rel=0.01)
    assert again.cache_share == pytest.approx(0.25)
    assert again.overhead.mean == pytest.approx(found.overhead.mean, abs=0.0002)


def test_logs_of_the_older_system_serve(tmp_path: Path) -> None:
    found = sources.from_logs([str(LOGS / "older_perf.log")])
    assert found.generation.mean == pytest.approx(3.92, rel=0.2)


def test_a_services_own_database(tmp_path: Path) -> None:
    file = tmp_path / "jieqian.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE tasks (seq INTEGER PRIMARY KEY, status TEXT, timings TEXT)")
        rows = [("completed", json.dumps(each)) for each in [*MIXED, timing(1e6, degraded=True)]]
        connection.executemany("INSERT INTO tasks (status, timings) VALUES (?, ?)", rows)
        connection.execute("INSERT INTO tasks (status, timings) VALUES ('failed', ?)", (json.dumps(timing(5e6)),))
    connection.close()
    found = sources.from_database(file)
    assert found is not None
    assert (found.generation.values[0], found.generation.values[-1]) == (1.0, 30.0)
    assert found.overhead.mean == pytest.approx(0.030)
    assert found.cache_share == pytest.approx(0.25)
    assert sources.from_timings(MIXED[:19], "here") is None, "too few to tell a P95 by"


def test_no_database_is_no_fault(tmp_path: Path) -> None:
    assert sources.from_database(tmp_path / "none.db") is None
    (tmp_path / "odd.db").write_bytes(b"no database" * 100)
    assert sources.from_database(tmp_path / "odd.db") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("[1, 2]", "no reading"),
        ("{}", "no reading"),
        ('{"stages": 3, "written": []}', "no reading"),
        ('{"written": {"count": 3, "p50_ms": -5, "p95_ms": "x"}}', "no reading"),
        ('{"written": {"count": 3, "p50_ms": 0, "p95_ms": 0}}', "no reading"),
    ],
)
def test_files_that_are_no_analysis(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=words):
        sources.from_analysis(file)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        sources.from_analysis(tmp_path / "none.json")
    with pytest.raises(UsageError, match="cannot be read"):
        sources.from_logs([str(tmp_path / "none.log")])
    no_model = own_log(tmp_path, [timing(0.0, attempts=0)])
    with pytest.raises(UsageError, match="no reading in it that a model wrote"):
        sources.from_logs([str(no_model)])
