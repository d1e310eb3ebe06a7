"""What commands print: cleaned, wrapped, and at home in a pipe."""

from __future__ import annotations

import json

import pytest
from fake_terminal import a_terminal
from rich.cells import cell_len

from jieqian.cli import screen

EVIL = "a\x1b[31mb\x07c\x9bd\u202ee\ud800f\x00g"


def test_what_could_steer_a_terminal_is_replaced_and_the_rest_stays() -> None:
    assert screen.clean(EVIL) == "a�[31mb�c�d�e�f�g"
    plain = "籤詩\u3000第一籤\n\tcafé naïve 👨\u200d👩\u200d👧 \u00a0“x”"
    assert screen.clean(plain) == plain


def test_a_complaint_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    screen.complain("wrong\n\x1b[2J\r\nagain")
    assert capsys.readouterr() == ("", "jieqian: wrong �[2J� again\n")


def test_a_table_in_a_pipe_is_tab_separated_and_no_cell_can_forge_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    screen.table(("id", "name"), [("1", "月老\n2\tforged"), ("2", "b")])
    assert capsys.readouterr().out == "id\tname\n1\t月老 2 forged\n2\tb\n"


def test_json_keeps_every_character_and_sends_none_that_steers(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"text": EVIL, "lot": "籤"}
    screen.say_json(document)
    out = capsys.readouterr().out
    assert json.loads(out) == document
    assert "籤" in out
    assert all(character.isprintable() or character == "\n" for character in out)


def test_progress_in_a_pipe_is_a_line_at_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with screen.progress("indexing") as advance:
        for done in range(1001):
            advance(done, 1000, "yuelao")
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 11
    assert (lines[0], lines[-1]) == ("indexing: 0 of 1,000 (yuelao)", "indexing: 1,000 of 1,000 (yuelao)")


def test_progress_without_a_known_end_stays_sparse(capsys: pytest.CaptureFixture[str]) -> None:
    with screen.progress("fetching") as advance:
        for done in range(1000):
            advance(done, None)
    assert len(capsys.readouterr().err.splitlines()) == 11


@pytest.mark.parametrize("columns", [20, 41, 80])
@pytest.mark.parametrize(
    "text",
    [
        "“Gentle and lovely” describes a person's quiet bearing, and a_very_long_word_that_fits_nowhere at all.",
        "牠們停在河中的沙洲上，四面是水，腳下卻有實地；原詩並不是一見就成，中間還有夜裡想念的日子。",
        "Mixed 籤詩 text，with 第一籤 and words in 兩種 scripts，そして日本語。",
    ],
)
def test_a_flow_is_the_same_text_however_it_is_cut_and_no_line_is_too_wide(
    monkeypatch: pytest.MonkeyPatch, columns: int, text: str
) -> None:
    with a_terminal(monkeypatch, columns) as cut:
        flow = screen.Flow()
        for character in text:
            flow.write(character)
        flow.end()
    with a_terminal(monkeypatch, columns) as whole:
        screen.paragraphs([text])
    assert cut.shown == whole.shown
    assert "".join(whole.shown.split()) == "".join(text.split())
    for line in whole.shown.splitlines():
        assert cell_len(line.rstrip()) <= columns or " " not in line.strip()
        assert line[:1] not in set("，。；")


def test_an_indent_stays_on_wrapped_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_terminal(monkeypatch, 30) as terminal:
        screen.paragraphs(["    one two three four five six seven eight nine"])
    lines = terminal.shown.splitlines()
    assert len(lines) > 1
    assert all(line.startswith("    ") and line[4] != " " for line in lines)


def test_a_line_that_just_fits_leaves_no_empty_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_terminal(monkeypatch, 12) as terminal:
        screen.paragraphs(["一二三四五。"])
    assert terminal.shown == "一二三四五。\n"


def test_the_status_line_is_cut_to_the_width_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_terminal(monkeypatch, 20) as terminal:
        status = screen.StatusLine()
        status.show("查找相關的解說 12.3 秒 · 解讀籤意 4.5 秒")
        assert cell_len(terminal.shown.lstrip("\r")) <= 19
        status.clear()
    assert terminal.shown.endswith(" \r")
    assert "\x1b" not in terminal.shown


def test_a_dumb_terminal_has_no_status_line_and_plain_headings(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_terminal(monkeypatch, 80, "dumb") as terminal:
        screen.StatusLine().show("x")
        screen.heading("總結")
    assert terminal.shown == "## 總結\n"
