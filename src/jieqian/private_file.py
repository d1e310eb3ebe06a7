"""Files for their user alone, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Put the text in the file's place, with mode 0600. A kill leaves the old file or the new. Raises `OSError`."""
    half_made = path.with_suffix(".new")
    half_made.unlink(missing_ok=True)
    handle = os.open(half_made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    half_made.replace(path)
