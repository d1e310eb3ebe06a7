"""The check of one section, composed of small ones; the first complaint is the one the model is told."""

from __future__ import annotations

from collections.abc import Callable

from jieqian.checks.check import Complaint, SectionDraft
from jieqian.checks.extent import ends, long_enough, present, says_it_once, short_enough
from jieqian.checks.grounding import explains_every_line, names_the_lot, takes_up_every_line
from jieqian.checks.leaks import hides_prompt, hides_thinking, is_plain
from jieqian.checks.polarity import keeps_polarity, leaves_open
from jieqian.checks.repeats import is_its_own
from jieqian.checks.verse import ReadDraft, read_draft
from jieqian.checks.writing import in_language, in_script

# What spoils the whole section comes before what a rewrite can mend: a text in the wrong language that also lacks a
# line must first be told the language.
CHECKS: tuple[Callable[[ReadDraft], Complaint | None], ...] = (
    present,
    hides_thinking,
    hides_prompt,
    ends,
    in_language,
    in_script,
    is_plain,
    takes_up_every_line,
    explains_every_line,
    names_the_lot,
    long_enough,
    short_enough,
    says_it_once,
    is_its_own,
    keeps_polarity,
    leaves_open,
)


def check_section(draft: SectionDraft) -> Complaint | None:
    """The first thing wrong with a drafted section, or None. Pure; about a millisecond for five hundred characters."""
    read = read_draft(draft)
    return next((complaint for check in CHECKS if (complaint := check(read)) is not None), None)
