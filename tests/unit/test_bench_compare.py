"""Models compared: who is meant, what is kept, when two part, what a judge is worth, and what the report shows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from jieqian.bench.compared import ComparedQuestion, compared_questions
from jieqian.bench.comparison import Plan, Seen, facts_in, missing
from jieqian.bench.comparison_html import Piece, pieces
from jieqian.bench.comparison_report import comparison_report
from jieqian.bench.contenders import contender_of, contenders_of, service_settings
from jieqian.bench.differences import difference, interval
from jieqian.bench.findings import findings_of
from jieqian.bench.judging import answer_in, judged
from jieqian.bench.markdown import plain, quoted
from jieqian.bench.mode_settings import env_line, recommended
from jieqian.bench.records import Record, open_records
from jieqian.bench.speed import Plan as SpeedPlan
from jieqian.bench.speed_report import speed_report
from jieqian.errors import UsageError
from jieqian.languages import Language
from jieqian.llm.llamacpp import packaged_model
from jieqian.lots.library import LotLibrary
from jieqian.sections.from_commentary import commentary_section
from jieqian.sections.section import SECTIONS
from jieqian.settings import Settings

MACHINE = {"run": {"processor": "p", "cores": 2, "memory_gb": 1, "system": "s", "python": "3", "load_before": 0.0}}
MACHINE["run"] |= {"fsync_ms": 0.1, "measured_on": "2026-01-01"}
A, B = "ollama:http://one#a", "openai:http://two:8000#b"
HOSTILE = "<script>alert(1)</script> **bold** [x](http://evil.example) | `code` \x1b[31m\x00 &lt;b&gt; www.evil.example"


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[call-arg]


def plan_of(count: int, *written: str, languages: Sequence[Language] = tuple(Language)) -> Plan:
    return Plan(
        contenders=contenders_of(written or (A, B), settings()),
        questions=compared_questions(languages, count),
        languages=languages,
        mode="quality",
    )


def fact(written: str, *languages: Language, name: str | None = None) -> Record:
    return {
        "fact": written,
        "name": name or written.rpartition("#")[2],
        "digest": None,
        "languages": [language.value for language in languages or tuple(Language)],
        "tiny": False,
    }


def reading(written: str, question: ComparedQuestion, own: int = 7, seconds: float = 2.0, **texts: str) -> Record:
    """What the commentary says, of which the model is said to have written the first `own` sections."""
    lots = _lots()
    lot, collection = lots.lot(question.collection, question.lot), lots.collection(question.collection)
    sections = {}
    for place, name in enumerate(SECTIONS):
        text = commentary_section(name, lot, collection, question.language, question.question)
        source = "model" if place < own else "commentary"
        sections[name.value] = {"text": texts.get(name.value, text), "source": source}
    return {
        "model": written,
        "question": question.id,
        "sections": sections,
        "timings": {"tokens_per_second": 10.0},
        "whole_ms": seconds * 1000,
        "first_text_ms": 100.0,
    }


@cache
def _lots() -> LotLibrary:
    return LotLibrary()


def records_of(plan: Plan, own: Callable[[str, int], int], **more: Any) -> list[Record]:
    found = [MACHINE, *(fact(each.written) for each in plan.contenders)]
    for place, question in enumerate(plan.questions):
        found += [reading(each.written, question, own(each.written, place), **more) for each in plan.contenders]
    return found


# -- who is meant -----------------------------------------------------------------------------------------------------


def test_a_model_is_named_in_one_word(tmp_path: Path) -> None:
    (tmp_path / "some.gguf").write_bytes(b"GGUF")
    own = settings(llm_base_url="http://host:8000/v1", llm_provider="openai", llm_api_key="secret", data_dir=tmp_path)
    told = {
        written: (found.provider, found.base_url, found.model, found.api_key)
        for written in ("qwen2.5:7b", "ollama:qwen2.5:7b", "ollama:http://gpu:11434#m", "openai:http://host:8000#x/y")
        for found in [contender_of(written, own)]
    }
    assert told == {
        "qwen2.5:7b": ("openai", "http://host:8000/v1", "qwen2.5:7b", "secret"),
        "ollama:qwen2.5:7b": ("ollama", "http://host:8000/v1", "qwen2.5:7b", "secret"),
        "ollama:http://gpu:11434#m": ("ollama", "http://gpu:11434", "m", None),
        "openai:http://host:8000#x/y": ("openai", "http://host:8000", "x/y", "secret"),
    }
    bare = settings(data_dir=tmp_path)
    assert contender_of("qwen2.5:7b", bare).provider == "ollama"
    embedded = contender_of(f"llamacpp:{tmp_path}/some.gguf", bare)
    assert (embedded.provider, embedded.model) == ("llamacpp", str(tmp_path / "some.gguf"))
    assert service_settings(embedded, own)["CACHE_ENTRIES"] == "0"
    assert "LLM_BASE_URL" not in service_settings(embedded, own)
    assert "secret" not in repr(contender_of("qwen2.5:7b", own))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (["ollama:"], "names no model"),
        ([" "], "names no model"),
        (["openai:gpt"], "Write openai:URL#NAME"),
        (["ollama:http://host#"], "names no model behind its #"),
        (["ollama:not an address#m"], "no address of a server"),
        (["ollama:http://me:secret@host#m"], "would stand in the report"),
        (["llamacpp:nowhere.gguf"], "There is no model file nowhere.gguf"),
        (["a", "b", "a"], "a is named twice"),
    ],
)
def test_what_names_no_model_is_told(written: list[str], told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        contenders_of(written, settings(data_dir=tmp_path))
    assert "secret" not in str(caught.value)


# -- what is kept -----------------------------------------------------------------------------------------------------


def test_records_outlive_a_cut_and_never_mix(tmp_path: Path) -> None:
    with open_records(tmp_path, "r", {"models": ["a"]}) as records:
        records.add({"n": 1})
        records.add({"n": 2})
        with pytest.raises(UsageError, match="being written by another run"), open_records(tmp_path, "r", {}):
            pass
    file = tmp_path / "r.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"n": 3, "text": "cut \xe7')
    with open_records(tmp_path, "r", {"models": ["a"]}) as records:
        assert (records.found, records.resumed) == ([{"n": 1}, {"n": 2}], 2)
        assert file.read_bytes() == whole
        records.add({"n": 3})
    with (
        pytest.raises(UsageError, match=r'another plan \(models: \["a"\], now \["b"\]\)'),
        open_records(tmp_path, "r", {"models": ["b"]}),
    ):
        pass
    assert [json.loads(line) for line in file.read_text().splitlines()][1:] == [{"n": 1}, {"n": 2}, {"n": 3}]
    for content in (b"something else", b'{"plan": {"models": ["a"]}}\nno json\n'):
        file.write_bytes(content)
        with pytest.raises(UsageError), open_records(tmp_path, "r", {"models": ["a"]}):
            pass
        assert file.read_bytes() == content, "what is not ours is left as it is"


def test_models_take_turns_and_are_asked_what_they_write() -> None:
    plan = plan_of(12)
    found = [fact(A), fact(B, Language.EN)]
    wanted = missing(plan, found, Seen(facts=facts_in(found)))
    assert len(wanted) == 12 + 3
    firsts = [contender.written for question, contender in wanted if question.language is Language.EN]
    assert set(firsts[::2]) == {A, B}, "neither always goes first"
    found.append(reading(A, plan.questions[0]))
    found.append({"model": B, "question": plan.questions[0].id, "broken": "gone"})
    rest = missing(plan, found, Seen(facts=facts_in(found)))
    assert [pair for pair in wanted if pair not in rest] == [
        pair for pair in wanted if (pair[0], pair[1].written) == (plan.questions[0], A)
    ]
    assert missing(plan_of(24), found, Seen(facts=facts_in(found)))[: len(rest)] == rest, "more are the same and others"


# -- when two part ----------------------------------------------------------------------------------------------------


def test_a_verdict_only_where_two_part() -> None:
    dice = random.Random(3)
    apart = [(0.8 + dice.uniform(-0.1, 0.1), 0.5 + dice.uniform(-0.1, 0.1)) for _ in range(30)]
    assert difference(apart).parts == 1
    assert difference([(b, a) for a, b in apart]).parts == -1
    near = [(0.5 + dice.uniform(-0.3, 0.3), 0.5 + dice.uniform(-0.3, 0.3)) for _ in range(30)]
    told = difference(near)
    assert (told.parts, told.interval.low < 0 < told.interval.high) == (0, True)
    assert told.more is None or told.more > 0
    few = difference([(1.0, 0.0)] * 5)
    assert (few.parts, few.interval.low) == (0, 1.0), "five that all agree are too few"
    assert few.more is not None
    assert few.more >= 1
    assert difference([(1.0, 0.0)] * 6).parts == 1
    assert difference([(1.0, 0.0)] * 6, comparisons=10).parts == 0, "of many comparisons one is likelier by chance"
    assert difference([(0.5, 0.5)] * 40) == difference([(0.5, 0.5)] * 40)
    assert difference([(0.5, 0.5)] * 40).more is None
    wide = difference(apart, comparisons=20).interval
    assert wide.high - wide.low > difference(apart).interval.high - difference(apart).interval.low
    with pytest.raises(ValueError, match="no samples"):
        interval([])


def test_equal_models_are_wrongly_told_apart_no_oftener_than_promised() -> None:
    dice = random.Random(11)
    wrong = sum(
        difference([(dice.random(), dice.random()) for _ in range(12)], seed=trial).parts != 0 for trial in range(80)
    )
    assert wrong <= 12, "95 % means about 4 of 80, and few questions make it somewhat more"


# -- judges -----------------------------------------------------------------------------------------------------------


def _said(by: Callable[[str, str], str | None], count: int) -> list[Record]:
    return [
        {"judge": "j", "question": str(n), "order": [one, other], "better": by(one, other), "reason": ""}
        for n in range(count)
        for one, other in ((A, B), (B, A))
    ]


def test_a_judge_that_goes_by_the_place_gives_no_verdict() -> None:
    told = judged("j", (A, B), _said(lambda *_: "first", 12))
    assert (told.agrees.hits, told.agrees.of, told.by_place, told.verdict) == (0, 12, 12, None)
    assert told.wins == (0, 0)


def test_a_judge_that_agrees_with_itself() -> None:
    fair = judged("j", (A, B), _said(lambda one, _: "second" if one == A else "first", 12))
    assert (fair.agrees.hits, fair.wins, fair.ties) == (12, (0, 12), 0)
    assert fair.verdict is not None
    assert fair.verdict.parts == -1
    torn = judged("j", (A, B), _said(lambda *_: "same", 12))
    assert torn.verdict is not None
    assert (torn.ties, torn.verdict.parts) == (12, 0)
    silent = judged("j", (A, B), _said(lambda *_: None, 4))
    assert (silent.unanswered, silent.verdict) == (4, None)


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ('{"reason": "r", "better": "first"}', ("first", "r")),
        ('Well. ```json\n{"better": "same"}\n```', ("same", "")),
        ('{"better": "A"}', None),
        ("first", None),
        ('{"better": "first"', None),
        ('["first"]', None),
    ],
)
def test_a_judges_answer_is_validated(told: str, found: tuple[str, str] | None) -> None:
    assert answer_in(told) == found


# -- what the report shows --------------------------------------------------------------------------------------------


def test_the_better_model_is_named_and_set(tmp_path: Path) -> None:
    plan = plan_of(12)
    findings = findings_of(plan, records_of(plan, lambda written, _: 7 if written == B else 3))
    report = comparison_report(findings)
    assert report.notes[0].startswith("b is shown to be better than a:")
    (pair,) = report.document()["pairs"]
    assert (pair["quality"]["parts"], pair["quality"]["n"]) == (-1, 12)
    assert report.document()["recommended"]["env"] == [
        "JIEQIAN_LLM_PROVIDER=openai",
        "JIEQIAN_LLM_BASE_URL=http://two:8000",
        "JIEQIAN_LLM_MODEL=b",
    ]
    names = [path.name for path in report.write(tmp_path)]
    assert set(names) >= {"comparison.md", "comparison.json", "comparison.html"}
    markdown = (tmp_path / "comparison.md").read_text()
    assert markdown.rstrip().endswith("JIEQIAN_LLM_MODEL=b\n```")


def test_equal_models_get_no_verdict_and_the_quicker_is_fast() -> None:
    one, other = "ollama:http://one#slow", "ollama:http://one#quick"
    plan = plan_of(12, one, other)
    found = records_of(plan, lambda *_: 7)
    for record in found:
        if record.get("model") == one and "whole_ms" in record:
            record["whole_ms"] = 9000.0
    findings = findings_of(plan, found)
    assert findings.pairs[0].quality.parts == 0
    assert "Neither of slow and quick is shown to be better" in comparison_report(findings).notes[0]
    told = recommended(findings)
    assert told.fast == other
    assert any("not shown to be better" in said for said in told.said)
    assert told.lines[-1] == ("JIEQIAN_LLM_FAST_MODEL=quick" if told.quality == one else "JIEQIAN_LLM_MODEL=quick")


def test_a_model_of_one_language_is_told_so_and_not_scored_on_the_others() -> None:
    plan = plan_of(24)
    found = [MACHINE, fact(A), fact(B, Language.EN)]
    for question in plan.questions:
        found.append(reading(A, question))
        if question.language is Language.EN:
            found.append(reading(B, question))
    report = comparison_report(findings_of(plan, found))
    figures = report.document()["models"][1]
    assert (figures["answers"], figures["asked_of"]) == (6, 6)
    assert figures["not_written"] == {"zh-Hant": 6, "ja": 6, "zh-Hans": 6}
    assert any("b does not write every language" in note for note in report.notes)
    assert "does not write it" in report.markdown()
    assert report.document()["pairs"][0]["quality"]["n"] == 6


def test_what_is_missing_is_told_and_the_rest_reported() -> None:
    plan = plan_of(8)
    found = records_of(plan, lambda *_: 7)[:-4]
    report = comparison_report(findings_of(plan, found, left={B: "connection refused"}))
    assert report.document()["whole"] is False
    assert any(f"readings of {B} are missing (connection refused)" in note for note in report.notes)
    none = comparison_report(findings_of(plan, records_of(plan, lambda *_: 0)))
    assert none.document()["recommended"]["env"] == ["JIEQIAN_LLM_PROVIDER=commentary"]
    assert [model["readings_without"] for model in none.document()["models"]] == [8, 8]


def test_what_a_model_writes_stays_text(tmp_path: Path) -> None:
    plan = plan_of(4)
    found = [MACHINE, fact(A, name="a$x^2$|<i>"), fact(B)]
    for question in plan.questions:
        found += [reading(A, question, conclusion=HOSTILE), reading(B, question, 7)]
    report = comparison_report(findings_of(plan, found))
    report.write(tmp_path)
    page, markdown = (tmp_path / "comparison.html").read_text(), (tmp_path / "comparison.md").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "default-src 'none'" in page
    for raw in ("<script", "**bold**", "](http://evil", "`code`", "\x1b", "\x00", "www.evil"):
        assert raw not in markdown, raw
    assert "a?x?2???i?" in markdown


def test_text_of_others_in_markdown() -> None:
    assert plain("# a\n- b") == "\\# a - b"
    assert plain("- a") == "\\- a"
    assert plain("1. a") == "\\1. a"
    assert plain("a|b <i> _c_ http://x me@x") == "a\\|b &lt;i&gt; \\_c\\_ http&#58;//x me&#64;x"
    assert quoted("one\n\n<two>") == "> one\n>\n> &lt;two&gt;"


def test_offending_text_is_marked_once() -> None:
    assert pieces("abcdef", [("cd", "why"), ("de", "other"), ("zz", "gone"), ("", "none")]) == [
        Piece("ab"),
        Piece("cd", "why"),
        Piece("ef"),
    ]
    assert pieces("", []) == []


def test_settings_are_ready_to_paste() -> None:
    assert env_line("A", "qwen2.5:7b") == "A=qwen2.5:7b"
    assert env_line("A", "/my models/a #1.gguf") == 'A="/my models/a #1.gguf"'


@pytest.mark.skipif(packaged_model() is None, reason="the packaged model is not installed")
def test_the_packaged_model_is_set_by_its_name() -> None:
    plan = plan_of(4, "llamacpp:tiny", A)
    found = records_of(plan, lambda written, _: 7 if written != A else 0)
    assert recommended(findings_of(plan, found)).lines == ("JIEQIAN_LLM_PROVIDER=llamacpp", "JIEQIAN_LLM_MODEL=tiny")


# -- speed ------------------------------------------------------------------------------------------------------------


def test_runs_that_broke_off_are_told_with_their_cause() -> None:
    plan = SpeedPlan(contenders=contenders_of((A, B), settings()), runs=3, language="en", mode="quality")
    times = {"first token": 1.0, "first text": 2.0, "first whole section": 3.0, "whole reading": 4.0}
    good = {"times": times, "sections": 7, "error": ""}
    told = {"cold": good, "second asker": {"times": {}, "sections": 0, "error": "model_stalled"}}
    found: list[Record] = [{"model": A, "name": A, "run": run, "told": told} for run in range(2)]
    found.append({"model": B, "run": 0, "broken": "refused"})
    assert [pair for pair in plan.missing([]) if pair not in plan.missing(found)] == [
        pair for pair in plan.missing([]) if pair in ((0, A), (1, A))
    ]
    report = speed_report(plan.as_dict(), plan.runs, found, [MACHINE["run"]])
    cold, second = report.document()["models"]
    assert (cold["runs"], cold["without_the_model"], cold["first_token"]["p50"]) == (2, 0, 1.0)
    assert (second["without_the_model"], second["without_causes"]) == (2, [{"cause": "model_stalled", "count": 2}])
    assert any(f"{B}: 1 runs broke off" in note and "refused" in note for note in report.notes)
    more = SpeedPlan(contenders=plan.contenders, runs=4, language="en", mode="quality")
    assert more.as_dict() == plan.as_dict(), "more runs go on with the same records"
