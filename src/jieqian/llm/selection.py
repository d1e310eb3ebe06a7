"""Which model server and which models are used (contract, section 6): what was set, else what is there.

Without `LLM_MODEL` the default is chosen by one rule from the models the server names: of those made for general talk
(not for code, mathematics, pictures or another's hardware in a cloud) the one with most parameters up to 15 billion, as
that runs on most machines that have a model server at all; if all are larger, the smallest. Names break a tie.
Without `LLM_FAST_MODEL` the fast mode uses the same model: two models in turn cost a load each.

Where no setting names a provider, a server or a model, what `jieqian model use` named is taken (`llm/shelf.py`), before
any server that is found. With nothing named and no server: the one file in DATA_DIR/models, if it is the only one; else
the packaged tiny model, if `TINY_BY_DEFAULT`; else the commentary.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jieqian.errors import ModelError, ModelRefused, ModelUnreachable, UsageError
from jieqian.llm.client import ModelClient, ModelInfo
from jieqian.llm.http import ModelHttp, server_url
from jieqian.llm.llamacpp import LlamaCppClient, engine_installed, packaged_model
from jieqian.llm.ollama import DEFAULT_URL, OllamaClient
from jieqian.llm.openai import OpenAIClient
from jieqian.llm.server_text import one_line
from jieqian.llm.shelf import OFFERS, Picked, name_of

#: Whether the packaged tiny model speaks where nothing better is there. If not, `jieqian model use tiny` shows it.
TINY_BY_DEFAULT = True
PROVIDERS = ("auto", "ollama", "openai", "llamacpp", "commentary")
_COMFORTABLE = 15e9
_SPECIAL = re.compile(r"code|math|vision|llava|-vl|ocr|guard|-cloud$|:cloud$|translate|embed|rerank|whisper|tts")


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen. `note` is one sentence for people.

    `client` None: there is no model, commentary serves. `model` None: the server cannot be asked as things are (it does
    not answer, or lacks the model that was named); nothing else is used in its stead, and `note` says what mends it.
    Whoever asked for the choice closes the client. `named`: `jieqian model use` named it, so it is taken up at once.
    """

    client: ModelClient | None
    provider: str
    model: ModelInfo | None
    fast_model: ModelInfo | None
    note: str
    named: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AtHand:
    """The models without a server: what `jieqian model use` named, the files of DATA_DIR/models, the packaged one.

    `fault` says why what was named cannot be told.
    """

    picked: Picked | None = None
    files: tuple[Path, ...] = ()
    fault: str | None = None
    tiny_by_default: bool = TINY_BY_DEFAULT


async def choose_client(
    *,
    provider: str = "auto",
    base_url: str | None = None,
    api_key: str | None = None,
    model: str | None = None,
    fast_model: str | None = None,
    gguf: Path | None = None,
    context_tokens: int | None = None,
    usual_ollama: str = DEFAULT_URL,
    at_hand: AtHand | None = None,
) -> Choice:
    """The client and models for these settings; asks servers, so call it again to see changes.

    `gguf` is the embedded model's file (None: one that is at hand); `usual_ollama` where Ollama is looked for unasked.
    Raises `UsageError` for settings that cannot be meant; a server that does not answer is told in the `note`.
    """
    at_hand = at_hand or AtHand()
    if provider not in PROVIDERS:
        raise UsageError(f"LLM_PROVIDER is {one_line(provider)!r}. Choose one of {', '.join(PROVIDERS)}.")
    if gguf is None and base_url is None and model is not None and model.endswith(".gguf"):
        gguf, model = Path(model), None
    if provider == "commentary":
        return Choice(None, "commentary", None, None, "No model is used: readings come from the commentary.")
    if provider == "llamacpp" or (provider == "auto" and gguf is not None and base_url is None):
        file = gguf or await asyncio.to_thread(_file_at_hand, model, at_hand)
        return await _embedded(file, model if gguf else None, fast_model, context_tokens)
    if provider == "auto" and base_url is None and model is None and (at_hand.picked or at_hand.fault):
        return await _picked(at_hand, fast_model, context_tokens)
    if provider == "ollama" or (
        provider == "auto" and base_url is not None and await _speaks_ollama(base_url, api_key)
    ):
        return await _served(OllamaClient(base_url or usual_ollama, api_key), model, fast_model)
    if provider == "openai" and base_url is None:
        raise UsageError("LLM_PROVIDER is openai, and LLM_BASE_URL is not set. Set it to the server's address.")
    if base_url is not None:
        return await _served(OpenAIClient(base_url, api_key), model, fast_model)
    return await _whatever_is_there(usual_ollama, model, fast_model, context_tokens, at_hand)


