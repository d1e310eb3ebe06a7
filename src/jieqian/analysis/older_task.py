"""One task of the older system under way: what its lines marked, and what that comes to."""

from __future__ import annotations

from dataclasses import dataclass, field

from jieqian.analysis.ended import EndedTask, Outcome, Stage
from jieqian.analysis.entry import Entry, Kind

#: The worker's own figure and the span of the stamps may differ by the stamps' resolution at both ends.
_APART_MS = 2000.0
_AT_THE_END = (Kind.DATABASE_VALIDATED, Kind.FAQ, Kind.SUCCESS, Kind.COMPLETED)
_WRITTEN = (Kind.VALIDATED, Kind.INTERPRETED, *_AT_THE_END)
#: What comes just before a line, if all is as usual.
_BEFORE = {
    Kind.LOT: (Kind.PROCESSING, Kind.STARTED),
    Kind.GET_POEM: (Kind.LOT,),
    Kind.RETRIEVED: (Kind.GET_POEM, Kind.FOUND),
    Kind.FOUND: (Kind.GET_POEM, Kind.RETRIEVED),
    Kind.QUERY: (Kind.RETRIEVED, Kind.FOUND),
    Kind.ATTEMPT: (Kind.QUERY, Kind.ATTEMPT_FAILED),
}
_LOOKUPS = (Kind.GET_POEM, Kind.RETRIEVED, Kind.FOUND, Kind.QUERY)


