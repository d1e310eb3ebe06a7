"""Logs that are broken, foreign, huge or hostile: all that can be read is, and the rest is counted."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from analysed import EXCERPT, analysed, document, older_log, older_task

from jieqian.analysis.analysis import Analysis, analyze
from jieqian.analysis.html import html
from jieqian.analysis.markdown import markdown, plain
from jieqian.analysis.source import LONGEST_LINE, Unreadable, _split, find_source
from jieqian.analysis.tables import tables

TASK = older_log(older_task("first", "worker-1", 0, 1, seconds=10))
GENERATION = 10_000
HOSTILE = "\x1b[31m<script>alert(1)</script>|`x`[a](javascript:b)\x9b<img src=x onerror=y>"


def figures(folder: Path, *logs: bytes | str) -> tuple[int, float | None]:
    told = document(folder, *logs)
    return told["tasks"]["completed"], told["stages"]["generation"]["mean_ms"]


@pytest.mark.parametrize(
    "log",
    [
        TASK.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + TASK.encode(),
        TASK.encode("utf-16"),
        TASK.encode("utf-16-le"),
        TASK.encode("utf-16-be"),
        TASK.replace("Will plan 1", "我的計畫會順利嗎").encode("big5"),
        TASK.replace("Will plan 1", "上籤上籤").encode("utf-16"),
        gzip.compress(TASK.encode()),
        gzip.compress(TASK[:400].encode()) + gzip.compress(TASK[400:].encode()),
        b"\x00\xff\xfe\x80 not a line\n" * 5 + TASK.encode() + b"\x00" * 100,
        TASK.encode() + TASK.encode("utf-16-le")[:80],
        TASK.encode() + b"2026-01-02 10:00:20 - cut in the mid",
    ],
    ids=(
        *("crlf", "utf-8-bom", "utf-16", "utf-16-le", "utf-16-be", "big5", "utf-16 with newline bytes", "gzip"),
        *("gzip of two parts", "binary", "mixed", "cut"),
    ),
)
def test_what_can_be_read_is(tmp_path: Path, log: bytes) -> None:
    assert figures(tmp_path, log) == (1, GENERATION)


def test_encodings_mixed_line_by_line(tmp_path: Path) -> None:
    lines = TASK.replace("Will plan 1", "計畫順利").splitlines(keepends=True)
    mixed = b"".join(line.encode("big5" if number % 2 else "utf-8") for number, line in enumerate(lines))
    assert figures(tmp_path, mixed) == (1, GENERATION)


def test_truncated_gzip_is_read_to_its_end_and_told(tmp_path: Path) -> None:
    noise = "".join(f"10:00:00 - note {number * 7919 % 100_003}\n" for number in range(20_000))
    whole = gzip.compress((TASK + noise).encode())
    told = document(tmp_path, whole[: len(whole) * 3 // 4])
    assert told["tasks"]["completed"] == 1
    assert any("ends in the middle" in note for note in told["notes"])
    damaged = bytearray(whole)
    damaged[len(whole) * 3 // 4 : -2000] = bytes(len(damaged[len(whole) * 3 // 4 : -2000]))
    told = document(tmp_path, bytes(damaged))
    assert told["tasks"]["completed"] == 1
    assert any("damaged" in note for note in told["notes"])


def test_a_line_without_end_is_never_held() -> None:
    held = 0

    def chunks() -> Iterator[bytes]:
        yield b"first\n"
        for _ in range(500):
            yield b"x" * 65_536
        yield b"\nlast\n" + b"y" * (LONGEST_LINE + 5) + b"\nend"

    lines, too_long = [], 0
    for batch in _split(chunks()):
        lines += batch.lines
        too_long += batch.too_long
        held = max(held, sum(map(len, batch.lines)))
    assert (lines, too_long) == ([b"first", b"last", b"end"], 2)
    assert held < LONGEST_LINE


@pytest.mark.parametrize(
    ("begin", "filling"),
    [
        ("2026-01-02 10:00:00 - app - INFO - [PERF_SUMMARY] Task a: ", "a"),
        ("2026-01-02 10:00:00,000 INFO    jieqian.reading.record task_ended task_id=a", " llm_model="),
        ("2026-01-02 10:00:00,000 ERROR   jieqian.app ", "a=b "),
        ("2026-01-02 10:00:00 - app - ERROR - Error processing task a: ", "( "),
    ],
)
def test_lines_made_to_be_slow_are_read_as_fast_as_others(tmp_path: Path, begin: str, filling: str) -> None:
    line = (begin + filling * LONGEST_LINE)[: LONGEST_LINE - 1] + "\n"
    told = document(tmp_path, line * 400)  # a pattern that looks from every letter on would need an hour
    assert told["lines"] + told["unreadable_lines"] == 400


def test_a_log_full_of_names_does_not_hide_a_known_one(tmp_path: Path) -> None:
    ended = (
        "2026-01-02 10:00:00,000 INFO    jieqian.reading.record task_ended status=completed task_id={} cache_hit={}\n"
    )
    names = [f"name{number}" for number in range(300)]
    told = document(
        tmp_path, "".join(ended.format(number, name) for number, name in enumerate(["none", *names, "none"]))
    )
    assert told["cache"]["none"] == 2


def test_each_line_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    bad = ["nonsense", "{", '{"asctime": 7}', "2026-99-99 10:00:00 - x", "99:99:99 - x", "\x7fELF", "[]", "null"]
    told = document(tmp_path, "\n".join([*bad, "", "   ", TASK]))
    assert told["unreadable_lines"] == len(bad)
    assert told["tasks"]["completed"] == 1


def test_no_task_is_told_with_the_reason(tmp_path: Path) -> None:
    told = document(tmp_path, "nothing\nof use\n")
    assert told["tasks"]["total"] == 0
    assert told["unreadable_lines"] == 2
    assert any("No task was found" in note for note in told["notes"])
    assert told["findings"] == []


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400", "-5", "true", '"x"', "[]", "{}", "null", "9" * 400])
def test_figures_that_are_none_are_left_out(tmp_path: Path, value: str) -> None:
    line = (
        '{"asctime": "2026-11-29 12:00:00,500", "levelname": "INFO", "name": "jieqian.reading.record", "message": '
        f'"task_ended", "status": "completed", "task_id": "a", "llm_generation_ms": {value}, "attempts": {value}, '
        f'"total_time_ms": 5.0, "llm_model": {value}}}'
    )
    told = document(tmp_path, line)
    assert told["stages"]["generation"]["mean_ms"] is None
    assert told["unreadable_lines"] + told["tasks"]["completed"] == 1
    json.dumps(told, allow_nan=False)


def hostile(folder: Path) -> Analysis:
    failed = [
        (0, f"x - INFO - Worker worker-1 starting task {'t' * 60}"),
        (1, f"x - ERROR - Error processing task {'t' * 60}: {HOSTILE}"),
        (2, f"x - INFO - Worker worker-1 completed task {'t' * 60} in 2.00s"),
    ]
    ended = {
        "asctime": "2026-01-02 10:00:00,1",
        "levelname": "INFO",
        "name": "jieqian.reading.record",
        "message": "task_ended",
        "status": "completed",
        "task_id": HOSTILE,
        "llm_model": HOSTILE,
        "attempts": 1,
        "llm_generation_ms": 5.0,
        "total_time_ms": 6.0,
        "cache_hit": HOSTILE,
    }
    return analysed(
        folder, older_log(failed) + json.dumps(ended) + "\n" + json.dumps({**ended, "llm_model": "b", "task_id": "2"})
    )


class Tags(HTMLParser):
    """The tags of a page, and whether they were all closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


