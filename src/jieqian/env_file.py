"""The file `.env`: a broken one is told by its line, a name that is no setting with the nearest. No value is told."""

from __future__ import annotations

import difflib
import io
import stat
from collections.abc import Collection, Iterable
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from jieqian.errors import UsageError

PREFIX = "JIEQIAN_"


def names_in(path: Path) -> list[str]:
    """The names that the file sets; none where there is no file.

    Raises `UsageError` for a file that cannot be read as a whole: a line that is passed over would be a setting lost.
    """
    if path.is_dir():
        if (path / "pyvenv.cfg").is_file():  # a virtual environment of that name
            return []
        raise UsageError(f"Settings: {path} is a folder. Move it away: a file of that name may hold settings.")
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return []
    except OSError as error:  # a link that leads back to itself
        raise UsageError(f"Settings: the file {path} cannot be read: {error.strerror}.") from error
    if stat.S_ISFIFO(kind):  # it would be waited for, and can be read only once
        raise UsageError(f"Settings: {path} is a pipe. Write the settings into a file of that name.")
    if not stat.S_ISREG(kind):
        return []
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"Settings: the file {path} cannot be read: {error.strerror}.") from error
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"Settings: line {line} of {path} is not UTF-8 text. Save the file as UTF-8.") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UsageError(f"Settings: line {line} of {path} is not UTF-8 text. Save the file as UTF-8.")
    return [_name(binding, path) for binding in parse_stream(io.StringIO(text)) if not _is_blank(binding)]


def unknown_names(names: Iterable[str], known: Collection[str]) -> list[str]:
    """A line for each name with our prefix that is no setting, with the nearest that is one."""
    lines = []
    for name in sorted({name.upper() for name in names if name.upper().startswith(PREFIX)} - set(known)):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        lines.append(f"{name} is no setting and has no effect{f'; is {near[0]} meant?' if near else '.'}")
    return lines


def _is_blank(binding: Binding) -> bool:
    return binding.key is None and not binding.error


def _name(binding: Binding, path: Path) -> str:
    if binding.error or binding.key is None or binding.value is None:
        before = binding.original.string
        line = binding.original.line + before[: len(before) - len(before.lstrip())].count("\n")
        raise UsageError(f"Settings: line {line} of {path} cannot be read. Write NAME=value, or # before a remark.")
    return binding.key
