"""Templates compiled once for all starts, kept where Python keeps the bytecode of its modules.

To compile those of the pages takes a third of a second of a processor, a fifth of a start.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

from jinja2 import BytecodeCache, FileSystemBytecodeCache
from jinja2.bccache import Bucket


class _Kept(FileSystemBytecodeCache):
    """Keeps what it can: a folder that takes no writes costs the time alone. A changed text is compiled anew."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


def compiled_beside(file: str) -> BytecodeCache | None:
    """The cache beside that module's own bytecode; None where Python keeps none."""
    if sys.dont_write_bytecode:
        return None
    folder = Path(cache_from_source(file)).parent
    return _Kept(str(folder)) if folder.is_dir() else None
