"""What comes from a model server, made fit for use: JSON of any shape, text for a log, a page and an error message."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

_LONGEST = 200
_MESSAGE_KEYS = ("error", "message", "detail", "msg")
_DEEPEST_MESSAGE = 6


def parse_json(raw: str | bytes) -> Any:
    """The JSON. Raises `ValueError` for what is none, and for what is nested deeper than Python reads."""
    try:
        return json.loads(raw)
    except RecursionError:
        raise ValueError("nested too deep") from None


def object_of(value: Any) -> dict[str, Any]:
    """An object as it is; anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    """A list as it is; anything else as an empty one."""
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str:
    """A text as it is; anything else as none."""
    return value if isinstance(value, str) else ""


def count_of(value: Any) -> int | None:
    """A count of tokens or the like; 0 and nonsense count as not given."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53 else None


def size_of(value: Any) -> float | None:
    """A number of parameters; nonsense counts as not given."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**53:
        return None
    return float(value)


def one_line(text: str, longest: int = _LONGEST) -> str:
    """`text` as one short line: control, format and surrogate characters out, white space joined, at most `longest`."""
    kept = "".join(" " if unicodedata.category(mark) in ("Cc", "Zl", "Zp") else mark for mark in text[: longest * 20])
    kept = "".join(mark for mark in kept if unicodedata.category(mark) not in ("Cf", "Cs", "Co", "Cn"))
    kept = re.sub(r"\s+", " ", kept).strip()
    return kept if len(kept) <= longest else kept[: longest - 1].rstrip() + "…"


def as_sentence(said: str, status: int) -> str:
    """A server's words as the end of a sentence: without the status said already ("404: Not Found"), with its mark."""
    said = re.sub(rf"^{status}\b[\s:,-]*", "", said)
    return said if not said or said.endswith((".", "!", "?", "…", "。", "！", "？")) else f"{said}."


def message_of(body: Any) -> str:
    """The sentence inside a server's error document, in any of the shapes in use.

    Ollama: `{"error": "…"}`. OpenAI, llama.cpp: `{"error": {"message": "…"}}`. vLLM: `{"message": "…"}` or the former.
    FastAPI: `{"detail": "…"}` or a list of `{"msg"}`. Anything else is given as JSON.
    """
    for _ in range(_DEEPEST_MESSAGE):
        if isinstance(body, str):
            return body
        inner = list_of(body)[:1] or [told for key in _MESSAGE_KEYS if (told := object_of(body).get(key))]
        if not inner:
            break
        body = inner[0]
    try:
        return json.dumps(body, ensure_ascii=False)
    except RecursionError:
        return ""


def message_of_bytes(raw: bytes) -> str:
    """The sentence inside an error body: JSON as `message_of` reads it, else plain text with its tags taken out."""
    text = raw.decode("utf-8", errors="replace")
    try:
        return message_of(parse_json(text))
    except ValueError:
        return re.sub(r"<[^<>]*>", " ", text)
