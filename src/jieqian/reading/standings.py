"""How the model server of each mode stands: what `jieqian doctor` is told, by the service or by the same settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from jieqian.llm.client import ModelInfo
from jieqian.llm.selection import Choice
from jieqian.llm.standing import Standing, Telling
from jieqian.sections.strategy import WritingOptions
from jieqian.tasks.task import Mode


async def standings(choice: Choice, options: Callable[[ModelInfo, Mode], WritingOptions]) -> list[dict[str, Any]]:
    """One object a mode that has a model; each server is asked once for a model.

    `window_tokens` is what a reading asks for, `model_tokens` the most the model can (null: unknown), `standing` the
    fields of `Standing`.
    """
    asked: dict[str, Standing | None] = {}
    found = []
    for mode in Mode:
        model = (choice.fast_model or choice.model) if mode is Mode.FAST else choice.model
        client = choice.client
        if client is None or model is None:
            continue
        if model.name not in asked:
            asked[model.name] = await client.standing(model.name) if isinstance(client, Telling) else None
        standing = asked[model.name]
        found.append(
            {
                "mode": mode.value,
                "provider": choice.provider,
                "address": client.base_url,
                "model": model.name,
                "tiny": model.tiny,
                "model_tokens": model.context_tokens,
                "window_tokens": options(model, mode).context_tokens,
                "standing": asdict(standing) if standing else None,
            }
        )
    return found