def test_html_in_lines_stays_text_and_the_page_has_no_script(tmp_path: Path) -> None:
    page = html(hostile(tmp_path))
    found = Tags()
    found.feed(page)
    assert not {"script", "img", "a", "iframe", "object", "link"} & set(found.tags)
    assert not {name for name in found.attributes if name.startswith("on") or name in ("style", "href", "src")}
    assert found.tags.count("svg") >= 2, "the stages and the slowest tasks are drawn"
    assert "&lt;script&gt;" in page
    assert re.search(r"default-src &#39;none&#39;|default-src 'none'", page)


def test_pictures_stand_beside_tables_with_the_same_figures(tmp_path: Path) -> None:
    page = html(analysed(tmp_path, EXCERPT))
    picture = page[page.index("<svg") : page.index("</svg>")]
    table = page[page.index("<table") : page.index("</table>")]
    for figure in ("36 ± 1 s", "37.08 s"):
        assert figure in picture
        assert figure in table


def test_markdown_stays_a_table_whatever_a_line_holds(tmp_path: Path) -> None:
    told = markdown(hostile(tmp_path))
    assert "<script" not in told
    assert "<img" not in told
    rows = [line for line in told.splitlines() if line.startswith("|")]
    for table in tables(hostile(tmp_path)):
        wide = len(table.heads)
        of_it = [row for row in rows if len(re.findall(r"(?<!\\)\|", row)) == wide + 1]
        assert len(of_it) >= len(table.rows) + 2
    assert plain("a|b`c`") == r"a\|b\`c\`"


def test_files_that_cannot_be_read_are_told_in_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty.log"
    empty.touch()
    for path, words in ((tmp_path, "is a folder"), (tmp_path / "none.log", "cannot be read"), (empty, "is empty")):
        with pytest.raises(Unreadable, match=words):
            find_source(str(path))
    with pytest.raises(Unreadable, match="no name of a file"):
        find_source("a\0b")


def test_gzip_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(b"\x1f\x8b" + b"nothing of the kind")
    told = analyze([find_source(str(path))], 5)
    assert told.nothing
    assert "damaged" in told.troubles[0]


def test_stdin_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(TASK.encode()))))
    told = analyze([find_source("-")], 5)
    assert told.tally.completed == 1
    assert told.names == ["stdin"]
