"""What `/metrics` shows (Prometheus text). Names begin `jieqian_` and end in their unit; no label tells a person."""

from __future__ import annotations

import asyncio
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
#: Seconds. Among them the limits a reading is held to: 2 (kept answer), 5 (first text), 12 to 18 (mean), 22 (P95), and
#: 40, where the older system stood.
_SECONDS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 10, 12, 15, 18, 20, 22, 25, 30, 40, 60),
    *(120, 300, 600),
)
_TOKENS_PER_SECOND = (1, 2, 5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 500, 1000)
_LABELS = ("mode", "strategy", "provider", "model")
_LABEL_KEYS = ("mode", "strategy", "llm_provider", "llm_model")
#: So many models and collections get series of their own; those after them are counted as `other`: an operator may
#: try any number of models and import any number of collections, and a page of metrics has to stay small.
MOST_MODELS, MOST_COLLECTIONS = 20, 50
_LONGEST_VALUE = 100
OTHER = "other"


class _Gauges(Collector):
    """Read when Prometheus asks, by `look`; shown as they then were."""

    def __init__(self) -> None:
        self._seen: list[Metric] = []
        self.readers: dict[str, tuple[str, Callable[[], dict[str, float]], str]] = {}
        self.totals: dict[str, tuple[str, Callable[[], float]]] = {}

    def collect(self) -> Iterator[Metric]:
        return iter(self._seen)

    def look(self) -> None:
        """Ask every reader."""
        self._seen = [*self._look()]

    def _look(self) -> Iterator[Metric]:
        for name, (text, read, label) in self.readers.items():
            family = GaugeMetricFamily(name, text, labels=[label])
            for value, number in read().items():
                family.add_metric([value], number)
            yield family
        for name, (text, total) in self.totals.items():
            yield CounterMetricFamily(name, text, value=total())


class _Bounded:
    """Values of a label: the first so many as they are, all others as one."""

    def __init__(self, most: int) -> None:
        self._most, self._known = most, set[str]()

    def __call__(self, value: str) -> str:
        value = value[:_LONGEST_VALUE]
        if value not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(value)
        return value


class Metrics:
    """The counters and histograms of one process."""

    def __init__(self) -> None:
        # Its `_created` series say when a counter began, and end in no unit.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._gauges = _Gauges()
        self.registry.register(self._gauges)
        self._model, self._collection = _Bounded(MOST_MODELS), _Bounded(MOST_COLLECTIONS)
        counter, histogram = self._counter, self._histogram
        # Every task that ended, by how it ended and where its answer came from.
        ended = ("status", "cache_hit")
        self._tasks = counter("jieqian_tasks", "Tasks that ended", (*ended, "degraded", *_LABELS))
        self._total = histogram("jieqian_reading_seconds", "Time from request to the last event", (*ended, *_LABELS))
        self._stages = histogram("jieqian_stage_seconds", "Time of a task by stage", ("stage", *ended, "mode"))
        self._of_collection = histogram(
            "jieqian_collection_reading_seconds",
            "Time from request to the last event, by what was read and in which language",
            (*ended, "collection", "language"),
        )
        self._first_event = histogram("jieqian_first_event_seconds", "Request to the first event", ("mode",))
        self._first_token = histogram("jieqian_first_token_seconds", "Request to the first token", _LABELS)
        self._tokens = counter("jieqian_model_tokens", "Tokens read and written by models", ("kind", *_LABELS))
        self._pace = histogram(
            "jieqian_model_tokens_per_second", "Tokens a model wrote a second", _LABELS, _TOKENS_PER_SECOND
        )
        self._attempts = counter("jieqian_attempts", "Attempts at missing sections", _LABELS)
        self._retried = counter("jieqian_tasks_retried", "Tasks that took more than one attempt", _LABELS)
        self._faults = counter("jieqian_model_faults", "Tasks a model failed in, by how it last did", ("cause",))
        self._sections = counter("jieqian_sections", "Sections of ended tasks, by who wrote them", ("source", "mode"))
        self._care = counter("jieqian_care_answers", "Questions answered with help lines", ("kind",))
        self._accepted = counter("jieqian_tasks_accepted", "Tasks accepted", ("collection", "language"))
        self._faq = counter("jieqian_faq_candidates", "Readings looked at for the FAQ", ("outcome",))
        self._faq_time = histogram("jieqian_faq_seconds", "Time for the FAQ after a reading's end", ("outcome",))

    def gauge(self, name: str, text: str, label: str, read: Callable[[], dict[str, float]]) -> None:
        """Show values that are read when asked for, one a label value."""
        self._gauges.readers[name] = (text, read, label)

    def total(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Show a count kept elsewhere."""
        self._gauges.totals[name] = (text, read)

    def task_accepted(self, collection: str, language: str) -> None:
        """Count an accepted task."""
        self._accepted.labels(self._collection(collection), language).inc()

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
        mode, strategy, provider, model = (str(timings.get(key) or "none") for key in _LABEL_KEYS)
        labels = (mode, strategy, provider, self._model(model))
        ended = (status, str(timings.get("cache_hit") or "none"))
        degraded = bool(timings.get("degraded"))
        seconds = (timings.get("total_time_ms") or 0) / 1000
        self._tasks.labels(*ended, str(degraded).lower(), *labels).inc()
        self._total.labels(*ended, *labels).observe(seconds)
        for stage, key in _STAGES.items():
            self._stages.labels(stage, *ended, mode).observe((timings.get(key) or 0) / 1000)
        collection, language = (str(timings.get(key) or "none") for key in ("collection", "language"))
        self._of_collection.labels(*ended, self._collection(collection), language).observe(seconds)
        if timings.get("time_to_first_event_ms") is not None:
            self._first_event.labels(mode).observe(timings["time_to_first_event_ms"] / 1000)
        self._count_sections(timings, mode)
        if ended[1] == "none":  # else the model's work was another task's, and is counted there
            self._count_model(timings, labels)

    def _count_sections(self, timings: dict[str, Any], mode: str) -> None:
        from_model = timings.get("sections_from_model") or 0
        commentary = max(0, len(timings.get("section_ms") or ()) - from_model)
        for source, number in (("model", from_model), ("commentary", commentary)):
            self._sections.labels(source, mode).inc(number)

    def _count_model(self, timings: dict[str, Any], labels: tuple[str, ...]) -> None:
        attempts = timings.get("attempts") or 0
        self._attempts.labels(*labels).inc(attempts)
        self._retried.labels(*labels).inc(attempts > 1)
        if timings.get("time_to_first_token_ms") is not None:
            self._first_token.labels(*labels).observe(timings["time_to_first_token_ms"] / 1000)
        if timings.get("tokens_per_second") is not None:
            self._pace.labels(*labels).observe(timings["tokens_per_second"])
        if timings.get("model_error"):
            self._faults.labels(timings["model_error"]).inc()
        for kind in ("prompt", "completion"):
            self._tokens.labels(kind, *labels).inc(timings.get(f"{kind}_tokens") or 0)

    async def page(self) -> bytes:
        """The page. What is counted elsewhere is looked at here; the writing, up to 40 ms of it, is a thread's work."""
        self._gauges.look()
        return await asyncio.to_thread(generate_latest, self.registry)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...] = _SECONDS
    ) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=buckets)
