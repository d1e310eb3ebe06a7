"""A reading told on a terminal: one section at a time, whatever order its pieces come in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fake_terminal import a_terminal

from jieqian.cli.telling import TextTeller
from jieqian.reading.reading import TIMING_KEYS

TIMINGS: dict[str, Any] = dict.fromkeys(TIMING_KEYS) | {"sections_from_model": 7, "total_time_ms": 1500.0}


def tell(monkeypatch: pytest.MonkeyPatch, *events: tuple[str, str, str], term: str = "xterm") -> list[str]:
    """The lines a terminal shows; an event is (kind, section, text)."""
    with a_terminal(monkeypatch, 100, term) as terminal:
        teller = TextTeller()
        teller.begin({"language": "en"})
        for kind, section, text in events:
            data = {"section": section, "text": text, "reason": text, "source": "model", "attempt": 1, "ms": 1}
            if kind == "fallback":
                kind, data = "section_finished", {**data, "source": "commentary"}
            teller.event(kind, data)
        teller.event("completed", {"sources": [{"title": "A source"}], "timings": TIMINGS})
    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.shown)
    return [line.rpartition("\r")[2] for line in plain.split("\n") if line.rpartition("\r")[2].strip()]


def test_sections_that_interleave_are_shown_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = tell(
        monkeypatch,
        ("section_delta", "line_by_line", "one "),
        ("section_delta", "conclusion", "last "),
        ("section_delta", "challenges", "beware "),
        ("section_delta", "line_by_line", "two"),
        ("section_finished", "conclusion", "last words"),
        ("section_delta", "challenges", "of that"),
        ("section_finished", "line_by_line", "one two"),
        ("section_delta", "challenges", " too"),
        ("section_finished", "challenges", "beware of that too"),
    )
    assert lines[:6] == ["Line by line", "one two", "Conclusion", "last words", "Challenges", "beware of that too"]
    assert lines[6:8] == ["Sources", "- A source"]


def test_a_section_taken_back_is_said_and_shown_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = tell(
        monkeypatch,
        ("section_delta", "challenges", "wrong"),
        ("section_delta", "conclusion", "hidden"),
        ("section_reset", "conclusion", "why"),
        ("section_reset", "challenges", "it names an address"),
        ("section_delta", "challenges", "right"),
        ("section_finished", "challenges", "right"),
        ("section_delta", "conclusion", "end"),
        ("fallback", "conclusion", "end"),
    )
    assert lines[:8] == [
        "Challenges",
        "wrong",
        "(This section is taken back and written again: it names an address)",
        "Challenges (again)",
        "right",
        "Conclusion",
        "end",
        "(From the commentary)",
    ]
    assert not any("hidden" in line for line in lines), "what was never shown needs no taking back"


def test_a_finished_text_that_differs_from_what_was_shown_is_printed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = tell(
        monkeypatch, ("section_delta", "challenges", "half"), ("section_finished", "challenges", "half and the rest")
    )
    assert lines[:4] == ["Challenges", "half", "Challenges", "half and the rest"]


def test_where_nothing_can_be_taken_back_only_finished_sections_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = tell(
        monkeypatch,
        ("section_delta", "challenges", "wrong"),
        ("section_reset", "challenges", "why"),
        ("section_finished", "challenges", "right"),
        term="dumb",
    )
    assert lines[:2] == ["## Challenges", "right"]
    assert not any("wrong" in line or "taken back" in line for line in lines)


def test_events_of_later_releases_are_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Sources" in tell(monkeypatch, ("a_new_kind", "challenges", "x"))


def test_in_a_pipe_sections_come_in_the_order_of_the_reading(capsys: pytest.CaptureFixture[str]) -> None:
    teller = TextTeller()
    teller.begin({"language": "en"})

    def finish(name: str) -> None:
        done = {"section": name, "text": f"{name}.", "source": "model", "attempt": 1, "ms": 1}
        teller.event("section_finished", done)

    finish("conclusion")
    finish("overall_development")
    assert capsys.readouterr().out == ""
    finish("line_by_line")
    assert [line for line in capsys.readouterr().out.split("\n") if line] == [
        *("## Line by line", "line_by_line."),
        *("## How things develop", "overall_development."),
    ]
    teller.stopped({"line_by_line": {}, "overall_development": {}, "conclusion": {}})
    assert capsys.readouterr().out.startswith("\n## Conclusion\nconclusion.\n")


def test_the_times_of_a_stage_done_several_times_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_terminal(monkeypatch, 100, "xterm") as terminal:
        teller = TextTeller()
        teller.begin({"language": "en"})
        for ms in (4000, 500, 1500):
            teller.event("stage", {"stage": "model", "state": "started", "message": "Writing"})
            teller.event("stage", {"stage": "model", "state": "finished", "ms": ms})
        teller.event("completed", {"sources": [], "timings": TIMINGS | {"total_time_ms": 6100.0}})
    assert re.search(r"6(\.0)? s · .*6\.1 s", terminal.shown.splitlines()[-1])
