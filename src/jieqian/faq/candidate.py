"""Which readings are worth a reviewer's time, and what is offered to the reviewer: masked, and short."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable
from enum import StrEnum

from jieqian.checks.care import find_danger
from jieqian.faq.entry import GENERAL, LONGEST_ANSWER, LONGEST_QUESTION, FaqEntry
from jieqian.faq.likeness import nearly_same
from jieqian.faq.masking import MARKS, marks_in, mask, own_words, without_marks
from jieqian.lots.lot import Collection, Lot
from jieqian.sections.section import SectionName, SectionSource
from jieqian.sections.topics import topic_of
from jieqian.tasks.task import Status, Task

#: What a question must hold beside its marks to mean something to others: letters in all, where Han and kana count
#: three, since one is about a syllable.
LEAST_WEIGHT = 10
#: More marks than this leave a text nobody can use.
MOST_MARKS = 4
MOST_SENTENCES = 3
#: How much of a conclusion is looked at; three sentences of an answer lie within it.
_MOST_READ = 800
_SENTENCE = re.compile(r".+?(?:[。！？]+[」』”）]*|[.!?]+[\"'”’)]*(?=\s|$)|$)\s*", re.DOTALL)
_TITLE_END = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|No|etc)\.\s*$")
_CLAUSE_ENDS = re.compile(r"[，、；：,;:]")


class Passed(StrEnum):
    """Why a reading is not offered."""

    NOT_COMPLETED = "not_completed"
    CARE = "care"
    FOLLOW_UP = "follow_up"
    COMMENTARY = "commentary"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    TOO_PERSONAL = "too_personal"
    KNOWN = "known"


def candidate_of(task: Task, lot: Lot, collection: Collection, known: Iterable[str]) -> FaqEntry | Passed:
    """The candidate of an ended task, or why there is none; `known` are the (masked) questions there are already.

    Takes some milliseconds of pure computing: not for the event loop.
    """
    conclusion = next((done for done in task.sections if done.name is SectionName.CONCLUSION), None)
    if task.status is not Status.COMPLETED:
        return Passed.NOT_COMPLETED
    if task.care is not None or find_danger(task.question) is not None:
        return Passed.CARE
    if task.parent_id is not None:  # it leans on a conversation nobody else knows
        return Passed.FOLLOW_UP
    if conclusion is None or conclusion.source is not SectionSource.MODEL:
        return Passed.COMMENTARY
    if len(task.question) > LONGEST_QUESTION:  # a story of a life, of which no pattern knows what tells who lives it
        return Passed.TOO_LONG
    question, told = mask((task.question, conclusion.text[:_MOST_READ]), own_words(lot, collection))
    answer = short_answer(told)
    left = without_marks(question)
    if max(marks_in(question), marks_in(answer)) > MOST_MARKS:
        return Passed.TOO_PERSONAL
    if _weight(left) < LEAST_WEIGHT or _weight(without_marks(answer)) < LEAST_WEIGHT:
        return Passed.TOO_SHORT if marks_in(question) == 0 else Passed.TOO_PERSONAL
    if nearly_same(question, known):
        return Passed.KNOWN
    return FaqEntry(
        id=str(uuid.uuid4()),
        task_id=task.id,
        collection=task.collection,
        lot=task.lot,
        category=topic_of(left) or GENERAL,
        language=task.language,
        question=question,
        answer=answer,
        created_at=time.time(),
    )


def short_answer(conclusion: str) -> str:
    """The first sentences, three at most, that fit; where the very first does not, as many of its clauses as do."""
    taken: list[str] = []
    for sentence in _sentences(conclusion):
        if len(taken) == MOST_SENTENCES or len("".join([*taken, sentence]).rstrip()) > LONGEST_ANSWER:
            break
        taken.append(sentence)
    return "".join(taken).strip() or _clauses(conclusion.strip())


def _sentences(text: str) -> list[str]:
    whole: list[str] = []
    for part in _SENTENCE.findall(text):
        if whole and _TITLE_END.search(whole[-1]):  # "Mr. ‹name›" is no end
            whole[-1] += part
        else:
            whole.append(part)
    return whole


def _clauses(text: str) -> str:
    room = text[: LONGEST_ANSWER - 1]
    ends = [hit.start() for hit in _CLAUSE_ENDS.finditer(room)]
    end = ends[-1] if ends else room.rfind(" ") if " " in room else len(room)
    cut = room[:end]
    for mark in MARKS.values():  # never half a mark
        begun = cut.rfind("‹")
        if begun >= 0 and "›" not in cut[begun:] and text[begun:].startswith(mark):
            cut = cut[:begun]
    return cut.rstrip() + "…" if cut.strip() else ""


def _weight(text: str) -> int:
    return sum(1 if letter.isascii() else 3 for letter in text if letter.isalpha())
