"""Is the section its own, or a near-copy of one already written?"""

from __future__ import annotations

import re
from collections import OrderedDict

from jieqian.checks.check import Complaint, SectionDraft
from jieqian.checks.complaints import complain
from jieqian.checks.verse import ReadDraft, fold, without_quotations

_UNIT = re.compile(r"[a-z0-9'’]+|[^\W_]")
_SHINGLE, _FEWEST, _MOST_SHARED = 4, 6, 0.5
# Of the readings under way: six sections each, some kilobytes of hashes a section.
_MOST_SEEN = 512
_seen: OrderedDict[tuple[str, str, tuple[str, ...]], frozenset[int]] = OrderedDict()


def is_its_own(read: ReadDraft) -> Complaint | None:
    """`repeats_section`: half of the shorter text's word runs (quotations not counted) are in the other one too."""
    draft = read.draft
    own = shingles(read.own_words)
    for section, text in draft.written.items():
        if section is draft.section:
            continue
        other = _known(text, draft)
        if min(len(own), len(other)) < _FEWEST:
            continue
        if len(own & other) >= min(len(own), len(other)) * _MOST_SHARED:
            return complain("repeats_section", draft.language)
    return None


def _known(text: str, draft: SectionDraft) -> frozenset[int]:
    """The runs of a section already checked: each of the later ones is compared with it."""
    key = text, draft.lot.id, draft.lot.lines
    found = _seen.pop(key, None)
    if found is None:
        found = shingles(without_quotations(text, draft.lot, draft.collection))
    _seen[key] = found
    if len(_seen) > _MOST_SEEN:
        _seen.popitem(last=False)
    return found


def shingles(text: str) -> frozenset[int]:
    """The hashes of runs of four units: words of a spaced language, characters of Chinese and Japanese."""
    units = _UNIT.findall(fold(text))
    return frozenset(map(hash, zip(*(units[start:] for start in range(_SHINGLE)), strict=False)))
