"""Whether the settings of the model can be meant; apart from the service, which `jieqian doctor` need not load."""

from __future__ import annotations

import asyncio
from pathlib import Path

from jieqian.errors import UsageError
from jieqian.fitting import choose, look_at_shelf
from jieqian.llm.http import server_url
from jieqian.llm.llamacpp import LlamaCppClient
from jieqian.llm.selection import AtHand
from jieqian.settings import Provider, Settings


def check_model_settings(settings: Settings) -> None:
    """Raise `UsageError` for model settings that cannot be meant, before anything is started; asks no server."""
    provider, url, model = settings.llm_provider, settings.llm_base_url, settings.llm_model
    if url is not None:
        server_url(url)
    embedded = url is None and provider in (Provider.AUTO, Provider.LLAMACPP)
    file = Path(model) if embedded and model is not None and model.endswith(".gguf") else None
    if file is not None and not file.is_file():
        raise UsageError(f"LLM_MODEL: there is no model file {file}.")
    open_choice = embedded and provider is Provider.AUTO and model is None
    if (
        file is not None
        or provider is Provider.LLAMACPP
        or (provider is Provider.OPENAI and url is None)
        or (open_choice and _names_a_file(look_at_shelf(settings)))
    ):
        asyncio.run(_try_choice(settings))


def _names_a_file(at_hand: AtHand) -> bool:
    """Whether `jieqian model use` named a file, or what it named cannot be told."""
    return at_hand.fault is not None or (at_hand.picked is not None and at_hand.picked.file is not None)


async def _try_choice(settings: Settings) -> None:
    choice = await choose(settings)
    try:
        if choice.model is None:
            raise UsageError(choice.note)
        if isinstance(choice.client, LlamaCppClient):
            await choice.client.check()
    finally:
        if choice.client is not None:
            await choice.client.close()
