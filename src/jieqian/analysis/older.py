"""Lines of the older system's plain-text logs, turned into entries; also those of its author's own summary of one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jieqian.analysis.entry import Dialect, Entry, Kind, cause_of, number

_LINE = re.compile(
    rb" - (?:(\S+) - (DEBUG|INFO|WARNING|ERROR|CRITICAL) - )?(?:\[?(worker-?\d{1,6})\]?:? )?(.*)", re.DOTALL
)
_TASK = rb"(?P<task>[\w-]{1,64})"
_WORKER = rb"(?P<worker>\S{1,40})"
_LOT = rb"(?P<temple>[\w ]{1,40}?)"
_NUMBER = rb"(?P<number>\w{1,20})"
_SECONDS = rb"(?P<seconds>[\d.]{1,12})s"
_TEXT = rb"(?P<text>.*)"
_ASKED = rb"(?P<asked>.*)"
_NAMED_WORKER = re.compile(rb"\bworker-?\d{1,6}\b")
_NAMED_TASK = re.compile(rb"[Tt]ask[ _=:id]*([0-9a-fA-F]{8}-[0-9a-fA-F-]{27})")
#: From a word's start alone: of a word as long as a line every letter would be tried as one.
_FIGURE = re.compile(r"\b(\w+)=(\d+(?:\.\d+)?)ms")
#: A log tells the start of a question; so much of it is enough to know it again.
_LONGEST_ASKED = 80
_SERIOUS = (b"ERROR", b"CRITICAL")
_PERF = {"RAG retrieval": "RAG", "LLM generation": "LLM", "Validation": "Validation"}

#: By the first word of what a line says: the first pattern that fits tells its kind.
_SAID: Mapping[str, Sequence[tuple[Kind, bytes]]] = {
    "Starting": [(Kind.POOL, rb"Starting worker pool")],
    "Created": [(Kind.CREATED, rb"Created task " + _TASK)],
    "Task": [
        (Kind.CREATED, rb"Task created\b"),
        (Kind.SUBMITTED, rb"Task " + _TASK + rb" submitted to worker pool"),
        (Kind.FAILED, rb"Task " + _TASK + rb" (?P<text>timed out after .*)"),
    ],
    "Cleaned": [(Kind.FAILED, rb"Cleaned up (?P<text>stuck task) " + _TASK)],
    "Worker": [
        (Kind.STARTED, rb"Worker picks up task\b"),
        (Kind.STARTED, rb"Worker " + _WORKER + rb" starting task " + _TASK),
        (Kind.COMPLETED, rb"Worker completed task\b(?:.{0,40}?Total: " + _SECONDS + rb")?"),
        (Kind.COMPLETED, rb"Worker " + _WORKER + rb" completed task " + _TASK + rb" in " + _SECONDS),
        (Kind.COMPLETED, rb"Worker " + _WORKER + rb" task " + _TASK + rb" (?P<text>timed out after .*)"),
        (Kind.COMPLETED, rb"Worker " + _WORKER + rb" task " + _TASK + rb" failed after " + _SECONDS + rb": " + _TEXT),
    ],
    "Processing": [(Kind.PROCESSING, rb"Processing task " + _TASK + rb": " + _ASKED)],
    "[PERF]": [
        (Kind.PROCESSING, rb"\[PERF\] Processing task " + _TASK + rb": " + _ASKED),
        (Kind.PERF, rb"\[PERF\] (?P<perf>RAG retrieval|LLM generation|Validation) completed in (?P<ms>\d{1,12})ms"),
    ],
    "[PERF_SUMMARY]": [(Kind.SUMMARY, rb"\[PERF_SUMMARY\] Task " + _TASK + rb": (?P<figures>.*)")],
    "[MAPPING]": [
        (Kind.LOT, rb"\[MAPPING\] Generated poem_id: '" + _LOT + rb"_" + _NUMBER + rb"'"),
        (Kind.FOUND, rb"\[MAPPING\] Successfully found poem: " + _LOT + rb"#" + _NUMBER),
    ],
    "[GET_POEM]": [(Kind.GET_POEM, rb"\[GET_POEM\] Retrieving poem by ID: '" + _LOT + rb"_" + _NUMBER + rb"'")],
    "GET_POEM": [(Kind.GET_POEM, rb"GET_POEM starts\b")],
    "Retrieved": [(Kind.RETRIEVED, rb"Retrieved \d+ chunks for " + _LOT + rb" poem #" + _NUMBER)],
    "Poem": [(Kind.RETRIEVED, rb"Poem retrieved\b")],
    "Query": [(Kind.QUERY, rb"Query returned \d+ results(?: for: " + _ASKED + rb")?")],
    "RAG": [(Kind.QUERY, rb"RAG query complete\b")],
    "LLM": [
        (Kind.ATTEMPT, rb"LLM generation attempt (?P<attempt>\d{1,6})/\d+"),
        (Kind.ATTEMPT_FAILED, rb"LLM generation failed on attempt \d+: " + _TEXT),
        (Kind.VALIDATED, rb"LLM completes\b"),
    ],
    "VALIDATION_FAILURE": [(Kind.ATTEMPT_FAILED, rb"VALIDATION_FAILURE:? ?" + _TEXT)],
    "VALIDATION_SUCCESS": [(Kind.VALIDATED, rb"")],
    "Interpretation": [(Kind.INTERPRETED, rb"Interpretation completed for " + _LOT + rb" poem #" + _NUMBER)],
    "Streaming": [(Kind.INTERPRETED, rb"Streaming interpretation completed for " + _LOT + rb" poem #" + _NUMBER)],
    "[SERVICE_RETRY]": [
        (Kind.SERVICE_RETRY, rb"\[SERVICE_RETRY\] Attempt \d+/\d+ for " + _LOT + rb"#" + _NUMBER + rb": " + _TEXT)
    ],
    "[SERVICE_FALLBACK]": [(Kind.FALLBACK, rb"\[SERVICE_FALLBACK\] " + _TEXT)],
    "DATABASE_VALIDATION_SUCCESS": [(Kind.DATABASE_VALIDATED, rb"")],
    "DATABASE_VALIDATION_FAILURE": [(Kind.FAILED, rb"DATABASE_VALIDATION_FAILURE:? ?" + _TEXT)],
    "Auto-generated": [(Kind.FAQ, rb"Auto-generated FAQ \S{1,40} from task " + _TASK)],
    "FAQ": [(Kind.FAQ, rb"FAQ auto-generated\b")],
    "TASK_SUCCESS": [(Kind.SUCCESS, rb"")],
    "Error": [(Kind.FAILED, rb"Error processing task " + _TASK + rb": " + _TEXT)],
    "Timeout": [(Kind.FAILED, rb"(?P<text>Timeout) processing task " + _TASK)],
    "Failed": [(Kind.FAILED, rb"(?P<text>Failed to deduct coins) for task " + _TASK)],
}
_RULES = {
    word.encode(): [(kind, re.compile(pattern, re.DOTALL)) for kind, pattern in rules] for word, rules in _SAID.items()
}


def read_older(rest: bytes, at: float, *, dated: bool, fine: bool) -> Entry | None:
    """What follows the stamp of such a line; None where it is none."""
    found = _LINE.match(rest)
    if found is None:
        return None
    name, level, worker, said = found.groups()
    if worker is None and name is not None and _NAMED_WORKER.fullmatch(name):
        worker = name
    for kind, pattern in _RULES.get(said.split(b" ", 1)[0].rstrip(b":"), ()):
        if rule := pattern.match(said):
            return _entry(
                kind,
                {name: value for name, value in rule.groupdict().items() if value is not None},
                said,
                Entry(kind, Dialect.OLDER, at, dated, fine, worker=_text(worker)),
            )
    if level in _SERIOUS:
        return Entry(Kind.ERROR, Dialect.OLDER, at, dated, fine, text=cause_of(said.decode("utf-8", "replace")))
    return Entry(Kind.OTHER, Dialect.OLDER, at, dated, fine)


def _entry(kind: Kind, parts: Mapping[str, bytes], said: bytes, bare: Entry) -> Entry:
    told = {name: value.decode("utf-8", "replace") for name, value in parts.items()}
    task, worker = told.get("task"), told.get("worker") or bare.worker
    if task is None and (named := _NAMED_TASK.search(said)):
        task = _text(named[1])
    if task is None and worker is None and (named := _NAMED_WORKER.search(said)):
        worker = _text(named[0])
    lot = f"{told['temple']}#{told['number']}" if "temple" in told else None
    return Entry(
        kind,
        Dialect.OLDER_PERF if kind in (Kind.PERF, Kind.SUMMARY) else Dialect.OLDER,
        bare.at,
        bare.dated,
        bare.fine,
        task=task,
        worker=worker,
        lot=lot,
        asked=told["asked"][:_LONGEST_ASKED] if "asked" in told else None,
        text=cause_of(told["text"]) if told.get("text") else "",
        figures=_figures(told),
    )


def _figures(told: Mapping[str, str]) -> Mapping[str, float]:
    figures: dict[str, float | None] = {}
    if "perf" in told:
        figures[_PERF[told["perf"]]] = number(told["ms"])
    if "figures" in told:
        figures |= {name: number(ms) for name, ms in _FIGURE.findall(told["figures"])}
    if "seconds" in told and (seconds := number(told["seconds"])) is not None:
        figures["worker"] = seconds * 1000
    if "attempt" in told:
        figures["attempt"] = number(told["attempt"])
    return {name: value for name, value in figures.items() if value is not None}


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("ascii", "replace")
