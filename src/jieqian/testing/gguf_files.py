"""Small GGUF files that are whole and hold nothing, for what is done with such files before they are loaded."""

from __future__ import annotations

import struct
from pathlib import Path


def small_gguf(*, version: int = 3, values: int = 16, tensor_bytes: int | None = None) -> bytes:
    """A file of one tensor of so many floats, with a vocabulary of two; `tensor_bytes` None: as many as they take."""
    pairs = [
        _text(b"general.architecture") + struct.pack("<I", 8) + _text(b"llama"),
        _text(b"llama.context_length") + struct.pack("<II", 4, 2048),
        _text(b"llama.block_count") + struct.pack("<II", 4, 2),
        _text(b"llama.embedding_length") + struct.pack("<II", 4, 64),
        _text(b"llama.attention.head_count") + struct.pack("<II", 4, 4),
        _text(b"llama.attention.head_count_kv") + struct.pack("<II", 4, 2),
        _text(b"tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + _text(b"a") + _text("籤".encode()),
        _text(b"tokenizer.ggml.scores") + struct.pack("<IIQff", 9, 6, 2, 0.5, 1.0),
    ]
    tensor = _text(b"w") + struct.pack("<IQQIQ", 2, 4, values // 4, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", version, 1, len(pairs)) + b"".join(pairs) + tensor
    return head + b"\0" * (-len(head) % 32) + b"\0" * (4 * values if tensor_bytes is None else tensor_bytes)


def huge_gguf(path: Path, terabytes: int = 1) -> None:
    """Write a file that is whole and far too large for any memory; it takes no room on the disk."""
    values = terabytes * 10**12 // 4
    head = small_gguf(values=values, tensor_bytes=0)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + 4 * values)


def _text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value