@dataclass(slots=True)
class OlderTask:
    """`first` and `last`: when a kind of line was seen for the first and for the last time."""

    id: str
    first: dict[Kind, float] = field(default_factory=dict)
    last: dict[Kind, float] = field(default_factory=dict)
    counts: dict[Kind, int] = field(default_factory=dict)
    perf: dict[str, float] = field(default_factory=dict)
    now: Kind | None = None
    worker: str | None = None
    lot: str | None = None
    asked: str | None = None
    cause: str | None = None
    attempts: int = 0
    refused: int = 0
    booked_lookups: int = 0
    fine: bool = True
    trusted: bool = True
    degraded: bool = False
    from_figures: bool = False
    cached: bool | None = None

    def fits(self, entry: Entry) -> bool:
        """Whether this line may come next in this task."""
        kind, has = entry.kind, self.counts
        wrote = Kind.VALIDATED in has
        if kind in (Kind.LOT, Kind.GET_POEM):
            return kind not in has and not self.attempts
        if kind in (Kind.RETRIEVED, Kind.FOUND, Kind.QUERY):
            return not self.attempts
        if kind is Kind.ATTEMPT:
            number = entry.figures.get("attempt", 1)
            return self.attempts + 1 == number if number > 1 else not self.attempts or wrote
        if kind is Kind.ATTEMPT_FAILED:
            return self.attempts > self.refused and not wrote
        if kind in (Kind.VALIDATED, Kind.INTERPRETED):
            return self.attempts > 0 and kind not in has
        if kind is Kind.PERF:
            return self._fits_perf(next(iter(entry.figures), ""))
        return wrote and kind not in has

    def expects(self, kind: Kind) -> bool:
        """Whether such a line comes next if all is as usual."""
        if kind is Kind.QUERY and Kind.FOUND not in self.counts:
            return False
        return self.now in _BEFORE.get(kind, ())

    def _fits_perf(self, name: str) -> bool:
        if name in self.perf:
            return False
        return name == "RAG" or ("LLM" in self.perf if name == "Validation" else self.attempts > 0)

    def take(self, entry: Entry) -> None:
        """Mark what the line tells."""
        kind = self.now = entry.kind
        if entry.at is not None:
            self.first.setdefault(kind, entry.at)
            self.last[kind] = entry.at
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.fine = self.fine and entry.fine
        if kind is Kind.ATTEMPT:
            self.attempts += 1
        elif kind in (Kind.ATTEMPT_FAILED, Kind.SERVICE_RETRY):
            self.refused += 1
        elif kind in (Kind.PERF, Kind.SUMMARY, Kind.COMPLETED):
            self.perf |= {name: ms for name, ms in entry.figures.items() if isinstance(ms, float)}
        elif kind in (Kind.RETRIEVED, Kind.QUERY) and "RAG" in self.perf:
            self.booked_lookups += 1
        elif kind is Kind.FALLBACK:
            self.degraded = True
        elif kind is Kind.FOUND:
            self.cached = Kind.RETRIEVED not in self.counts
        self.lot, self.asked = entry.lot or self.lot, entry.asked or self.asked
        if kind in (Kind.FAILED, Kind.COMPLETED) and entry.text:
            self.cause = entry.text

    def ended(self, outcome: Outcome | None, *, repeats: bool = False) -> EndedTask:
        """What it comes to; the outcome is worked out where it is not told."""
        if outcome is None:
            failed = self.cause is not None and Kind.SUCCESS not in self.counts
            outcome = Outcome.FAILED if failed else Outcome.COMPLETED
        self._doubt_stamps()
        ms, coarse = self._stages()
        total, queue = ms.get(Stage.TOTAL), ms.get(Stage.QUEUE)
        return EndedTask(
            id=self.id,
            outcome=outcome,
            own=False,
            begun=self.first.get(Kind.CREATED, self.first.get(Kind.STARTED)),
            ended=self.last.get(Kind.COMPLETED),
            ms=ms,
            coarse=coarse,
            waited_ms=None if total is None else total + (queue or 0.0),
            attempts=self.attempts,
            lost_ms=self._lost_ms(),
            cause=self.cause if outcome is Outcome.FAILED else None,
            cache="none" if self.attempts else None,
            degraded=self.degraded,
            lookups=self.counts.get(Kind.RETRIEVED, 0) + self.counts.get(Kind.QUERY, 0),
            booked_lookups=self.booked_lookups if "LLM" in self.perf else 0,
            lookup_ms=self._lookup_ms(),
            lot_cached=self.cached,
            polled_ms=self._between(Kind.CREATED, Kind.SUBMITTED),
            repeats=repeats,
            last_stage=self._last_stage() if outcome is Outcome.UNFINISHED else None,
        )

    def _stages(self) -> tuple[dict[Stage, float], frozenset[Stage]]:
        """Figures where the log has them, else what lies between stamps."""
        checked = self._at(Kind.DATABASE_VALIDATED) or self._at(Kind.VALIDATED)
        spans = {
            Stage.QUEUE: self._between(Kind.CREATED, Kind.STARTED),
            Stage.RETRIEVAL: self._retrieval_ms(),
            Stage.GENERATION: _apart(self._generation_begun(), self._of(_WRITTEN)),
            Stage.VALIDATION: _apart(self._at(Kind.VALIDATED), self._of(_AT_THE_END)),
            Stage.FAQ: _apart(checked, self._at(Kind.FAQ)),
            Stage.TOTAL: self._between(Kind.STARTED, Kind.COMPLETED),
        }
        found = {stage: ms for stage, ms in spans.items() if ms is not None and self.trusted}
        coarse = set() if self.fine else set(found)
        told = {
            Stage.RETRIEVAL: self.perf.get("RAG"),
            Stage.GENERATION: self.perf.get("LLM"),
            Stage.VALIDATION: self.perf.get("Validation"),
            Stage.OTHER: self.perf.get("Other"),
            Stage.TOTAL: self.perf.get("Total", self.perf.get("worker")),
        }
        for stage, ms in told.items():
            if ms is not None:
                found[stage] = ms
                coarse.discard(stage)
        return found, frozenset(coarse)

    def _doubt_stamps(self) -> None:
        """A clock that was set meanwhile shows in the worker's own figure."""
        by_stamps, told = self._between(Kind.STARTED, Kind.COMPLETED), self.perf.get("worker")
        if by_stamps is not None and told is not None and abs(by_stamps - told) > _APART_MS:
            self.trusted = False

    def _retrieval_ms(self) -> float | None:
        if Kind.QUERY not in self.first and Kind.RETRIEVED not in self.first:
            return None
        begun = self.first.get(Kind.GET_POEM, self.first.get(Kind.PROCESSING, self.first.get(Kind.STARTED)))
        return _apart(begun, max(self.last[kind] for kind in _LOOKUPS if kind in self.last))

    def _generation_begun(self) -> float | None:
        """Where the line of the attempt is missing, the last lookup was just before it."""
        begun = self.first.get(Kind.ATTEMPT)
        return self.last.get(Kind.QUERY) if begun is None else begun

    def _lost_ms(self) -> float:
        """From the first attempt to the last: what came of those before it was thrown away."""
        lost = _apart(self.first.get(Kind.ATTEMPT), self.last.get(Kind.ATTEMPT))
        return lost if lost is not None and self.trusted else 0.0

    def _lookup_ms(self) -> float | None:
        """One lookup, where the log has a figure for those before the model was asked."""
        before = self.counts.get(Kind.RETRIEVED, 0) + self.counts.get(Kind.QUERY, 0) - self.booked_lookups
        return self.perf["RAG"] / before if "RAG" in self.perf and before > 0 else None

    def _last_stage(self) -> str:
        if self.attempts:
            checked = Kind.DATABASE_VALIDATED in self.counts
            written = Stage.FAQ if checked else Stage.VALIDATION
            return (written if Kind.VALIDATED in self.counts else Stage.GENERATION).value
        return Stage.RETRIEVAL.value if Kind.STARTED in self.counts else Stage.QUEUE.value

    def _at(self, kind: Kind) -> float | None:
        return self.last.get(kind)

    def _of(self, kinds: tuple[Kind, ...]) -> float | None:
        """When the first of these kinds that was seen at all was seen last."""
        return next((self.last[kind] for kind in kinds if kind in self.last), None)

    def _between(self, start: Kind, end: Kind) -> float | None:
        return _apart(self.first.get(start), self.last.get(end))


def _apart(start: float | None, end: float | None) -> float | None:
    """Milliseconds; None where one is missing or the clock went back in between."""
    return (end - start) * 1000 if start is not None and end is not None and end >= start else None
