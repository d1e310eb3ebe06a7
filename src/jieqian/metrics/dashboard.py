"""What the dashboard asks. `tasks.figure_rows` answers from the roll-ups; `testing.made_up_dashboard` makes it up."""

from __future__ import annotations

from typing import Protocol

from jieqian.metrics.figures import (
    Breakdown,
    Dimension,
    Histogram,
    Live,
    Progress,
    Series,
    SlowTask,
    Span,
    StageTime,
    Summary,
    Values,
    Which,
)


class Dashboard(Protocol):
    """Figures of ended tasks, by span and filter. Each call raises `StoreError` where the database cannot be read."""

    async def summary(self, span: Span, which: Which) -> Summary:
        """Counts, rates and spreads; see `metrics.marks` for what each is measured by."""
        ...

    async def series(self, span: Span, which: Which) -> Series:
        """Total time and errors over the span, in 60 to 120 steps (fewer where it has fewer minutes)."""
        ...

    async def histogram(self, span: Span, which: Which) -> Histogram:
        """Total time in bins."""
        ...

    async def stages(self, span: Span, which: Which) -> tuple[StageTime, ...]:
        """The six stages in their order, then `faq`."""
        ...

    async def breakdown(self, span: Span, which: Which, by: Dimension) -> Breakdown:
        """The tasks by one dimension."""
        ...

    async def slowest(self, span: Span, which: Which, limit: int = 10) -> tuple[SlowTask, ...]:
        """The tasks that took longest, the slowest first. One that was erased is none of them."""
        ...

    async def values(self) -> Values:
        """What can be filtered by: every value that ever came."""
        ...

    async def progress(self) -> Progress:
        """How far the figures are."""
        ...

    async def live(self) -> Live:
        """This moment; read every few seconds."""
        ...