async def embedded_choice(file: Path, context_tokens: int | None) -> Choice:
    """The embedded model of that file. Raises `ModelRefused` where it cannot be."""
    try:
        choice = await _embedded(file, None, None, context_tokens)
    except UsageError as error:
        raise ModelRefused(error.detail) from error
    if choice.model is None:
        raise ModelRefused(choice.note)
    return choice


async def _picked(at_hand: AtHand, fast_model: str | None, context_tokens: int | None) -> Choice:
    """What `jieqian model use` named; where it cannot be had, nothing else is used in its stead."""
    picked = at_hand.picked
    if picked is None:
        return Choice(None, "commentary", None, None, str(at_hand.fault), named=True)
    if picked.file is None:
        told = "No model is used, as `jieqian model use commentary` asked: readings come from the commentary."
        return Choice(None, "commentary", None, None, told, named=True)
    try:
        choice = await _embedded(picked.file, None, fast_model, context_tokens)
    except UsageError as error:  # no setting is wrong: what runs such files is not installed any more
        return Choice(None, "commentary", None, None, error.detail, named=True)
    note = choice.note if choice.model else f"{choice.note} `jieqian model use` chooses another."
    return replace(choice, note=note, named=True)


def _file_at_hand(model: str | None, at_hand: AtHand) -> Path | None:
    """The embedded model meant by `LLM_PROVIDER=llamacpp`: by its name, as picked, the only one, the packaged one."""
    tiny = packaged_model()
    if model is not None:
        names = {name_of(file).casefold(): file for file in at_hand.files}
        stems = {file.stem.casefold(): file for file in at_hand.files}
        wanted = model.casefold()
        if tiny is not None and wanted in ("tiny", tiny.stem.casefold()):
            return tiny
        if wanted not in {**names, **stems}:
            there = ", ".join([*sorted(names), *(["tiny"] if tiny else [])]) or "none"
            raise UsageError(f"LLM_MODEL: there is no embedded model {one_line(model)}. There is: {there}.")
        return {**names, **stems}[wanted]
    if at_hand.picked is not None and at_hand.picked.file is not None:
        return at_hand.picked.file
    return at_hand.files[0] if len(at_hand.files) == 1 else tiny


async def _whatever_is_there(
    usual_ollama: str,
    model: str | None,
    fast_model: str | None,
    context_tokens: int | None,
    at_hand: AtHand,
) -> Choice:
    if await _speaks_ollama(usual_ollama, None, seconds=1.0):  # no key for a server that was not named
        choice = await _served(OllamaClient(usual_ollama), model, fast_model)
        if choice.model is not None or model is not None:
            return choice
        if choice.client is not None:
            await choice.client.close()
    file = await asyncio.to_thread(packaged_model)
    if model is not None and (file is None or model != file.name.removesuffix(".gguf")):
        told = f"LLM_MODEL is {one_line(model)}, and no model server answers at {usual_ollama}."
        return Choice(None, "commentary", None, None, f"{told} Start Ollama, or set LLM_BASE_URL.")
    if not await asyncio.to_thread(engine_installed):
        told = "No model server answers and no embedded model is installed, so readings come from the commentary."
        return Choice(None, "commentary", None, None, f"{told} Start Ollama, or set LLM_BASE_URL.")
    if len(at_hand.files) == 1 and model is None:
        return await _embedded(at_hand.files[0], None, fast_model, context_tokens)
    if file is not None and (at_hand.tiny_by_default or model is not None):
        choice = await _embedded(file, model, fast_model, context_tokens)
        return replace(choice, note=f"{choice.note} {_several(at_hand)}".strip())
    demo = "`jieqian model use tiny` shows the packaged demo, " if file is not None else ""
    told = "No model server answers, so readings come from the commentary."
    ways = _several(at_hand) or (
        f"{demo}`jieqian model get {_FIRST_OFFER}` gets a model that writes readings of its own; "
        "or start Ollama, or set LLM_BASE_URL."
    )
    return Choice(None, "commentary", None, None, f"{told} {ways}")


def _several(at_hand: AtHand) -> str:
    if len(at_hand.files) < 2:
        return ""
    names = ", ".join(one_line(name_of(file)) for file in at_hand.files[:5])
    return f"Several models are here ({names}): choose one with `jieqian model use`."


