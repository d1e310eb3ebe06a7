"""A collector of traces: OTLP over HTTP, in a thread of the test, so that it can fail, stall and come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

PATH = "/v1/traces"


@dataclass(frozen=True)
class Span:
    """One span as it came in; ids in hexadecimal, times in nanoseconds."""

    trace: str
    id: str
    parent: str
    name: str
    kind: int
    start: int
    end: int
    failed: bool
    scope: str
    attributes: dict[str, Any]
    links: list[str]

    @property
    def ms(self) -> float:
        return (self.end - self.start) / 1e6


@dataclass
class Collector:
    """`status` answers what comes; `stalls` holds every answer back until it is set."""

    url: str
    status: int = 200
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    tries: int = 0
    stalls: threading.Event | None = None

    @property
    def spans(self) -> list[Span]:
        """All that were taken, oldest first."""
        return [span for body in list(self.bodies) for span in _spans(body)]

    def of(self, task_id: str) -> list[Span]:
        """A task's spans, by when they began."""
        trace = task_id.replace("-", "")
        return sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.start)

    def whole(self, task_id: str, seconds: float = 30.0) -> list[Span]:
        """A task's spans, once its root is there (it is the last to be written)."""
        until = time.monotonic() + seconds
        while True:
            found = self.of(task_id)
            if any(span.name == "reading" for span in found):
                return found
            assert time.monotonic() < until, [span.name for span in found]
            time.sleep(0.02)


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close = True, False

    def handle_error(self, *_: Any) -> None:
        """A program that ends leaves its connection."""


@contextmanager
def collecting(port: int = 0) -> Iterator[Collector]:
    """A collector for the length of the block; by leaving it goes away."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.tries += 1
            if collector.stalls is not None:
                collector.stalls.wait(60)
            status = collector.status if self.path == PATH else 404
            if status == 200:
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                collector.bodies.append(body)
            answer = ExportTraceServiceResponse().SerializeToString() if status == 200 else b"no"
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = _Server(("127.0.0.1", port), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        if collector.stalls is not None:
            collector.stalls.set()
        server.shutdown()
        server.server_close()


def below(spans: Sequence[Span], parent: Span) -> list[Span]:
    """The spans right below one."""
    return [span for span in spans if span.parent == parent.id]


def _spans(body: bytes) -> Iterator[Span]:
    request = ExportTraceServiceRequest.FromString(body)
    for of_resource in request.resource_spans:
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield Span(
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    name=span.name,
                    kind=span.kind,
                    start=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    failed=span.status.code == 2,
                    scope=of_scope.scope.name,
                    attributes={each.key: _value(each.value) for each in span.attributes},
                    links=[link.trace_id.hex() for link in span.links],
                )


def _value(told: AnyValue) -> Any:
    kind = told.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in told.array_value.values]
    return getattr(told, kind) if kind else None
