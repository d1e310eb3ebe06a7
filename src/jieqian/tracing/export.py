"""Sends spans to a collector, beside the readings: a collector that fails is told of once, and once when it is back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk import _shared_internal as batching
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

logger = logging.getLogger(__name__)

#: A batch smaller than this was all that waited (the SDK's largest batch is OTEL_BSP_MAX_EXPORT_BATCH_SIZE, 512).
_DRAINED_BELOW = 64


class CollectorExporter(SpanExporter):
    """OTLP over HTTP, as OTEL_EXPORTER_OTLP_… say, to `endpoint` (with its path); called by the SDK's own thread."""

    def __init__(self, endpoint: str) -> None:
        self.failing = False
        self._dropping = False
        self._why = ""
        self._sender = trace_exporter.OTLPSpanExporter(endpoint=endpoint)
        # The SDK logs every try and every dropped span; what matters of that is told here.
        for source, hear in ((trace_exporter, self._hear_failure), (batching, self._hear_drop)):
            theirs = logging.getLogger(source.__name__)
            theirs.handlers, theirs.propagate = [_Hearing(hear)], False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them; tells of a change from well to ill or back."""
        result = self._sender.export(spans)
        if result is not SpanExportResult.SUCCESS:
            if not self.failing:
                self.failing = True
                logger.warning(
                    "traces are not taken; readings go on without",
                    extra={"action": "traces_not_taken", "reason": self._why or "unknown"},
                )
            return result
        if len(spans) < _DRAINED_BELOW:
            self._dropping = False
        if self.failing:
            self.failing = False
            logger.info("traces are taken again", extra={"action": "traces_taken"})
        return result

    def shutdown(self) -> None:
        """Close the connection; a try under way ends, at the latest after its timeout."""
        self._sender.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return True

    def _hear_failure(self, record: logging.LogRecord) -> None:
        """Keep a status or a kind of error: the words of either may hold an address with a key in it."""
        for told in record.args if isinstance(record.args, tuple) else ():
            if isinstance(told, BaseException):
                self._why = type(told).__name__
            elif isinstance(told, int) and not isinstance(told, bool):
                self._why = str(told)

    def _hear_drop(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING or self.failing or self._dropping:
            return
        self._dropping = True
        logger.warning(
            "traces come faster than they are taken; the oldest are dropped", extra={"action": "traces_dropped"}
        )


class _Hearing(logging.Handler):
    def __init__(self, hear: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self._hear(record)
