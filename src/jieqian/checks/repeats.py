"""Is the section its own, or a near-copy of one already written?"""

from __future__ import annotations

import re
from functools import lru_cache

from jieqian.checks.check import Complaint
from jieqian.checks.complaints import complain
from jieqian.checks.verse import ReadDraft, fold, without_quotations

_UNIT = re.compile(r"[a-z0-9'’]+|[^\W_]")
_SHINGLE, _FEWEST, _MOST_SHARED = 4, 6, 0.5


def is_its_own(read: ReadDraft) -> Complaint | None:
    """`repeats_section`: half of the shorter text's word runs (quotations not counted) are in the other one too."""
    draft = read.draft
    own = shingles(read.own_words)
    for section, text in draft.written.items():
        if section is draft.section:
            continue
        other = shingles(without_quotations(text, draft.lot, draft.collection))
        if min(len(own), len(other)) < _FEWEST:
            continue
        if len(own & other) >= min(len(own), len(other)) * _MOST_SHARED:
            return complain("repeats_section", draft.language)
    return None


@lru_cache(maxsize=64)
def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Runs of four units: words of a spaced language, characters of Chinese and Japanese."""
    units = _UNIT.findall(fold(text))
    return frozenset(tuple(units[index : index + _SHINGLE]) for index in range(len(units) - _SHINGLE + 1))
