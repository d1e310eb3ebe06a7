"""What comes over the wire from a model, taken apart: thinking, events, server's words, sizes, names."""

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jieqian.errors import PromptTooLong
from jieqian.llm.client import Message, ModelRequest, TextDelta, ThinkingDelta
from jieqian.llm.echo import without_echo
from jieqian.llm.nearest import nearest_name
from jieqian.llm.server_text import as_sentence, message_of_bytes, one_line
from jieqian.llm.sse import SseEvent, SseReader
from jieqian.llm.think_split import ThinkSplitter
from jieqian.llm.tokens import check_fits, check_not_cut, tokens_at_least, tokens_likely


def split(pieces: list[str]) -> tuple[str, str]:
    """The text and the thinking of an answer that came in these pieces."""
    splitter = ThinkSplitter()
    deltas = [delta for piece in pieces for delta in splitter.feed(piece)] + splitter.end()
    assert all(delta.text for delta in deltas)
    text = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
    return text, "".join(delta.text for delta in deltas if isinstance(delta, ThinkingDelta))


@pytest.mark.parametrize(
    ("answer", "text", "thinking"),
    [
        ("plain <b> text", "plain <b> text", ""),
        ("<think>hm</think>yes", "yes", "hm"),
        ("<thinking>hm</thinking>\nyes", "\nyes", "hm"),
        ("a<think>b</think>c<think>d</think>e", "ace", "bd"),
        ("<think>never ends", "", "never ends"),
        ("</think>yes", "yes", ""),
        ("<think>a <think> b</think>yes", "yes", "a <think> b"),
        ("1 < 2 <thi", "1 < 2 <thi", ""),
        ("<think>half </thin", "", "half </thin"),
        ("<think></think>月🌙", "月🌙", ""),
    ],
)
def test_thinking_is_told_apart_wherever_it_is_cut(answer: str, text: str, thinking: str) -> None:
    assert split([answer]) == (text, thinking)
    assert split(list(answer)) == (text, thinking)
    for cut in range(len(answer) + 1):
        assert split([answer[:cut], answer[cut:]]) == (text, thinking)


@given(
    st.lists(st.sampled_from(["<", "think", ">", "/", "</think>", "<think>", "ing", "月", "a ", "\ud83c", "\udf19"]))
)
def test_the_pieces_never_change_what_is_told(pieces: list[str]) -> None:
    assert split(pieces) == split(["".join(pieces)])
    text, thinking = split(pieces)
    (text + thinking).encode()


def test_text_that_cannot_be_a_tag_is_not_held_back() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("1 < 2") == [TextDelta("1 < 2")]
    assert splitter.feed(" <thi") == [TextDelta(" ")]
    assert splitter.feed("s") == [TextDelta("<this")]


def events(stream: bytes) -> list[SseEvent]:
    reader = SseReader()
    found = [reader.feed(line) for line in stream.split(b"\n")] + [reader.end()]
    return [event for event in found if event is not None]


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (b"data: a\n\ndata: b\n\n", [("message", "a"), ("message", "b")]),
        (b"data: a\r\n\r\n", [("message", "a")]),
        (b"data:a\n\n", [("message", "a")]),
        (b"data:  a\n\n", [("message", " a")]),
        (b": ping\n\ndata: a\n: ping\ndata: b\n\n", [("message", "a\nb")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [("error", "a"), ("message", "b")]),
        (b"event: ping\n\ndata: b\n\n", [("message", "b")]),
        (b"data: unfinished", [("message", "unfinished")]),
        (b"error: {}\n\n", [("error", "{}")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", "a")]),
        (b"id: 1\nretry: 5\n\n", []),
    ],
)
def test_events_are_read(stream: bytes, found: list[tuple[str, str]]) -> None:
    assert [(event.type, event.data) for event in events(stream)] == found


def test_a_servers_words_become_one_short_line() -> None:
    told = one_line("a\x00b\x1b[31m\r\n\tc\u202ed\u2028e\ud800 " + "x" * 500)
    assert told.startswith("a b [31m cd e x")
    assert len(told) == 200
    assert told.endswith("…")


@given(st.text())
def test_one_line_is_always_fit_to_be_printed(text: str) -> None:
    told = one_line(text)
    assert told.isprintable()
    assert len(told) <= 200
    told.encode()


def test_a_quoted_question_is_taken_out() -> None:
    question = "Should I leave my husband this year?"
    told = without_echo(f"invalid field: input_value='{question}' at 3", [f"rules\n{question}\nmore"])
    assert told == "invalid field: input_value='…' at 3"
    assert without_echo("籤詩：我先生外遇怎麼辦。完", ["我先生外遇怎麼辦"]) == "籤詩：…。完"
    assert without_echo("context length exceeded", ["the context of it"]) == "context length exceeded"
    assert without_echo("a name, O'Neill-Ng or 阿珍", ["Will o'neill-ng marry 阿珍 there?"]) == "a name, … or …"
    assert without_echo("CUDA error: out of memory", ["Will it be out of luck?"]) == "CUDA error: out of memory"


NAMED = "Zoltan 會嫁給趙無極嗎😀"


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(json.dumps(text)),
        quote,
        lambda text: repr(text.encode()),
        str.upper,
        lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
    ],
)
def test_an_echo_is_hidden_however_it_is_spelled(spell: Callable[[str], str]) -> None:
    told = without_echo(f"bad value {spell(NAMED)} in it", ["rules", f"asked: {NAMED}"])
    assert not set(told) & set(NAMED.partition(" ")[2]), told
    assert "zoltan" not in told.lower()
    assert (told[:9], told[-6:]) == ("bad value", " in it")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":"a"}', "a"),
        (b'{"error":{"message":"a","code":4}}', "a"),
        (b'{"object":"error","message":"a"}', "a"),
        (b'{"detail":[{"loc":["body"],"msg":"a"}]}', "a"),
        (b"<html><b>a</b></html>", "a"),
        (b'"a"', "a"),
        (b"\xff", "\ufffd"),
    ],
)
def test_the_sentence_is_found_in_any_error_document(body: bytes, said: str) -> None:
    assert message_of_bytes(body).strip() == said


