"""When Python looks for garbage: not while the program is loaded, nor among what was loaded, which stays to the end.

It looks whenever there are many more objects than before, so that loading the service costs it a tenth of the time,
and at the end of the process it looks through all of them again: 0.3 s for what the system takes back at once.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """What is made in the block is never looked through for garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def leave_all() -> None:
    """The process ends: what it holds goes with it."""
    gc.freeze()
