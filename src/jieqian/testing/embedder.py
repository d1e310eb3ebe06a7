"""An embedder for tests: counts pairs of characters, so that texts alike in their words are near. Loads nothing."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

LENGTH = 512


def character_vector(text: str) -> list[float]:
    """`LENGTH` numbers, of length one."""
    counted = [0.0] * LENGTH
    for pair in zip(text, text[1:] + " ", strict=True):
        counted[zlib.crc32("".join(pair).encode()) % LENGTH] += 1.0
    length = math.sqrt(sum(number * number for number in counted)) or 1.0
    return [number / length for number in counted]


class CharacterEmbedder:
    """An `Embedder` by `character_vector`; `name` tells two apart."""

    in_index = False

    def __init__(self, name: str = "characters") -> None:
        self.name = name
        self.embedded: list[str] = []

    async def identify(self) -> tuple[str, int]:
        """See `Embedder.identify`."""
        return self.name, LENGTH

    async def question(self, text: str) -> list[float]:
        """See `Embedder.question`."""
        return character_vector(text)

    async def passages(self, texts: Sequence[str]) -> list[list[float]]:
        """See `Embedder.passages`; notes the texts."""
        self.embedded += texts
        return [character_vector(text) for text in texts]

    async def close(self) -> None:
        """Nothing is open."""
