"""Collections that come, change or go in DATA_DIR while the service runs."""

from __future__ import annotations

import asyncio
import logging

from jieqian.lots.library import LotLibrary

logger = logging.getLogger(__name__)

#: How often the folders are looked at, in seconds.
LOOK_SECONDS = 1.0


async def follow_folders(library: LotLibrary, *, seconds: float = LOOK_SECONDS) -> None:
    """Read the collections anew where a file came, changed or went and two looks agree; for ever."""
    before = None
    while True:
        try:
            seen = await asyncio.to_thread(library.fingerprint)
            if seen == before and seen != library.read_at:  # not in the middle of being copied
                await asyncio.to_thread(library.reload)
                told = "; ".join(str(problem) for problem in library.problems)
                logger.info("collections read anew", extra={"action": "collections_read", "left_out": told or None})
            before = seen
        except Exception:  # whatever lies there must not end the looking
            logger.exception("collections cannot be followed", extra={"action": "looking_failed"})
        await asyncio.sleep(seconds)
