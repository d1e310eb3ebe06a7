"""The head of a GGUF file: what model it holds, and whether the file is whole.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The library that loads such files ends its
process on some broken ones, so a file is looked at here first.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jieqian.errors import ModelRefused

_FIXED = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_EDGE = 1024 * 1024
#: Bounds that no real model's head comes near: entries, bytes of a name, arrays in arrays, dimensions, numbers.
_MOST_ENTRIES, _MOST_NAME, _MOST_DEPTH, _MOST_DIMENSIONS, _MOST_VALUES = 10_000_000, 65_535, 4, 8, 2**63
_MOST_TEXT = 16 * _EDGE
# (values in a block, bytes of a block) by type of tensor; types not listed are checked by their offset alone.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 30: (1, 2),
}  # fmt: skip


# Of models whose layers mostly look back over a short window only: one layer in so many sees the whole context.
_FULL_LAYERS = {"gemma2": 2, "gemma3": 6, "gemma3n": 5}
_BYTES_A_NUMBER = 2  # llama.cpp keeps its cache in half precision


@dataclass(frozen=True, slots=True)
class GgufFacts:
    """What the head tells: `context_tokens` the model was trained with, `parameters`, and a digest.

    `digest` is SHA-256 (hex) over the file's size and its first and last MiB: enough to tell files apart,
    without reading gigabytes. `layers` and `cache_width` (numbers a layer keeps for each token) tell how much memory
    a context takes, 0 where the head does not say; `short_window` is how far most layers look back, where it is short.
    """

    architecture: str
    name: str
    context_tokens: int | None
    parameters: int
    digest: str
    file_bytes: int = 0
    layers: int = 0
    cache_width: int = 0
    short_window: int | None = None

    def cache_bytes(self, tokens: int) -> int:
        """The memory the cache of a context of so many tokens takes."""
        every = _FULL_LAYERS.get(self.architecture, 1) if self.short_window else 1
        full = -(-self.layers // every)
        seen = min(tokens, self.short_window or tokens)
        return (full * tokens + (self.layers - full) * seen) * self.cache_width * _BYTES_A_NUMBER


def read_gguf(path: Path) -> GgufFacts:
    """The facts of that file. Raises `ModelRefused` with one clear line for a file that is missing, foreign or cut.

    Blocks for some 0.1 s (a vocabulary is walked through), so call it in a thread.
    """
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:  # cannot be mapped
                raise ModelRefused(f"{path} is no GGUF file: it is empty.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _read(path, data)
    except FileNotFoundError:
        raise ModelRefused(f"There is no model file {path}.") from None
    except OSError as error:
        raise ModelRefused(f"The model file {path} cannot be read: {error.strerror}.") from None


def _read(path: Path, data: mmap.mmap) -> GgufFacts:
    if data[:4] != b"GGUF":
        raise ModelRefused(f"{path} is no GGUF file. Convert the model to GGUF, or give another file.")
    head = _Reader(data)
    try:
        version = head.number("<I")
        if version not in (2, 3):
            raise ModelRefused(f"{path} is of GGUF version {version}; versions 2 and 3 can be read.")
        tensors, pairs = head.number("<Q"), head.number("<Q")
        if max(tensors, pairs) > _MOST_ENTRIES:
            raise _Damaged(f"{max(tensors, pairs)} entries")
        values = {head.name(): head.value(head.number("<I")) for _ in range(pairs)}
        parameters, end = _tensors(head, tensors, _whole(values.get("general.alignment")) or 32)
    except (struct.error, _Damaged):
        raise ModelRefused(f"{path} is damaged or cut short: its head cannot be read. Get the file again.") from None
    if end > len(data):
        told = f"{path} is cut short: it has {len(data)} bytes and should have {end} at least."
        raise ModelRefused(f"{told} Get the file again.")
    architecture = str(values.get("general.architecture") or "")
    return GgufFacts(
        architecture=architecture,
        name=str(values.get("general.name") or path.stem),
        context_tokens=_whole(values.get(f"{architecture}.context_length")) or None,
        parameters=parameters,
        file_bytes=len(data),
        layers=_whole(values.get(f"{architecture}.block_count")),
        cache_width=_cache_width(values, architecture),
        short_window=_whole(values.get(f"{architecture}.attention.sliding_window")) or None,
        digest=hashlib.sha256(b"%d" % len(data) + data[:_EDGE] + data[-_EDGE:]).hexdigest(),
    )


def _cache_width(values: dict[str, Any], architecture: str) -> int:
    """Numbers a layer keeps for a token: keys and values of all its heads. Heads given by layer are taken as all."""
    heads = _whole(values.get(f"{architecture}.attention.head_count"))
    shared = _whole(values.get(f"{architecture}.attention.head_count_kv")) or heads
    each = _whole(values.get(f"{architecture}.embedding_length")) // heads if heads else 0
    key = _whole(values.get(f"{architecture}.attention.key_length")) or each
    value = _whole(values.get(f"{architecture}.attention.value_length")) or each
    return shared * (key + value)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _tensors(head: _Reader, count: int, alignment: int) -> tuple[int, int]:
    """The number of parameters, and the byte at which the last tensor ends."""
    parameters = 0
    ends = [0]
    for _ in range(count):
        head.name()
        dimensions = head.number("<I")
        if dimensions > _MOST_DIMENSIONS:
            raise _Damaged(f"{dimensions} dimensions")
        size = math.prod(head.number("<Q") for _ in range(dimensions))
        kind, offset = head.number("<I"), head.number("<Q")
        values, width = _BLOCKS.get(kind, (size or 1, 0))
        parameters += size
        if parameters >= _MOST_VALUES:
            raise _Damaged(f"{parameters} values")
        ends.append(offset + size // values * width)
    start = -(-head.place // alignment) * alignment
    return parameters, start + max(ends)


class _Damaged(Exception):
    """The head names what no model has, or ends in the middle of it."""


class _Reader:
    """Reads the head from its fifth byte on."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.place = 4

    def number(self, form: str) -> int:
        """A whole number."""
        return int(self._unpacked(form))

    def name(self) -> str:
        """A key or the name of a tensor."""
        return self.text(_MOST_NAME)

    def text(self, most: int) -> str:
        """A text of so many bytes at most."""
        length = self.number("<Q")
        if length > min(most, len(self._data) - self.place):
            raise _Damaged(f"a text of {length} bytes")
        raw = self._data[self.place : self.place + length]
        self.place += length
        return raw.decode("utf-8", errors="replace")

    def value(self, kind: int, depth: int = 0) -> str | float | None:
        """One value; arrays (vocabularies) are passed over and given as None."""
        if kind == _STRING:
            return self.text(_MOST_TEXT)
        if kind in _FIXED:
            return self._unpacked(_FIXED[kind])
        if kind != _ARRAY or depth > _MOST_DEPTH:
            raise _Damaged(f"a value of kind {kind}")
        inner, count = self.number("<I"), self.number("<Q")
        if count > len(self._data) - self.place:
            raise _Damaged(f"an array of {count}")
        if inner in _FIXED:
            self.place += struct.calcsize(_FIXED[inner]) * count
        elif inner == _STRING:
            self._skip_texts(count)
        else:
            for _ in range(count):
                self.value(inner, depth + 1)
        return None

    def _unpacked(self, form: str) -> float:
        value: float = struct.unpack_from(form, self._data, self.place)[0]
        self.place += struct.calcsize(form)
        return value

    def _skip_texts(self, count: int) -> None:
        # Two vocabularies of 150,000 entries: local names halve the time.
        read, data, place, end = struct.Struct("<Q").unpack_from, self._data, self.place, len(self._data)
        for _ in range(count):
            if place > end:
                break
            place += 8 + read(data, place)[0]
        if place > end:
            raise _Damaged("an array of texts past the end")
        self.place = place
