"""What `/metrics` shows (Prometheus text). Names begin `jieqian_` and end in their unit; no label tells a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_STAGES = {
    "queue": "queue_wait_ms",
    "poem": "poem_lookup_ms",
    "retrieval": "rag_retrieval_ms",
    "generation": "llm_generation_ms",
    "validation": "validation_ms",
    "other": "other_ms",
}
_STAGE_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
_LABELS = ("mode", "strategy", "provider", "model")


class _Gauges(Collector):
    """Read when Prometheus asks."""

    def __init__(self) -> None:
        self.readers: dict[str, tuple[str, Callable[[], dict[str, float]], str]] = {}
        self.totals: dict[str, tuple[str, Callable[[], float]]] = {}

    def collect(self) -> Iterator[Metric]:
        for name, (text, read, label) in self.readers.items():
            family = GaugeMetricFamily(name, text, labels=[label])
            for value, number in read().items():
                family.add_metric([value], number)
            yield family
        for name, (text, total) in self.totals.items():
            yield CounterMetricFamily(name, text, value=total())


class Metrics:
    """The counters and histograms of one process."""

    def __init__(self) -> None:
        # Its `_created` series say when a counter began, and end in no unit.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._gauges = _Gauges()
        self.registry.register(self._gauges)
        self._tasks = self._counter("jieqian_tasks", "Tasks that ended", ("status", "degraded", *_LABELS))
        self._stages = self._histogram("jieqian_stage_seconds", "Time of a task by stage", ("stage", "mode"))
        self._total = self._histogram("jieqian_reading_seconds", "Time from request to the last event", _LABELS)
        self._first_token = self._histogram("jieqian_first_token_seconds", "Request to the first token", _LABELS)
        self._tokens = self._counter("jieqian_model_tokens", "Tokens read and written by models", ("kind", *_LABELS))
        self._attempts = self._counter("jieqian_attempts", "Attempts at missing sections", _LABELS)
        self._care = self._counter("jieqian_care_answers", "Questions answered with help lines", ("kind",))
        self._accepted = self._counter("jieqian_tasks_accepted", "Tasks accepted", ("collection", "language"))
        self._faq = self._counter("jieqian_faq_candidates", "Readings looked at for the FAQ", ("outcome",))
        self._faq_time = self._histogram("jieqian_faq_seconds", "Time for the FAQ after a reading's end", ("outcome",))

    def gauge(self, name: str, text: str, label: str, read: Callable[[], dict[str, float]]) -> None:
        """Show values that are read when asked for, one a label value."""
        self._gauges.readers[name] = (text, read, label)

    def total(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Show a count kept elsewhere."""
        self._gauges.totals[name] = (text, read)

    def task_accepted(self, collection: str, language: str) -> None:
        """Count an accepted task."""
        self._accepted.labels(collection, language).inc()

    def care_given(self, kind: str) -> None:
        """Count a question answered with help lines: the only trace it leaves here."""
        self._care.labels(kind).inc()

    def faq_done(self, outcome: str, seconds: float | None) -> None:
        """Count a reading looked at for the FAQ: `made`, or why there is no candidate; None: no time was taken."""
        self._faq.labels(outcome).inc()
        if seconds is not None:
            self._faq_time.labels(outcome).observe(seconds)

    def reading_ended(self, timings: dict[str, Any], status: str) -> None:
        """Count a task that ended, by its timings (contract, section 4; milliseconds)."""
        labels = [str(timings.get(key) or "none") for key in ("mode", "strategy", "llm_provider", "llm_model")]
        self._tasks.labels(status, str(bool(timings.get("degraded"))).lower(), *labels).inc()
        for stage, key in _STAGES.items():
            self._stages.labels(stage, labels[0]).observe((timings.get(key) or 0) / 1000)
        self._total.labels(*labels).observe((timings.get("total_time_ms") or 0) / 1000)
        self._attempts.labels(*labels).inc(timings.get("attempts") or 0)
        if timings.get("time_to_first_token_ms") is not None:
            self._first_token.labels(*labels).observe(timings["time_to_first_token_ms"] / 1000)
        for kind in ("prompt", "completion"):
            self._tokens.labels(kind, *labels).inc(timings.get(f"{kind}_tokens") or 0)

    def text(self) -> bytes:
        """The page."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=_STAGE_BUCKETS)
