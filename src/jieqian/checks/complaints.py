"""The complaints a section can meet, each with its one sentence of advice to the model in the reading's language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from jieqian.checks.check import Complaint
from jieqian.languages import Language

ADVICE = Path(__file__).with_name("advice.toml")


@lru_cache(maxsize=1)
def all_advice() -> Mapping[str, Mapping[str, str]]:
    """Advice by reason and language tag, from `advice.toml`."""
    return tomllib.loads(ADVICE.read_text(encoding="utf-8"))


def complain(reason: str, language: Language, **values: object) -> Complaint:
    """The complaint of that reason; `values` fill the places in its advice."""
    return Complaint(reason=reason, advice=all_advice()[reason][language.value].format(**values))
