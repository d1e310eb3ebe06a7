"""Does the first section stand on the lot: every line taken up, the collection and the number named?"""

from __future__ import annotations

from jieqian.checks.check import Complaint
from jieqian.checks.complaints import complain
from jieqian.checks.ordinals import lines_named, number_named
from jieqian.checks.verse import ReadDraft, core, core_lines, names_pattern
from jieqian.languages import Language
from jieqian.sections.section import SectionName

#: The least letters that can explain a line.
LEAST_EXPLANATION = {Language.ZH_HANT: 5, Language.ZH_HANS: 5, Language.EN: 10, Language.JA: 6}
# One slip in four characters is still that line; shorter lines must be exact.
_LETTERS_A_SLIP = 4


def takes_up_every_line(read: ReadDraft) -> Complaint | None:
    """`line_missing`: a line is neither quoted (slips, other script and marks forgiven) nor named by its place."""
    lot, language = read.draft.lot, read.draft.language
    if read.draft.section is not SectionName.LINE_BY_LINE:
        return None
    missing = lines_not_taken_up(read.folded, lot.lines)
    if not missing:
        return None
    listed = "; ".join if not language.is_chinese else "、".join
    return complain("line_missing", language, lines=listed(lot.lines[index] for index in missing))


def explains_every_line(read: ReadDraft) -> Complaint | None:
    """`line_not_explained`: a row begins with a quoted line, and hardly a word of explanation follows."""
    lot, language = read.draft.lot, read.draft.language
    if read.draft.section is not SectionName.LINE_BY_LINE:
        return None
    cores = core_lines(lot.lines)
    bare = []
    for row in read.text.splitlines():
        letters = core(row)
        quoted = next((line for line in cores if letters.startswith(line)), None)
        if quoted is not None and len(letters) - len(quoted) < LEAST_EXPLANATION[language]:
            bare.append(cores.index(quoted))
    if not bare:
        return None
    listed = "; ".join if not language.is_chinese else "、".join
    return complain("line_not_explained", language, lines=listed(lot.lines[index] for index in bare))


def names_the_lot(read: ReadDraft) -> Complaint | None:
    """`collection_missing` or `number_missing`: the first section does not say which lot it explains."""
    draft = read.draft
    if draft.section is not SectionName.LINE_BY_LINE:
        return None
    values = {"name": draft.collection.name(draft.language), "number": draft.lot.number}
    if not names_pattern(draft.collection).search(read.folded):
        return complain("collection_missing", draft.language, **values)
    # A name such as "The Hundred Lots" or 觀音一百籤 holds a number that is not the lot's.
    without_name = names_pattern(draft.collection).sub(" ", read.folded)
    if not number_named(without_name, draft.lot.number):
        return complain("number_missing", draft.language, **values)
    return None


def lines_not_taken_up(folded: str, lines: tuple[str, ...]) -> list[int]:
    """The indexes (from 0) of lines that a folded text neither quotes nor names."""
    cores = core_lines(lines)
    text = core(folded)
    missing = []
    # The longest first, and what was found is cut out: a short line must not be found inside a long one.
    for index in sorted(range(len(cores)), key=lambda place: -len(cores[place])):
        if cores[index] in text:
            text = text.replace(cores[index], "\n") if cores.count(cores[index]) == 1 else text
        else:
            missing.append(index)
    if missing:
        named = lines_named(folded, len(lines))
        missing = [index for index in missing if index + 1 not in named and not _nearly_in(cores[index], text)]
    return sorted(missing)


def _nearly_in(line: str, text: str) -> bool:
    """Whether the text holds the line with at most one edit in four characters (Sellers' search)."""
    allowed = len(line) // _LETTERS_A_SLIP
    if not allowed or len(set(line) & set(text)) < len(set(line)) - allowed:
        return False
    row = list(range(len(line) + 1))
    for character in text:
        above, row[0] = row[0], 0
        for place, wanted in enumerate(line, 1):
            here = min(above + (character != wanted), row[place] + 1, row[place - 1] + 1)
            above, row[place] = row[place], here
        if row[-1] <= allowed:
            return True
    return False
