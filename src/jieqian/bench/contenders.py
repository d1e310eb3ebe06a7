"""The models a benchmark sets side by side: each named in one word, each behind a service of its own.

| written | is |
|---|---|
| `qwen2.5:7b` | that model of the server in your settings, or a file of `jieqian model list` |
| `ollama:qwen2.5:7b` | the same of Ollama: at `LLM_BASE_URL`, else at its usual port |
| `ollama:http://gpu:11434#qwen2.5:7b` | of Ollama at that address |
| `openai:http://gpu:8000#Qwen/Qwen2.5-7B` | of any server that speaks OpenAI's API, at that address |
| `llamacpp:models/some.gguf` | a GGUF file, embedded; `llamacpp:tiny` is the packaged one |

The key of the settings (`LLM_API_KEY`) goes to the settings' own server alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jieqian.errors import ModelError, ModelNotFound, UsageError
from jieqian.fitting import ollama_of
from jieqian.llm.client import ModelClient, ModelInfo
from jieqian.llm.http import server_url
from jieqian.llm.ollama import DEFAULT_URL
from jieqian.llm.selection import Choice, choose_client
from jieqian.llm.server_text import one_line
from jieqian.llm.shelf import Shelf
from jieqian.settings import Provider, Settings

_KINDS = ("ollama", "openai", "llamacpp")
_SYNTAX = "Write NAME, ollama:NAME, ollama:URL#NAME, openai:URL#NAME or llamacpp:FILE.gguf"
#: Of the caller's own settings, those a reading depends on, whichever model writes it.
_TAKEN_OVER = (
    *("embedder", "passages", "llm_context_tokens", "llm_first_token_seconds", "llm_silence_seconds"),
    *("quality_strategy", "fast_strategy", "task_deadline_seconds"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One model and where it is. `written` is how it was named, and what tells it from the others."""

    written: str
    provider: str
    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)

    def own_settings(self) -> dict[str, str]:
        """What makes a service write with it, and with nothing else: names without their prefix."""
        found = {"LLM_PROVIDER": self.provider, "LLM_MODEL": self.model}
        if self.base_url is not None:
            found["LLM_BASE_URL"] = self.base_url
        if self.api_key is not None:
            found["LLM_API_KEY"] = self.api_key
        return found

    async def choose(self, settings: Settings) -> Choice:
        """A client of its own and what the server says of the model now; whoever asks closes the client."""
        return await choose_client(
            provider=self.provider,
            base_url=self.base_url,
            api_key=self.api_key,
            model=self.model,
            context_tokens=settings.llm_context_tokens,
        )

    async def look(self, settings: Settings) -> ModelInfo:
        """What the server says of the model now. Raises `UsageError` with what is wrong where it cannot be asked."""
        choice = await self.choose(settings)
        try:
            if choice.model is None:
                raise UsageError(f"{one_line(self.written)}: {choice.note}")
            return choice.model
        finally:
            await close(choice.client)


async def close(client: ModelClient | None) -> None:
    """Close a choice's client, if it has one."""
    if client is not None:
        await client.close()


def contenders_of(written: Sequence[str], settings: Settings) -> list[Contender]:
    """The models meant. Raises `UsageError` for what names none, and for one named twice."""
    twice = next((each for place, each in enumerate(written) if each in written[:place]), None)
    if twice is not None:
        raise UsageError(f"{one_line(twice)} is named twice.", usage=True)
    return [contender_of(each, settings) for each in written]


def contender_of(written: str, settings: Settings) -> Contender:
    """The model meant by one word. Raises `UsageError`; asks no server, and takes a name as it stands."""
    kind, mark, rest = written.partition(":")
    if not written.strip() or (mark and kind in _KINDS and not rest):
        raise UsageError(f"{one_line(written)!r} names no model. {_SYNTAX}.", usage=True)
    if not mark or kind not in _KINDS:
        return _of_settings(written, settings)
    if kind == "llamacpp":
        return _file(written, rest, settings)
    url, mark, name = rest.partition("#")
    if not mark:
        return _at(written, kind, None, rest, settings)
    if not name:
        raise UsageError(f"{one_line(written)!r} names no model behind its #. {_SYNTAX}.", usage=True)
    if server_url(url).user is not None:
        raise UsageError("A name or password in an address would stand in the report. Set LLM_API_KEY.", usage=True)
    return _at(written, kind, url, name, settings)


def service_settings(contender: Contender, settings: Settings, collections: Sequence[str] = ()) -> Mapping[str, str]:
    """What a service is started with that writes with this model alone: nothing kept, nothing measured meanwhile.

    `collections`: those that are asked about, which make its start cheaper; empty: all.
    """
    taken = {name.upper(): str(getattr(settings, name)) for name in _TAKEN_OVER}
    if settings.embedder.startswith("ollama:"):
        taken["EMBEDDER_URL"] = ollama_of(settings)[0]
    quiet = {"CACHE_ENTRIES": "0", "NEAR_ANSWERS": "false", "MEASURE_MODELS": "false", "WORKERS": "1"}
    return {**taken, **quiet, "COLLECTIONS": ",".join(collections), **contender.own_settings()}


def _of_settings(written: str, settings: Settings) -> Contender:
    """A bare name: a file that is there, or a model of the settings' own server."""
    if settings.llm_base_url is None and settings.llm_provider in (Provider.AUTO, Provider.LLAMACPP):
        try:
            return _file(written, written, settings)
        except UsageError:
            if written.endswith(".gguf") or settings.llm_provider is Provider.LLAMACPP:
                raise
    provider = settings.llm_provider.value
    if provider == Provider.COMMENTARY.value:
        raise UsageError(f"LLM_PROVIDER is commentary: it has no model {one_line(written)}. {_SYNTAX}.", usage=True)
    return _at(written, provider, None, written, settings)


def _at(written: str, provider: str, url: str | None, name: str, settings: Settings) -> Contender:
    own = settings.llm_base_url
    address = url or own
    if address is None and provider == "openai":
        raise UsageError(f"{one_line(written)}: LLM_BASE_URL is not set. Write openai:URL#NAME.", usage=True)
    key = settings.llm_api_key if own is not None and address is not None and _same(address, own) else None
    if provider == "auto" and address is None:
        provider = "ollama"
    if provider == "ollama" and address is None:
        address = DEFAULT_URL
    return Contender(written=written, provider=provider, model=name, base_url=address, api_key=key)


def _file(written: str, name: str, settings: Settings) -> Contender:
    try:
        path = Shelf(settings.data_dir).find(str(Path(name).expanduser()) if name.endswith(".gguf") else name)
    except ModelNotFound as error:
        raise UsageError(f"{one_line(written)}: {error.detail}", usage=True) from error
    return Contender(written=written, provider="llamacpp", model=str(path.absolute()))


def _same(one: str, other: str) -> bool:
    try:
        return str(server_url(one).origin()) == str(server_url(other).origin())
    except (ModelError, UsageError, ValueError):
        return False
