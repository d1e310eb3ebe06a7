"""The key of a kept answer: everything that could make another answer right, and nothing that can be read.

A cache answer is never someone else's: whoever gets it asked the same words of the same lot, in the same language and
mode, of the same model and weights, with the same template, options, corpus and earlier reading.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from jieqian.languages import Language
from jieqian.lots.lot import Collection, Lot
from jieqian.prompt.prompt import ParentReading


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyParts:
    """The whole key, part by part. `weights`: the model's digest, or where it is asked and by which name."""

    collection: str
    lot: int
    lot_hash: str
    language: str
    mode: str
    strategy: str
    variant: str
    provider: str
    model: str
    weights: str
    template_version: str
    options: Mapping[str, Any]
    parent_hash: str
    corpus_version: str
    question: str


def key_of(parts: KeyParts, secret: str) -> str:
    """64 hexadecimal digits: an HMAC, so that neither a question nor a guess at one can be found in the cache."""
    whole = [[part.name, getattr(parts, part.name)] for part in fields(parts)]
    text = json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hmac.new(f"jieqian.cache:{secret}".encode(), text.encode(), hashlib.sha256).hexdigest()


def same_words(question: str) -> str:
    """A question as it is compared: NFKC, case folded, trimmed, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", question).casefold()).split())


def lot_hash(lot: Lot, collection: Collection, language: Language) -> str:
    """Changes with anything of the lot that a reading in that language may tell."""
    told = {"lot": lot.as_dict(language), "collection": collection.name(language)}
    return _hash(told)


def parent_hash(parent: ParentReading | None) -> str:
    """Changes with anything of the earlier reading that the model is told; empty where there is none."""
    return "" if parent is None else _hash(asdict(parent))


def _hash(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, ensure_ascii=False, sort_keys=True, default=str).encode()).hexdigest()
