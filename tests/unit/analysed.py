"""Logs made for tests, and what the analysis makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jieqian.analysis.analysis import Analysis, analyze
from jieqian.analysis.source import find_source

LOGS = Path(__file__).parent.parent / "data" / "logs"
#: The timeline the older system's author worked out by hand, as it stands.
EXCERPT = """
00:17:08 - Task created in database
00:17:09 - Worker picks up task (1 second queue wait)
00:17:09 - Deity mapping complete (< 0.1s)
00:17:09 - GET_POEM starts
00:17:09 - Poem retrieved from ChromaDB (< 0.1s)
00:17:10 - RAG query complete: 6 chunks + 5 results (1s total)
00:17:10 - LLM generation attempt 1/3 starts
         [... 36 seconds pass ...]
00:17:46 - LLM completes, validation passes
00:17:46 - FAQ auto-generated
00:17:46 - TASK_SUCCESS
00:17:46 - Worker completed task (Total: 37.08s)
"""


def analysed(folder: Path, *logs: bytes | str, slowest: int = 5) -> Analysis:
    """Write each log to a file of its own, and analyse them."""
    paths = []
    for number, log in enumerate(logs):
        paths.append(folder / f"{number}.log")
        paths[-1].write_bytes(log.encode() if isinstance(log, str) else log)
    return analyze([find_source(str(path)) for path in paths], slowest)


def document(folder: Path, *logs: bytes | str) -> dict[str, Any]:
    """The same as JSON."""
    return analysed(folder, *logs).document()


def finding(told: dict[str, Any], words: str) -> dict[str, Any]:
    """The one finding with these words."""
    (found,) = [each for each in told["findings"] if words in each["finding"]]
    return dict(found)


def older_task(
    name: str, worker: str, begun: int, lot: int, *, seconds: int, step: float = 0.0
) -> list[tuple[float, str]]:
    """A task's lines in the older dialect, each with its second; `step` orders those of one second."""
    asked = f"Will plan {lot} go well"
    told = [
        (begun, f"app.services.task_queue_service - INFO - Created task {name} for user 1"),
        (begun + 2, f"app.services.task_worker_pool - INFO - Task {name} submitted to worker pool (queue size: 1)"),
        (begun + 2, f"app.services.task_worker_pool - INFO - Worker {worker} starting task {name}"),
        (begun + 2, f"app.services.task_queue_service - INFO - Processing task {name}: {asked}..."),
        (begun + 2, f"app.services.task_queue_service - INFO - [MAPPING] Generated poem_id: 'Lots_{lot}'"),
        (begun + 2, f"app.services.poem_service - INFO - [GET_POEM] Retrieving poem by ID: 'Lots_{lot}'"),
        (begun + 3, f"fortune_module.unified_rag - INFO - Retrieved 6 chunks for Lots poem #{lot}"),
        (begun + 3, f"app.services.task_queue_service - INFO - [MAPPING] Successfully found poem: Lots#{lot}"),
        (begun + 4, f"fortune_module.unified_rag - INFO - Query returned 5 results for: {asked}..."),
        (begun + 4, "PoemInterpreter - INFO - LLM generation attempt 1/3"),
        (begun + 4 + seconds, "PoemInterpreter - INFO - VALIDATION_SUCCESS: Response passed all validation checks"),
        (begun + 4 + seconds, f"PoemInterpreter - INFO - Interpretation completed for Lots poem #{lot}"),
        (begun + 4 + seconds, "app.services.task_queue_service - INFO - DATABASE_VALIDATION_SUCCESS: Report passed"),
        (begun + 4 + seconds, f"app.services.task_queue_service - INFO - Auto-generated FAQ 1 from task {name}"),
        (begun + 4 + seconds, "app.services.task_queue_service - INFO - TASK_SUCCESS: Report generation completed"),
        (
            begun + 4 + seconds,
            f"app.services.task_worker_pool - INFO - Worker {worker} completed task {name} in {seconds + 2}.10s",
        ),
    ]
    return [(at + step, line) for at, line in told]


def older_log(*tasks: Sequence[tuple[float, str]], base: int = 36_000) -> str:
    """The tasks' lines in the order of their seconds."""
    lines = sorted((line for task in tasks for line in task), key=lambda line: line[0])
    return "".join(f"2026-01-02 {_clock(base + int(at))} - {line}\n" for at, line in lines)


def _clock(second: int) -> str:
    return f"{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
