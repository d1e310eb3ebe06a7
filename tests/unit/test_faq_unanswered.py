"""Which questions are kept because no approved entry was found for them, and which are nearly the same."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from test_faq_candidates import COLLECTION, LOT, ended

from jieqian.faq.candidate import look_at
from jieqian.faq.entry import Unanswered
from jieqian.faq.likeness import MOST_IN_A_GROUP, groups_of, nearly_same
from jieqian.sections import topics
from jieqian.sections.section import SECTIONS, Section, SectionSource
from jieqian.tasks.task import Status

EXAMPLES = Path(topics.__file__).with_name("topic_examples") / "zh.txt"
QUESTION = "我叫王小明，她還會回信給我嗎？"
BY_COMMENTARY = tuple(Section(name, "說明。", SectionSource.COMMENTARY, 1, 10) for name in SECTIONS)
OWN, LOVE, WORK, ANY = (
    {"id": "yuelao/9#topic:love@en", "topic": "love"},
    {"id": "faq/1", "topic": "love"},
    {"id": "faq/2", "topic": "work"},
    {"id": "faq/3", "topic": None},
)


def kept(question: str = QUESTION, **changes: Any) -> Unanswered | None:
    return look_at(ended(question, **changes), LOT, COLLECTION, ()).unanswered


def test_the_masked_question_is_kept_with_what_it_was_about():
    found = kept(sources=(OWN, WORK, ANY))
    assert found is not None
    assert found.question == "我叫‹name›，她還會回信給我嗎？"
    assert (found.collection, found.lot, found.category, found.passages) == ("yuelao", 7, "love", True)
    nothing = kept(sections=BY_COMMENTARY)
    assert nothing is not None
    assert not nothing.passages, "also where the commentary spoke"


@pytest.mark.parametrize(
    "changes",
    [
        {"sources": (OWN, LOVE)},
        {"question": "這支籤到底是什麼意思，請說明一下", "sources": (WORK,)},
        {"care": {"kind": "danger"}},
        {"question": "我不想活了，想結束自己的生命"},
        {"parent_id": "p"},
        {"status": Status.STOPPED},
        {"question": "好嗎"},
        {"question": "嗎" * 301},
        {"question": "王小明、李小華、張大千、林志豪、陳美玲和我，電話0912345678"},
    ],
)
def test_what_was_answered_or_must_not_be_kept_is_not(changes: dict[str, Any]):
    assert kept(**changes) is None


def test_nothing_is_kept_where_that_is_turned_off():
    assert look_at(ended(), LOT, COLLECTION, (), keeps_unanswered=False).unanswered is None


def groups(*texts: str) -> list[list[str]]:
    return groups_of(texts, str, lambda text: text.isascii())


def test_nearly_the_same_come_together_in_the_order_given():
    assert groups("他還會回來找我嗎？", "工作要不要換", "他还会回来找我吗", "他還會回來找我嗎…", "工作要不要換？") == [
        ["他還會回來找我嗎？", "他还会回来找我吗", "他還會回來找我嗎…"],
        ["工作要不要換", "工作要不要換？"],
    ]
    assert groups("Will he come back to me?", "will he come back to me", "Will she sell the house?", "…", "") == [
        ["Will he come back to me?", "will he come back to me"],
        ["Will she sell the house?"],
        ["…"],
        [""],
    ]


def test_no_two_groups_begin_nearly_the_same():
    plain = [
        line.strip() for line in EXAMPLES.read_text("utf-8").splitlines() if len(line) > 6 and line[0] not in "=#["
    ]
    texts = [*plain[:120], *(f"{text}呢？" for text in plain[:120:3])]
    found = groups_of(texts, str, lambda _text: None)
    firsts = [group[0] for group in found]
    assert all(nearly_same(text, group[:1]) for group in found for text in group)
    assert not any(nearly_same(one, [other]) for one, other in itertools.combinations(firsts, 2))
    assert 1 < sum(len(group) > 1 for group in found) < len(found)


def test_a_group_is_bounded_and_only_what_is_alike_comes_into_it():
    assert [len(group) for group in groups(*["他還會回來找我嗎"] * (MOST_IN_A_GROUP + 1))] == [MOST_IN_A_GROUP, 1]
    one_by_one = groups_of(["同一個問題嗎"] * 3, str, lambda _text: None, lambda _one, _other: False)
    assert len(one_by_one) == 3