def request_of(text: str, window: int) -> ModelRequest:
    return ModelRequest(model="m", messages=(Message("user", text),), max_tokens=9, context_tokens=window)


@pytest.mark.parametrize(
    ("text", "real"),
    [
        # Counted with Qwen2.5's vocabulary (152k entries) in llama.cpp.
        ("The birds call to each other on the islet; what is met with an answer begins well. " * 20, 401),
        ("internationalization responsibility communication understanding characteristics " * 40, 241),
        ("關關雎鳩，在河之洲。窈窕淑女，君子好逑。你問的事要先聽見對方的聲音。" * 20, 600),
        (" " * 4000, 32),
        ("-" * 4000, 62),
    ],
)
def test_the_sure_size_is_never_above_a_real_one(text: str, real: int) -> None:
    assert tokens_at_least([Message("user", text)]) <= real


def test_the_likely_size_lies_above_the_sure_one() -> None:
    for text in ("Plain words of a reading. " * 50, "籤詩的意思" * 50):
        messages = [Message("user", text)]
        assert tokens_at_least(messages) < tokens_likely(messages)


def test_only_what_cannot_fit_is_refused() -> None:
    check_fits(request_of("word " * 1000, 1024))
    with pytest.raises(PromptTooLong, match=r"at least \d+ tokens; the window has 512"):
        check_fits(request_of("word " * 1000, 512))


@pytest.mark.parametrize("measured", [None, 0, 700, 1400, 1000])
def test_a_count_that_may_be_true_passes(measured: int | None) -> None:
    check_not_cut(request_of("word " * 1000, 2048), measured)


@pytest.mark.parametrize("measured", [300, 1026, 2047, 2048])
def test_a_count_that_shows_a_cut_is_an_error(measured: int) -> None:
    text = "word " * 1000 if measured == 300 else "some words " * 600
    with pytest.raises(PromptTooLong, match=str(measured)):
        check_not_cut(request_of(text, 2048), measured)


@pytest.mark.parametrize(
    ("asked", "there", "near"),
    [
        ("qwen2.5:14b", ["llama3.1:8b", "qwen2.5:7b"], "qwen2.5:7b"),
        ("qwen3", ["qwen3:8b", "qwen2.5:7b"], "qwen3:8b"),
        ("lama3.1:8b", ["llama3.1:8b", "qwen3:8b"], "llama3.1:8b"),
        ("zzz", ["llama3.1:8b"], None),
        ("any", [], None),
    ],
)
def test_the_nearest_name(asked: str, there: list[str], near: str | None) -> None:
    assert nearest_name(asked, there) == near


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("404: Not Found", "Not Found."),
        ("404 page not found", "page not found."),
        ("404", ""),
        ("", ""),
        ("4040 entries", "4040 entries."),
        ("no such model!", "no such model!"),
        ("cut…", "cut…"),
        ("模型不在。", "模型不在。"),
    ],
)
def test_a_servers_words_end_a_sentence_without_the_status_again(said: str, told: str) -> None:
    assert as_sentence(said, 404) == told