async def _speaks_ollama(base_url: str, api_key: str | None, *, seconds: float = 5.0) -> bool:
    """Whether Ollama's own API answers there. One that cannot be reached is told by its usual port."""
    http = ModelHttp(base_url, api_key)
    try:
        # Its list of models is what is needed, and what nobody else answers; gateways may leave /api/version out.
        answer = await http.get("/api/tags", seconds=seconds)
        return isinstance(answer, dict) and isinstance(answer.get("models"), list)
    except ModelUnreachable:
        # A server that is only down now must not be taken for another kind: the port tells.
        return seconds > 1.0 and server_url(base_url).port == 11434
    except ModelError:
        return False
    finally:
        await http.close()


async def _served(client: ModelClient, model: str | None, fast_model: str | None) -> Choice:
    """The models of a server: those named, else its default."""
    where = f"{_TITLES[client.provider]} at {client.base_url}"
    try:
        main = await client.describe(model) if model else await _default(client)
        missing = await _nothing_chosen(client) if main is None else ""
    except ModelError as error:
        return Choice(client, client.provider, None, None, error.detail)
    if main is None:
        return Choice(client, client.provider, None, None, f"{where} {missing}")
    return await _with_fast(client, main, fast_model, f"{where} speaks with {one_line(main.name)}")


async def _with_fast(client: ModelClient, main: ModelInfo, fast_model: str | None, note: str) -> Choice:
    """The choice with its fast model; one that is named and missing leaves that mode without a model."""
    if fast_model is None or fast_model == main.name:
        return Choice(client, client.provider, main, main, f"{note}.")
    try:
        fast = await client.describe(fast_model)
    except ModelError as error:
        return Choice(client, client.provider, main, None, f"{note}; fast mode has no model: {error.detail}")
    return Choice(client, client.provider, main, fast, f"{note}, and {one_line(fast.name)} in fast mode.")


async def _embedded(file: Path | None, model: str | None, fast_model: str | None, context_tokens: int | None) -> Choice:
    """The embedded model; it is loaded at its first use."""
    if file is None:
        told = "LLM_PROVIDER is llamacpp, and there is no model file."
        raise UsageError(f"{told} Set LLM_MODEL to a .gguf file, or get one with `jieqian model get`.")
    if not await asyncio.to_thread(engine_installed):
        raise UsageError("The embedded model needs the package xllamacpp: `pip install 'jieqian[llamacpp]'`.")
    client = LlamaCppClient(file) if context_tokens is None else LlamaCppClient(file, context_tokens=context_tokens)
    try:
        main = await client.describe(model) if model else (await client.models())[0]
    except ModelError as error:
        return Choice(client, client.provider, None, None, error.detail)
    note = f"The embedded model {main.name} speaks"
    if main.tiny:
        note = f"The embedded demo model {main.name} speaks; it is very small and only retells the commentary, so "
        note += f"connect Ollama or run `jieqian model get {_FIRST_OFFER}` for readings of its own"
    return await _with_fast(client, main, fast_model, note)


async def _default(client: ModelClient) -> ModelInfo | None:
    """The default, described. A list that tells no sizes, and more than one model, leaves the choice to people."""
    there = await client.models()
    if len(there) > 1 and all(info.parameters is None for info in there):
        return None
    while (chosen := default_model(there)) is not None:
        described = await client.describe(chosen.name)
        if described.chat:
            return described
        # Older servers do not list which models chat; only asking about one tells.
        there = [info for info in there if info.name != chosen.name]
    return None


async def _nothing_chosen(client: ModelClient) -> str:
    names = [one_line(info.name) for info in await client.models()]
    if not names:
        return f"has no chat model yet. {_ADVICE[client.provider]}"
    some = ", ".join(names[:5])
    return f"has {len(names)} models; set LLM_MODEL to one of them, such as {some}."


def default_model(models: Sequence[ModelInfo]) -> ModelInfo | None:
    """The model used where none was named; see the rule above."""
    chatting = [info for info in models if info.chat]
    general = [info for info in chatting if not _SPECIAL.search(info.name.casefold())] or chatting
    comfortable = [info for info in general if (info.parameters or 0) <= _COMFORTABLE]
    if comfortable:
        return max(comfortable, key=lambda info: (info.parameters or 0, info.name))
    return min(general, key=lambda info: (info.parameters or 0, info.name), default=None)


#: The model that is proposed: Chinese and English on two cores.
_FIRST_OFFER = next(offer.name for offer in OFFERS if offer.name == "qwen2.5-1.5b")
_TITLES = {"ollama": "Ollama", "openai": "The model server", "llamacpp": "The embedded model"}
_ADVICE = {
    "ollama": "`ollama pull qwen2.5:7b` gets one.",
    "openai": "Load one there, or set LLM_MODEL.",
}
