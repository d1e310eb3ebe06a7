"""What a reading's record does where a deadline and a write come at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from jieqian.errors import StoreUnwritable
from jieqian.reading.record import Record
from jieqian.retrieval.finding import Found
from jieqian.testing.sample_tasks import sample_task


class FullDisk:
    """A store that takes a moment to find that it cannot write."""

    async def keep_sources(self, *_: Any) -> None:
        await asyncio.sleep(0.05)
        raise StoreUnwritable("disk full")


async def test_a_write_that_fails_is_heard_though_the_deadline_passes_meanwhile():
    record = Record(sample_task(created_at=time.time()), "token", FullDisk())  # type: ignore[arg-type]
    record.picked_up({}, first=True)
    record.keep_sources(Found((), "vector", None, "v1"))
    with pytest.raises(StoreUnwritable):
        async with asyncio.timeout(0.01):
            await record.still_ours()
