"""What `jieqian doctor` says of the model server of each mode: there, fast enough, its window, slots, cold or warm."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from jieqian.cli.examining import PIP_INSTALL, Examined, State, size_told
from jieqian.cli.examining_clock import FAR_SECONDS
from jieqian.reading.longest_prompt import ANSWER_TOKENS, LongestPrompt

MEND_SERVER = "start the model server (Ollama: ollama serve), or set JIEQIAN_LLM_BASE_URL to one that runs"
#: How the note of `llm/selection.py` begins where the commentary was asked for.
_COMMENTARY_WANTED = "No model is used"
_NO_FAST = "fast mode has no model:"
_COMMAND = re.compile(r"`((?:jieqian|ollama|pip|make) [^`]+)`")
_NEAREST = re.compile(r"The nearest one there is (.+?)\. Set LLM_MODEL")
_CHOOSE = re.compile(r"set LLM_MODEL to one of them, such as ([^,]+?)(?:,|\.$)")
#: Windows are told and set in such steps.
_STEP_TOKENS = 1024


def writer(provider: str, note: str, *, reachable: bool, tiny: bool) -> Examined:
    """Who writes readings. Only commentary that was asked for, and a model of some size, is as it should be."""
    fine = (reachable and not tiny) or (provider == "commentary" and note.startswith(_COMMENTARY_WANTED))
    if fine and _NO_FAST in note:
        return Examined(State.WARN, "model", note, _mend_of(note).replace("LLM_MODEL", "LLM_FAST_MODEL"))
    if fine:
        return Examined(State.OK, "model", note)
    return Examined(State.WARN, "model", note, _mend_of(note))


def _mend_of(note: str) -> str:
    """What mends what the note says is wrong."""
    if command := command_in(note):
        return command
    if "Check LLM_API_KEY" in note:
        return "set JIEQIAN_LLM_API_KEY to the key that server takes"
    if found := _NEAREST.search(note) or _CHOOSE.search(note):
        return f"set JIEQIAN_LLM_MODEL={shlex.quote(found[1])}"
    if "does not speak" in note or "is no JSON" in note or "Check LLM_BASE_URL" in note:
        return "set JIEQIAN_LLM_BASE_URL to the address of a model server, and JIEQIAN_LLM_PROVIDER=auto"
    return MEND_SERVER


def command_in(told: str) -> str:
    """The last command that a text names, as it is to be typed here; nothing where it names none."""
    named = _COMMAND.findall(told)
    return re.sub(r"^pip install", lambda _: PIP_INSTALL, named[-1]) if named else ""


def examine_modes(
    modes: Sequence[Mapping[str, Any]], context_tokens: int, longest: Sequence[LongestPrompt]
) -> Iterator[Examined]:
    """`modes` as `reading/standings.py` has them; those with the same model are told together.

    `context_tokens` is LLM_CONTEXT_TOKENS; `longest` our longest prompts, longest first.
    """
    for _, same in groupby(modes, key=lambda each: (each["address"], each["model"])):
        together = list(same)
        facts = together[0]
        who = "both modes" if len(together) > 1 else f"{facts['mode']} mode"
        standing: Mapping[str, Any] = facts["standing"] or {}
        yield _server(who, facts, standing)
        if facts["tiny"]:
            yield Examined(State.OK, "window", "a model that only retells is asked for a sentence at a time")
        else:
            yield _window(facts, standing, context_tokens, longest)
        yield from _slots_and_warmth(facts, standing)
        if (clock := _clock(standing)) is not None:
            yield clock


def _server(who: str, facts: Mapping[str, Any], standing: Mapping[str, Any]) -> Examined:
    kind, seconds = standing.get("kind", facts["provider"]), standing.get("seconds")
    where = "" if facts["provider"] == "llamacpp" else f" at {facts['address']}"
    told = f"{who}: {facts['model']}, {kind}{where}"
    trouble = standing.get("trouble")
    if trouble and standing.get("flavour") == "embedded":
        return Examined(State.WARN, "model server", f"{told}: {trouble}", command_in(trouble) or "jieqian model list")
    if trouble:
        return Examined(State.WARN, "model server", f"{told}: {trouble}", _mend_of(trouble))
    return Examined(State.OK, "model server", told + (f", answered in {seconds * 1000:.0f} ms" if seconds else ""))


def _window(
    facts: Mapping[str, Any],
    standing: Mapping[str, Any],
    context_tokens: int,
    longest: Sequence[LongestPrompt],
) -> Examined:
    """Whether prompt and answer fit. What no tokenizer could make fit is a failure, what is likely too long a hint."""
    window = min(int(facts["window_tokens"]), _servers_window(standing) or int(facts["window_tokens"]))
    if not longest:
        return Examined(State.OK, "window", f"{window} tokens; there is no lot to make a prompt of")
    most = longest[0]
    told = (
        f"{window} tokens; our longest prompt takes about {most.likely} ({most.lot}, {most.language.value}, "
        f"{most.characters} characters; surely {most.at_least}), an answer {ANSWER_TOKENS}"
    )
    needed = most.likely + ANSWER_TOKENS
    if needed <= window:
        return Examined(State.OK, "window", told)
    state = State.FAIL if max(each.at_least for each in longest) > window else State.WARN
    return Examined(state, "window", told, _longer_window(facts, standing, context_tokens, needed))


def _servers_window(standing: Mapping[str, Any]) -> int | None:
    """The window of a slot as the server was started with, where a request cannot ask for another."""
    window: int | None = standing.get("window")
    return window if standing.get("flavour") in ("llamacpp", "organization_owner") else None


def _longer_window(facts: Mapping[str, Any], standing: Mapping[str, Any], context_tokens: int, needed: int) -> str:
    """The setting or command that lets `needed` tokens fit: whichever of ours and the server's is the narrower."""
    wanted = -(-needed // _STEP_TOKENS) * _STEP_TOKENS
    possible = _servers_window(standing) or facts["model_tokens"]
    if facts["provider"] == "llamacpp" and context_tokens < needed:  # its window is made of the setting
        return f"set JIEQIAN_LLM_CONTEXT_TOKENS={wanted}"
    if possible is None or possible >= needed:
        return f"set JIEQIAN_LLM_CONTEXT_TOKENS={wanted if possible is None else min(wanted, possible)}"
    also = f", and set JIEQIAN_LLM_CONTEXT_TOKENS={wanted}" if context_tokens < needed else ""
    model = shlex.quote(str(facts["model"]))
    match standing.get("flavour"):
        case "llamacpp":
            slots = standing.get("slots") or 1
            return f"start the server with its window longer: llama-server -c {wanted * slots} -np {slots}{also}"
        case "vllm":
            return f"start the server with its window longer: vllm serve {model} --max-model-len {wanted}{also}"
        case "organization_owner":
            return f"load the model with its window longer: lms load {model} --context-length {wanted}{also}"
        case "ollama":
            return "ollama pull qwen2.5:7b, and set JIEQIAN_LLM_MODEL=qwen2.5:7b"
        case "embedded":
            return "jieqian model get qwen2.5-1.5b"
    return f"set JIEQIAN_LLM_MODEL to a model with a window of {wanted} tokens"


def _slots_and_warmth(facts: Mapping[str, Any], standing: Mapping[str, Any]) -> Iterator[Examined]:
    slots, loaded = standing.get("slots"), standing.get("loaded")
    untold = "not told by this server"
    if standing.get("flavour") == "ollama":
        untold = "Ollama does not tell OLLAMA_NUM_PARALLEL"
    yield Examined(State.OK, "slots", untold if slots is None else f"{slots} at a time")
    if loaded is None:
        yield Examined(State.OK, "warmth", "not told by this server")
    elif not loaded:
        yield Examined(State.OK, "warmth", "cold: the first reading waits until the model is loaded")
    else:
        yield Examined(State.OK, "warmth", f"warm{_how_loaded(facts, standing)}")


def _how_loaded(facts: Mapping[str, Any], standing: Mapping[str, Any]) -> str:
    """Until when, where in memory, and with which window, as far as that is told."""
    told = f", loaded until {until}" if (until := standing.get("until")) else ""
    if size := standing.get("size"):
        told += f", {size_told(size)}, of that {size_told(standing.get('on_gpu') or 0)} on a GPU"
    window, wanted = standing.get("window"), int(facts["window_tokens"])
    if window and standing.get("flavour") == "ollama" and window != wanted:
        told += f"; its window is {window} tokens now, and the next reading loads it anew with {wanted}"
    return told


def _clock(standing: Mapping[str, Any]) -> Examined | None:
    """How far the server's clock is from ours, where its answers bear a date."""
    ahead = standing.get("ahead")
    if ahead is None:
        return None
    if abs(ahead) > FAR_SECONDS:
        told = (
            f"the model server's is {abs(ahead):.0f} s {'before' if ahead > 0 else 'behind'} ours: one of them is wrong"
        )
        return Examined(State.WARN, "clock", told, "timedatectl status")
    return Examined(State.OK, "clock", f"the model server's is within {abs(ahead) + 0.5:.0f} s of ours")
