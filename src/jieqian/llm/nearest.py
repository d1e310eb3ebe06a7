"""The installed model whose name is nearest to one that was asked for."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def full_name(name: str) -> str:
    """`qwen3` as Ollama reads it: `qwen3:latest`."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def nearest_name(model: str, installed: Sequence[str]) -> str | None:
    """The name nearest to `model`: of its own family (before the colon) first, else by likeness of the whole name."""
    family = _family(model)
    kin = [name for name in installed if _family(name) == family] or list(installed)
    by_key = {full_name(name).casefold(): name for name in kin}
    found = difflib.get_close_matches(full_name(model).casefold(), by_key, n=1, cutoff=0.5)
    if found:
        return by_key[found[0]]
    return kin[0] if kin and _family(kin[0]) == family else None


def _family(name: str) -> str:
    return name.rsplit("/", 1)[-1].casefold().split(":")[0]
