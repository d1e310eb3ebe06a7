"""Figures, reports and streams of the benchmarks: what is told is what was measured."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jieqian.bench.charts import Chart, can_draw
from jieqian.bench.figures import percentile, shown, summarize
from jieqian.bench.load import allow_files
from jieqian.bench.machine import describe_machine, in_words
from jieqian.bench.overhead import first_text_sent
from jieqian.bench.replay import Replay, requests_of
from jieqian.bench.report import Report, Table
from jieqian.bench.streams import StreamReader
from jieqian.errors import UsageError


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300))
def test_every_percentile_is_a_sample_that_was_seen(samples: list[float]) -> None:
    told = summarize(samples)
    assert {told.p50, told.p95, told.p99, told.least, told.most} <= set(samples)
    assert told.least <= told.p50 <= told.p95 <= told.p99 <= told.most
    assert sum(sample <= told.p95 for sample in samples) >= 0.95 * len(samples)


def test_percentiles_by_the_nearest_rank() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert [percentile(ordered, percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]
    with pytest.raises(ValueError, match="no samples"):
        summarize([])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.1234, "0.12"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234"), (-3.2, "-3.20")],
)
def test_three_digits_are_shown(value: float, text: str) -> None:
    assert shown(value) == text


def test_a_report_is_written_with_its_picture(tmp_path: Path) -> None:
    machine = describe_machine()
    chart = Chart(title="t", kind="bars", places=["a", "b"], series={"s": [1.0, 2.0]}, unit="ms")
    report = Report(
        name="r",
        title="A report",
        machine=machine,
        figures={"n": 3},
        tables=[Table("T", ("a", "b"), [("1", "2")])],
        charts=[chart],
        notes=["noted"],
    )
    written = report.write(tmp_path / "new")
    assert [path.name for path in written] == ["r.md", "r.json", "r.svg"][: 3 if can_draw() else 2]
    assert json.loads((tmp_path / "new" / "r.json").read_text(encoding="utf-8"))["machine"] == machine
    page = (tmp_path / "new" / "r.md").read_text(encoding="utf-8")
    assert "| 1 | 2 |" in page
    assert in_words(machine) in page
    assert ("(r.svg)" in page) is can_draw()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        report.write(tmp_path / "file")


def chunked(*pieces: bytes) -> bytes:
    return b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)


def reader_of(*arrivals: tuple[float, bytes]) -> StreamReader:
    reader = StreamReader(b"")
    reader.got.extend(arrivals)
    return reader


@pytest.mark.parametrize("size", [1, 3, 17, 1000])
def test_a_stream_is_taken_apart_however_it_arrived(size: int) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    frames = [f'id: {n}\nevent: section_delta\ndata: {{"text":"字{n}"}}\n\n'.encode() for n in range(5)]
    body = chunked(
        b"retry: 2000\n\n", frames[0], frames[1] + frames[2][:9], frames[2][9:], b": still here\n\n", *frames[3:]
    )
    raw = head + body + b"0\r\n\r\n"
    reader = reader_of(*((float(at), raw[at : at + size]) for at in range(0, len(raw), size)))
    assert reader.status == 200
    assert [frame.data["text"] for frame in reader.frames()] == [f"字{n}" for n in range(5)]
    for number, frame in enumerate(reader.frames()):
        end = raw.index(f'字{number}"}}\n'.encode()) + len(f'字{number}"}}\n'.encode())
        assert frame.at <= end + 15 + size, "not later than the end of the chunk it came in"
        assert frame.at >= end - size


def test_when_each_sections_first_letter_left_the_model() -> None:
    text = '{"line_by_line": ["a"], "overall_development": "slow", "conclusion": "go"}'
    pieces = [text[at : at + 4] for at in range(0, len(text), 4)]
    call = {"pieces": pieces, "sent_at": [float(number) for number in range(len(pieces))]}
    sent = first_text_sent(call)
    assert sent == {"overall_development": text.index("slow") // 4, "conclusion": text.index('go"') // 4}


def test_more_files_than_the_system_allows_is_told() -> None:
    with pytest.raises(UsageError, match="ulimit"):
        allow_files(1 << 40)


def test_the_replayed_set_is_the_same_each_time_and_few_are_asked_often() -> None:
    bodies = requests_of(Replay(requests=400))
    assert bodies == requests_of(Replay(requests=400))
    counts = sorted(Counter(json.dumps(body) for body in bodies).values(), reverse=True)
    assert counts[0] > 20
    assert counts.count(1) > 50
    assert {body["language"] for body in bodies} == {"zh-Hant", "zh-Hans", "en", "ja"}
