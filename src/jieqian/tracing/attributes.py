"""The names of what spans tell.

`gen_ai.…` are OpenTelemetry's conventions for generative AI, which have a repository of their own since 2026:
https://github.com/open-telemetry/semantic-conventions-genai. The package `opentelemetry-semantic-conventions` holds the
same names as deprecated constants, so they stand here as text. What is said to or by a model (`gen_ai.input.messages`,
`gen_ai.output.messages`, `gen_ai.system_instructions`, `gen_ai.retrieval.query.text`, …) is opt-in, and never told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from jieqian.llm.client import Finished, ModelClient, ModelRequest
from jieqian.sections.section import SectionName
from jieqian.tasks.timings import ADDING_UP

CHAT, RETRIEVAL = "chat", "retrieval"
OPERATION = "gen_ai.operation.name"
DATA_SOURCE = "gen_ai.data_source.id"
FINISH_REASONS = "gen_ai.response.finish_reasons"
FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
ERROR_TYPE = "error.type"
_USUAL_PORTS = {"http": 80, "https": 443}
#: Of the timings (contract, section 4): what a root span tells, under `jieqian.` and their own names.
_TOLD = (
    *("collection", "lot", "language", "mode", "strategy", "cache_hit", "attempts", "degraded", "sections_from_model"),
    *("llm_provider", "llm_model", "model_error", "retrieval", "time_to_first_event_ms", "time_to_first_token_ms"),
    *("tokens_per_second", *ADDING_UP, "total_time_ms"),
)
Attributes = dict[str, str | bool | int | float | list[str]]


def of_reading(timings: Mapping[str, Any], status: str) -> Attributes:
    """What the root span of a reading tells."""
    told = {f"jieqian.{key}": timings[key] for key in _TOLD if timings.get(key) is not None}
    return {"jieqian.task_id": str(timings["task_id"]), "jieqian.status": status, **told}


def of_call(client: ModelClient, request: ModelRequest) -> Attributes:
    """What is known of a model call before it is made."""
    told: Attributes = {
        OPERATION: CHAT,
        "gen_ai.provider.name": client.provider,
        "gen_ai.request.model": request.model,
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": request.max_tokens,
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.output.type": "text" if request.schema is None else "json",
        "jieqian.context_tokens": request.context_tokens,
    }
    if isinstance(request.thinking, str):
        told["gen_ai.request.reasoning.level"] = request.thinking
    if request.schema is not None:
        asked = request.schema.get("properties", {})
        told["jieqian.sections"] = [name.value for name in SectionName if name in asked]
    return told | _of_server(client.base_url)


def of_end(finished: Finished) -> Attributes:
    """What its end tells of a model call."""
    told: Attributes = {FINISH_REASONS: [finished.reason]}
    for key, value in (
        ("gen_ai.usage.input_tokens", finished.prompt_tokens),
        ("gen_ai.usage.output_tokens", finished.completion_tokens),
        ("gen_ai.response.model", finished.model),
    ):
        if value is not None:
            told[key] = value
    return told


def _of_server(base_url: str | None) -> Attributes:
    parts = urlsplit(base_url or "")
    if parts.hostname is None:  # the embedded model: a file
        return {}
    return {"server.address": parts.hostname, "server.port": parts.port or _USUAL_PORTS.get(parts.scheme, 0)}
