"""This project's own log lines, as text and as JSON, turned into entries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jiter

from jieqian.analysis.entry import Dialect, Entry, Kind, cause_of
from jieqian.analysis.stamps import HEAD, seconds_of
from jieqian.logs import LOOP_BLOCKED

_LINE = re.compile(rb" +(DEBUG|INFO|WARNING|ERROR|CRITICAL) +([\w.]+) (.*)", re.DOTALL)
_FACT = re.compile(r" (\w+)=(\S*)")
#: A server named its model, maybe with spaces: it ends where the next fact begins.
_MODEL, _AFTER_MODEL = " llm_model=", " llm_stream_enabled="
_KINDS = {
    "task_claimed": Kind.CLAIMED,
    "stage": Kind.STAGE,
    "model_failed": Kind.MODEL_FAILED,
    "section_refused": Kind.REFUSED,
    "task_ended": Kind.ENDED,
    "task_left": Kind.LEFT,
    "faq": Kind.FAQ,
    LOOP_BLOCKED: Kind.BLOCKED,
    "unexpected error": Kind.TASK_ERROR,
}
_BY_LENGTH = sorted(_KINDS, key=len, reverse=True)
_RECORDERS = ("jieqian.reading.record", "jieqian.worker.pool", "jieqian.faq.scribe", "jieqian.wiring")
_SERIOUS = ("ERROR", "CRITICAL")


def read_json(line: bytes) -> Entry | None:
    """A line of `LOG_FORMAT=json`; None where it is none."""
    try:
        document = jiter.from_json(line, cache_mode="keys")
    except ValueError:
        return None
    if not isinstance(document, dict) or not isinstance(document.get("asctime"), str):
        return None
    stamp = HEAD.match(document["asctime"].encode("utf-8", "replace"))
    moment = seconds_of(stamp) if stamp else None
    if moment is None:
        return None
    message, name, level = (str(document.get(key, "")) for key in ("message", "name", "levelname"))
    kind = _KINDS.get(message) if name in _RECORDERS else None
    return _entry(kind, level, message, document, Dialect.OWN_JSON, moment[0])


def read_text(rest: bytes, at: float) -> Entry | None:
    """What follows the stamp of a line of `LOG_FORMAT=text`; None where it is no such line."""
    found = _LINE.match(rest)
    if found is None:
        return None
    level, name = found[1].decode("ascii"), found[2].decode("ascii")
    told = found[3].decode("utf-8", "replace")
    kind = None
    if name in _RECORDERS:
        said = next((message for message in _BY_LENGTH if told.startswith(f"{message} ")), None)
        kind = None if said is None else _KINDS[said]
    if kind is None and level not in _SERIOUS:
        return _entry(None, level, "", {}, Dialect.OWN_TEXT, at)
    facts: dict[str, Any] = {}
    for key, value in _FACT.findall(told):
        facts.setdefault(key, None if value == "None" else value)
    model, ends, _ = told.partition(_MODEL)[2].partition(_AFTER_MODEL)
    if ends:
        facts["llm_model"] = None if model == "None" else model
    return _entry(kind, level, told, facts, Dialect.OWN_TEXT, at)


def _entry(
    kind: Kind | None, level: str, message: str, facts: Mapping[str, Any], dialect: Dialect, at: float
) -> Entry | None:
    task = facts.get("task_id")
    if kind is None:
        if level not in _SERIOUS:
            return Entry(Kind.OTHER, dialect, at)
        # A fact of a text line looks like a word of its message: what is alike in both formats is the message's start.
        return Entry(Kind.ERROR, dialect, at, text=cause_of(_FACT.split(message, maxsplit=1)[0]))
    if kind is not Kind.BLOCKED and not isinstance(task, str):
        return None
    return Entry(kind, dialect, at, task=str(task)[:64] if task else None, figures=facts)
