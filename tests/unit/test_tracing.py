"""When traces are kept, and which; what is in them tests/acceptance/test_traces.py looks at."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from jieqian.errors import UsageError
from jieqian.events.event import Stage
from jieqian.fitting import make_traces
from jieqian.reading.reading import timings_of
from jieqian.settings import Settings, load_settings
from jieqian.testing.sample_tasks import sample_task
from jieqian.tracing.export import CollectorExporter
from jieqian.tracing.otel import OtelTraces
from jieqian.tracing.traces import NO_TRACES

SOMEWHERE = "http://127.0.0.1:9"
LOADS_THE_SERVICE = """
import sys
import jieqian.cli.server
from jieqian.fitting import make_traces
from jieqian.settings import Settings
from jieqian.tracing.traces import NO_TRACES
assert make_traces(Settings(_env_file=None)) is NO_TRACES
loaded = [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
assert not loaded, loaded
"""


class Kept(CollectorExporter):
    """Keeps spans in place of sending them."""

    def __init__(self) -> None:
        super().__init__(f"{SOMEWHERE}/v1/traces")
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


@pytest.fixture(autouse=True)
def no_collector_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "PROTOCOL", "TRACES_PROTOCOL"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)


def test_without_an_endpoint_nothing_is_loaded_for_traces() -> None:
    ended = subprocess.run([sys.executable, "-c", LOADS_THE_SERVICE], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", ["JIEQIAN_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_the_endpoint_goes_by_either_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, SOMEWHERE)
    assert Settings(_env_file=None).otlp_endpoint == SOMEWHERE
    monkeypatch.setenv(name, "127.0.0.1:4318")
    with pytest.raises(UsageError, match=r"OTLP_ENDPOINT: an address begins with http"):
        load_settings()


@pytest.mark.parametrize(("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")])
def test_the_sdks_own_switches_turn_them_off(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert make_traces(Settings(_env_file=None, otlp_endpoint=SOMEWHERE)) is NO_TRACES


def test_another_protocol_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(UsageError, match=r"OTEL_EXPORTER_OTLP_PROTOCOL is grpc.*4318"):
        make_traces(Settings(_env_file=None, otlp_endpoint=SOMEWHERE))


@pytest.mark.parametrize("sampler", ["traceidratio", "parentbased_traceidratio"])
def test_of_a_sample_each_trace_is_whole_or_missing(monkeypatch: pytest.MonkeyPatch, sampler: str) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    kept = Kept()
    traces = OtelTraces(kept)
    for _ in range(40):
        task = sample_task(id=str(uuid.uuid4()), created_at=time.time())
        traces.accepted(task, None)
        delivery = traces.delivery(task)
        delivery.picked_up(1.0)
        with delivery.stage(Stage.GENERATION), delivery.stage(Stage.VALIDATION):
            pass
        traces.reading_ended(timings_of(task, {"total_time_ms": 1.0}), "completed")
    asyncio.run(traces.close())
    names: dict[int, list[str]] = {}
    for span in kept.spans:
        names.setdefault(span.context.trace_id, []).append(span.name)
    assert 4 < len(names) < 36
    assert {tuple(sorted(found)) for found in names.values()} == {
        ("accept", "generation", "queue", "reading", "validation")
    }


def test_what_no_worker_had_begins_with_its_request_however_late_it_is_told() -> None:
    kept = Kept()
    traces = OtelTraces(kept)
    task = sample_task(id=str(uuid.uuid4()), created_at=time.time() - 60)
    traces.accepted(task, None)
    traces.reading_ended(timings_of(task, {"total_time_ms": 1_500.0}), "stopped", task.created_at)
    asyncio.run(traces.close())
    spans = {span.name: span for span in kept.spans}
    assert spans["reading"].start_time == spans["accept"].start_time == round(task.created_at * 1e9)
    assert spans["reading"].end_time - spans["reading"].start_time == 1_500_000_000
