"""This project's own logs, in both formats: the figures are those each task ended with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from analysed import document, finding

OWN = {
    "queue_wait_ms": 10.0,
    "poem_lookup_ms": 1.0,
    "rag_retrieval_ms": 9.0,
    "llm_generation_ms": 900.0,
    "validation_ms": 30.0,
    "other_ms": 50.0,
    "total_time_ms": 1000.0,
    "faq_ms": None,
    "section_ms": {"a": 1},
    "time_to_first_token_ms": 120.0,
    "attempts": 2,
    "tokens_per_second": 55.5,
    "cache_hit": "none",
    "degraded": False,
    "llm_provider": "ollama",
    "llm_model": "a b:7b x=1",
    "llm_stream_enabled": True,
    "mode": "fast",
    "model_error": None,
}


def own_lines(task: str, status: str = "completed", **facts: Any) -> list[dict[str, Any]]:
    record = {"asctime": "2026-11-29 12:00:00,500", "levelname": "INFO", "name": "jieqian.reading.record"}
    pool = {**record, "name": "jieqian.worker.pool"}
    told = [
        {
            **pool,
            "message": "task_claimed",
            "action": "task_claimed",
            "task_id": task,
            "active": 1,
            "idle": 3,
            "error": 0,
        },
        {**record, "message": "stage", "action": "stage", "task_id": task, "stage": "queue", "ms": 10.0, "delivery": 1},
        {
            **record,
            "message": "model_failed",
            "action": "model_failed",
            "task_id": task,
            "reason": "model_stalled",
            "detail": "It said nothing. reason=forged",
            "attempt": 1,
        },
        {**record, "message": "task_ended", "action": "task_ended", "status": status, "task_id": task, **OWN, **facts},
        {
            **record,
            "name": "jieqian.faq.scribe",
            "message": "faq",
            "action": "faq",
            "task_id": task,
            "outcome": "made",
            "faq_ms": 7.5,
        },
    ]
    return told


def as_text(record: dict[str, Any]) -> str:
    """As `logs.py` writes it."""
    head = f"{record['asctime']} {record['levelname']:7} {record['name']} {record['message']}"
    known = ("asctime", "levelname", "name", "message", "action")
    return head + "".join(f" {key}={value}" for key, value in record.items() if key not in known)


@pytest.mark.parametrize("form", [json.dumps, as_text], ids=["json", "text"])
def test_our_own_logs_in_both_formats(tmp_path: Path, form: Any) -> None:
    lines = [
        *own_lines("one"),
        *own_lines("two", cache_hit="exact", attempts=0, llm_generation_ms=0.0, total_time_ms=100.0),
        *own_lines("three", "failed", model_error="model_unreachable"),
        *own_lines("four", "stopped"),
        *own_lines("five")[:2],
    ]
    told = document(tmp_path, "\n".join(form(line) for line in lines))
    assert told["tasks"] == {"total": 5, "completed": 2, "failed": 1, "stopped": 1, "unfinished": 1}
    assert told["stages"]["generation"] == {
        "mean_ms": 450.0,
        "p50_ms": 0.0,
        "p95_ms": 900.0,
        "share": pytest.approx(900 / 1100, abs=1e-4),
        "count": 2,
        "resolution_ms": None,
        "below_resolution": False,
    }
    assert told["stages"]["faq"]["mean_ms"] == 7.5
    assert told["stages"]["faq"]["share"] == 0, "nobody waits for it"
    assert told["stages"]["total"]["mean_ms"] == 550
    assert told["attempts"] == 6
    assert told["cache"]["exact"] == 1
    assert told["unreadable_lines"] == 0
    assert {(each["cause"], each["of"], each["count"]) for each in told["errors"]} == {
        ("model_stalled", "attempt", 4),
        ("model_unreachable", "task", 1),
    }
    assert {each["model"] for each in told["slowest"]} == {"a b:7b x=1"}
    assert "Kept answers served 50 %" in json.dumps(told["findings"])


def test_two_models_are_compared_and_the_gain_is_computed(tmp_path: Path) -> None:
    lines = [
        *own_lines("one", llm_model="small", llm_generation_ms=400.0),
        *own_lines("two", llm_model="large", llm_generation_ms=1400.0),
    ]
    told = document(tmp_path, "\n".join(json.dumps(line) for line in lines))
    assert finding(told, "small wrote fastest")["gain_ms"] == 500


def test_a_prefix_of_a_container_or_service_manager_is_passed_over(tmp_path: Path) -> None:
    lines = [json.dumps(own_lines("one")[3]), as_text(own_lines("two")[3])]
    told = document(tmp_path, "\n".join(f"jieqian-1  | {line}" for line in lines))
    assert (told["tasks"]["completed"], told["unreadable_lines"]) == (2, 0)
