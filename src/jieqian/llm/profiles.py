"""What a model can do, as data (`profiles.toml`): levels of thinking, schema, languages, window, size."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

from jieqian.languages import Language
from jieqian.llm.client import ModelInfo

# Below this many parameters a model writes no reading of its own: 135M gave nonsense under a schema.
_TINY_BELOW = 4e8
_LEAST_FIRST: tuple[str | bool, ...] = (False, "none", "minimal", "low", "medium")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of one model by its name; None where nothing is known. See `profiles.toml` for each field."""

    schema: bool | None = None
    thinking: tuple[str | bool, ...] | None = None
    thinking_off: str | bool | None = None
    languages: frozenset[Language] | None = None
    context_tokens: int | None = None
    tiny: bool | None = None
    schema_with_thinking_off_ignored: bool = False
    links: tuple[str, ...] = ()


def bare_name(model: str) -> str:
    """The name patterns are matched to: `hf.co/owner/Qwen3-8B-GGUF:Q4_K_M` is `qwen3-8b-gguf:q4_k_m`."""
    return model.replace("\\", "/").rsplit("/", 1)[-1].casefold().removesuffix(".gguf")


@cache
def profile_of(model: str) -> Profile:
    """All that the profiles say of a model of that name."""
    name = bare_name(model)
    found = Profile()
    for patterns, said in _PROFILES:
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            links = found.links + said.get("links", ())
            found = replace(found, **{**said, "links": links})
    return found


def complete(info: ModelInfo) -> ModelInfo:
    """What the server said of a model, completed by what is known of it.

    The server's window and size win, since they are measured; the profile's thinking, schema and languages win, since
    servers tell them in general terms or wrongly. `thinking_off` is the value that makes the model think least.
    """
    profile = profile_of(info.name)
    thinking = info.thinking if profile.thinking is None else profile.thinking
    tiny = profile.tiny if profile.tiny is not None else info.tiny or 0 < (info.parameters or 0) < _TINY_BELOW
    languages = info.languages if profile.languages is None else profile.languages
    off = info.thinking_off if profile.thinking_off is None else profile.thinking_off
    if off is None and thinking:
        off = next((value for value in _LEAST_FIRST if value in thinking), None)
    return replace(
        info,
        context_tokens=info.context_tokens or profile.context_tokens,
        schema=info.schema if profile.schema is None else profile.schema,
        thinking=thinking,
        thinking_off=off if thinking else None,
        languages=languages & {Language.EN} if tiny else languages,
        tiny=tiny,
        schema_needs_thinking=profile.schema_with_thinking_off_ignored,
    )


def _read() -> tuple[tuple[tuple[str, ...], dict[str, Any]], ...]:
    raw = tomllib.loads(files("jieqian.llm").joinpath("profiles.toml").read_text("utf-8"))
    return tuple((tuple(entry["match"]), _values(entry)) for entry in raw["profile"])


def _values(entry: dict[str, Any]) -> dict[str, Any]:
    """One entry's fields as `Profile` has them; an unknown field is a fault of the file."""
    known = {field.name for field in fields(Profile)}
    if unknown := set(entry) - known - {"match"}:
        raise ValueError(f"profiles.toml: unknown field {sorted(unknown)} at {entry['match']}")
    values: dict[str, Any] = {name: entry[name] for name in known & set(entry)}
    for name in ("thinking", "links"):
        if name in values:
            values[name] = tuple(values[name])
    if "languages" in values:
        values["languages"] = frozenset(Language(tag) for tag in values["languages"])
    return values


# Read at import: a file opened later would be opened on the event loop.
_PROFILES = _read()
