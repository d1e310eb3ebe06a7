"""The models at hand without a server: files in DATA_DIR/models, the packaged tiny one, and what may be fetched.

`DATA_DIR/model.json` keeps which of them `jieqian model use` named; a running service reads it at each look.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from jieqian.errors import ModelNotFound, ModelRefused
from jieqian.languages import Language
from jieqian.llm.llamacpp import packaged_model
from jieqian.llm.server_text import one_line
from jieqian.private_file import write_private

MODELS_FOLDER = "models"
CHOICE_FILE = "model.json"
TINY, COMMENTARY, AUTO = "tiny", "commentary", "auto"
_ENDING = ".gguf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A model that can be fetched; see `models.toml` for each field."""

    name: str
    repo: str
    file: str
    megabytes: int
    cache: int
    languages: tuple[Language, ...]
    licence: str
    good_for: str
    seen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picked:
    """What `jieqian model use` named. `file` None: the commentary."""

    name: str
    file: Path | None


class Shelf:
    """The models of one data folder. Reads the disk: call it in a thread."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / MODELS_FOLDER
        self._choice = data_dir / CHOICE_FILE

    def files(self) -> list[Path]:
        """Every GGUF file there is in DATA_DIR/models, by name; parts of a download are none."""
        if not os.path.isdir(self.folder):
            return []
        return sorted(path for path in self.folder.iterdir() if path.suffix == _ENDING and path.is_file())

    def names(self) -> list[str]:
        """What can be used now."""
        tiny = [TINY] if packaged_model() is not None else []
        return [*(name_of(path) for path in self.files()), *tiny, COMMENTARY]

    def find(self, model: str) -> Path:
        """The file meant by a path, or by a name. Raises `ModelNotFound`, saying what mends it."""
        if model == TINY:
            tiny = packaged_model()
            if tiny is None:
                raise ModelNotFound("The packaged demo model is not installed. `make run` installs it.")
            return tiny
        wanted = model.casefold()
        for path in self.files():
            if wanted in (name_of(path).casefold(), path.name.casefold(), path.stem.casefold()):
                return path
        path = Path(model).expanduser()
        if model.endswith(_ENDING) or path.is_absolute() or (os.sep in model and os.path.isfile(path)):
            if not os.path.isfile(path):
                raise ModelNotFound(f"There is no model file {one_line(model)}.")
            return path.absolute()
        offer = offer_of(model)
        if offer is not None:
            told = f"`jieqian model get {offer.name}` gets it ({offer.megabytes / 1000:.1f} GB)."
            raise ModelNotFound(f"The model {offer.name} is not here yet: {told}", nearest=offer.name)
        near = nearest(model, [*self.names(), *(each.name for each in OFFERS)])
        meant = f" The nearest is {one_line(near)}." if near else ""
        told = "`jieqian model list` shows those there are."
        raise ModelNotFound(f"There is no model {one_line(model)}.{meant} {told}", nearest=near)

    def picked(self) -> Picked | None:
        """What `jieqian model use` named; None: nothing, or `auto`. Raises `ModelRefused` where that cannot be told."""
        advice = "`jieqian model use auto` mends it."
        try:
            kept = json.loads(self._choice.read_text(encoding="utf-8"))
            name, file = str(kept["model"]), kept.get("file")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise ModelRefused(f"{self._choice} cannot be read, so no model is chosen. {advice}") from None
        if name == AUTO:
            return None
        if name == COMMENTARY:
            return Picked(name, None)
        if name == TINY:
            return Picked(name, self.find(TINY))
        if not isinstance(file, str) or not file:
            raise ModelRefused(f"{self._choice} names no model file. {advice}")
        return Picked(name, self.folder / file)  # an absolute path stays as it is

    def pick(self, name: str, file: Path | None = None) -> None:
        """Keep the choice, for its user alone, whole or not at all. A file of the folder is kept by its name."""
        kept = None
        if file is not None and name != TINY:
            kept = file.name if file.parent == self.folder.absolute() or file.parent == self.folder else str(file)
        write_private(self._choice, json.dumps({"model": name, "file": kept}))


def name_of(path: Path) -> str:
    """What a file is called in commands: its offer's name, or its own without the ending."""
    offer = next((offer for offer in OFFERS if offer.file == path.name), None)
    return offer.name if offer else path.stem


def offer_of(name: str) -> Offer | None:
    """The offer of that name."""
    return next((offer for offer in OFFERS if offer.name == name.casefold()), None)


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name nearest to a mistyped one."""
    by_key = {each.casefold(): each for each in known}
    found = get_close_matches(name.casefold(), by_key, n=1, cutoff=0.5)
    return by_key[found[0]] if found else None


def _read() -> tuple[Offer, ...]:
    raw = tomllib.loads(files("jieqian.llm").joinpath("models.toml").read_text("utf-8"))
    return tuple(
        Offer(
            **{
                **entry,
                "languages": tuple(Language(tag) for tag in entry["languages"]),
                "seen": tuple(entry["seen"]),
            }
        )
        for entry in raw["model"]
    )


#: What is offered. Read at import: a file opened later would be opened on the event loop.
OFFERS = _read()
