"""Which readings are worth a reviewer's time, and what is offered to the reviewer: masked, and short."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from jieqian.checks.care import find_danger
from jieqian.faq.entry import GENERAL, LONGEST_ANSWER, LONGEST_QUESTION, FaqEntry, Unanswered
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


@dataclass(frozen=True, slots=True)
class Looked:
    """What an ended reading gives the reviewer: a candidate (or why none), and a question nothing answers."""

    candidate: FaqEntry | Passed
    unanswered: Unanswered | None = None


def candidate_of(task: Task, lot: Lot, collection: Collection, known: Iterable[str]) -> FaqEntry | Passed:
    """The candidate of an ended task, or why there is none; `known` are the (masked) questions there are already.

    Takes some milliseconds of pure computing: not for the event loop.
    """
    return look_at(task, lot, collection, known, keeps_unanswered=False).candidate


def look_at(
    task: Task, lot: Lot, collection: Collection, known: Iterable[str], *, keeps_unanswered: bool = True
) -> Looked:
    """As `candidate_of`; with `keeps_unanswered` also the masked question, where no approved entry was found for it."""
    if (reason := _not_looked_at(task)) is not None:
        return Looked(reason)
    conclusion = next((done for done in task.sections if done.name is SectionName.CONCLUSION), None)
    by_model = conclusion is not None and conclusion.source is SectionSource.MODEL
    if not by_model and not keeps_unanswered:
        return Looked(Passed.COMMENTARY)
    if len(task.question) > LONGEST_QUESTION:  # a story of a life, of which no pattern knows what tells who lives it
        return Looked(Passed.TOO_LONG if by_model else Passed.COMMENTARY)
    told = conclusion.text[:_MOST_READ] if conclusion is not None and by_model else ""
    question, told = mask((task.question, told), own_words(lot, collection))
    left = without_marks(question)
    category = topic_of(left) or GENERAL
    unusable = _unusable(question, left)
    found = None if unusable or not keeps_unanswered else _unanswered(task, question, category)
    if not by_model:
        return Looked(Passed.COMMENTARY, found)
    answer = short_answer(told)
    reason = unusable or _unusable(question, without_marks(answer), answer)
    if reason is not None:
        return Looked(reason, found)
    if nearly_same(question, known):
        return Looked(Passed.KNOWN, found)
    candidate = FaqEntry(
        id=str(uuid.uuid4()),
        task_id=task.id,
        collection=task.collection,
        lot=task.lot,
        category=category,
        language=task.language,
        question=question,
        answer=answer,
        created_at=time.time(),
    )
    return Looked(candidate, found)


def _not_looked_at(task: Task) -> Passed | None:
    """Why neither its question nor its answer is kept, whatever they say."""
    if task.status is not Status.COMPLETED:
        return Passed.NOT_COMPLETED
    if task.care is not None or find_danger(task.question) is not None:
        return Passed.CARE
    if task.parent_id is not None:  # it leans on a conversation nobody else knows
        return Passed.FOLLOW_UP
    return None


def _unusable(question: str, left: str, masked: str = "") -> Passed | None:
    """Why what is left of a text without its marks is of no use to others."""
    if max(marks_in(question), marks_in(masked)) > MOST_MARKS:
        return Passed.TOO_PERSONAL
    if _weight(left) < LEAST_WEIGHT:
        return Passed.TOO_SHORT if marks_in(question) == 0 else Passed.TOO_PERSONAL
    return None


def _unanswered(task: Task, question: str, category: str) -> Unanswered | None:
    """None where an approved entry on the question's topic (on any, where it shows none) was among its sources."""
    for source in task.sources:
        if str(source.get("id", "")).startswith("faq/") and category in (GENERAL, source.get("topic") or GENERAL):
            return None
    return Unanswered(
        id=str(uuid.uuid4()),
        task_id=task.id,
        collection=task.collection,
        lot=task.lot,
        category=category,
        language=task.language,
        question=question,
        passages=bool(task.sources),
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
