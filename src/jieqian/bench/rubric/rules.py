"""Five of the six rules (`sense.py` has the sixth). Each is pure, and cautious: it marks down what it can show.

What the service itself refuses (`checks/`) no asker gets to see; of that a rule finds the shares that were let pass,
and what the checks do not look at. A rule that looks at every section counts one the model did not write as not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from jieqian.bench.rubric.wording import excerpt, general_words, words
from jieqian.bench.rubric.written import Fault, Rule, Scored, Written, over_sections
from jieqian.checks.grounding import LEAST_EXPLANATION, lines_not_taken_up
from jieqian.checks.ordinals import number_named
from jieqian.checks.repeats import shingles
from jieqian.checks.script import script_tables
from jieqian.checks.verse import ReadDraft, core, core_lines, fold, names_pattern
from jieqian.checks.writing import in_language, in_script
from jieqian.languages import Language
from jieqian.lots.lot import Lot
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.sections.topics import fold_words, words_of

_FIRST = SectionName.LINE_BY_LINE
_PROSE = tuple(name for name in SECTIONS if name is not _FIRST)
#: Sections that speak of the matter itself, and how many of them have to name it.
_ON_THE_MATTER = tuple(name for name in _PROSE if name is not SectionName.SUPPLEMENTARY_NOTES)
_ENOUGH_ON_THE_MATTER = 3
#: So many sections beside the first ought to come back to the lot.
_ENOUGH_CITING = 2
#: Marks between a quoted line and its explanation.
_AROUND = " \t\n」』”’\"'》：:，,、—-"


# -- lines covered ----------------------------------------------------------------------------------------------------


def lines_covered(written: Written) -> Scored:
    """The share of the verse's lines that are taken up and explained, each in words of its own."""
    read = written.reads.get(_FIRST)
    if read is None:
        return Scored(0.0, None, (Fault(Rule.LINES_COVERED, None, "the model explained no line"),))
    lines, least = written.lot.lines, LEAST_EXPLANATION[written.language]
    bad: dict[int, Fault] = {
        place: Fault(Rule.LINES_COVERED, _FIRST, f"line {place + 1} is not taken up: {lines[place]}")
        for place in lines_not_taken_up(read.folded, lines)
    }
    said: dict[str, int] = {}
    cores = core_lines(lines)
    for place, explained in _explanations(read.text, cores).items():
        explained = explained.strip(_AROUND)
        words = core(explained)
        other = next((each for each, line in enumerate(cores) if line != cores[place] and line in words), None)
        if len(words) < least:
            why, offending = f"line {place + 1} is quoted and not explained", lines[place]
        elif other is not None:
            why, offending = f"line {place + 1} is explained by line {other + 1}", excerpt(explained)
        elif words in said:
            why, offending = f"line {place + 1} is explained as line {said[words] + 1} is", excerpt(explained)
        else:
            said[words] = place
            continue
        bad[place] = Fault(Rule.LINES_COVERED, _FIRST, why, offending)
    share = 1 - len(bad) / len(lines)
    return Scored(share, share, tuple(bad[place] for place in sorted(bad)))


def _explanations(text: str, cores: Sequence[str]) -> dict[int, str]:
    """What is said of each quoted line, by its place: the rest of a row that begins with it.

    Where no row does, what follows it up to the next quoted line. Lines that are not quoted are left out.
    """
    found: dict[int, str] = {}
    for row in text.splitlines():
        letters = _letters(row)
        joined = "".join(mark for _, mark in letters)
        place = next(
            (at for at, line in enumerate(cores) if line and at not in found and joined.startswith(line)), None
        )
        if place is not None:
            found[place] = row[letters[len(cores[place]) - 1][0] + 1 :]
    quoted = _between_quotations(text, cores)
    return found if len(found) >= len(quoted) else quoted


def _between_quotations(text: str, cores: Sequence[str]) -> dict[int, str]:
    letters = _letters(text)
    joined = "".join(mark for _, mark in letters)
    spans: list[tuple[int, int, int]] = []
    begun = 0
    for place, line in enumerate(cores):
        at = joined.find(line, begun) if line else -1
        if at >= 0:
            begun = at + len(line)
            spans.append((at, begun, place))
    spans.append((len(joined), len(joined), -1))
    return {
        place: text[letters[end - 1][0] + 1 : letters[following][0] if following < len(letters) else len(text)]
        for (_, end, place), (following, _, _) in pairwise(spans)
    }


def _letters(text: str) -> list[tuple[int, str]]:
    """The folded letters of a text, each with its index in it."""
    return [(index, mark) for index, mark in enumerate(fold(text)) if mark.isalnum()]


# -- lot cited --------------------------------------------------------------------------------------------------------


def lot_cited(written: Written) -> Scored:
    """Half: the lot is named by collection and number. Half: two of the other sections come back to the lot.

    Come back: by its number, a run of its verse, or a picture of its own gloss, title or story.
    """
    if not written.texts:
        return Scored(0.0, None, (Fault(Rule.LOT_CITED, None, "the model wrote nothing"),))
    folded = "\n".join(read.folded for read in written.reads.values())
    names = names_pattern(written.collection)
    faults = []
    named = [names.search(folded) is not None, number_named(names.sub(" ", folded), written.lot.number)]
    for it, what in zip(named, ("its temple", "its number"), strict=True):
        if not it:
            faults.append(Fault(Rule.LOT_CITED, None, f"the lot is nowhere named by {what}"))
    prose = [read for name, read in written.reads.items() if name in _PROSE]
    citing = [read for read in prose if _cites(read, written)]
    if len(citing) < min(_ENOUGH_CITING, len(prose)):
        faults += [
            Fault(Rule.LOT_CITED, read.draft.section, "does not come back to the lot", excerpt(read.text))
            for read in prose
            if read not in citing
        ]
    own = 1.0 if not prose else min(1.0, len(citing) / min(_ENOUGH_CITING, len(prose)))
    return Scored(
        (sum(named) / 2 + min(1.0, len(citing) / _ENOUGH_CITING)) / 2, (sum(named) / 2 + own) / 2, tuple(faults)
    )


def _cites(read: ReadDraft, written: Written) -> bool:
    if any(hidden.isalnum() for hidden, kept in zip(read.text, read.own_words, strict=True) if hidden != kept):
        return True  # the verse, the printed rank or the collection's name
    if number_named(names_pattern(written.collection).sub(" ", read.folded), written.lot.number):
        return True
    return len(_pictures(written.lot, written.language) & _units(read.own_words, written.language)) >= 2


def _pictures(lot: Lot, language: Language) -> frozenset[str]:
    """The words (in Chinese and Japanese: pairs of characters) of the lot's own gloss, title and story."""
    commentary = lot.commentary(language)
    told = [lot.title(language), lot.allusion(language) or "", *(commentary.gloss if commentary else ())]
    return _units("\n".join(told), language)


def _units(text: str, language: Language) -> frozenset[str]:
    """What may tell of a matter: long words of English, pairs of Han characters and words in katakana of the others."""
    folded = fold_words(text)
    if language is Language.EN:
        return frozenset(
            stem(word) for word in re.findall(r"[a-z]{4,}", folded) if word not in general_words() and len(word) > 3
        )
    vague = words()["general"]["zh"]
    pairs = {
        one + other
        for run in re.findall(r"[\u3400-\u9fff々]+", folded)
        for one, other in pairwise(run)
        if one not in vague and other not in vague
    }
    if language is Language.JA:  # where words are of both writings: 高い枝に
        pairs |= {
            run[at : at + 4]
            for run in re.findall(r"[\u3041-\u3096\u30a1-\u30faー\u3400-\u9fff々]{4,}", folded)
            for at in range(len(run) - 3)
            if any(mark not in vague and "\u3400" <= mark <= "\u9fff" for mark in run[at : at + 4])
        }
    return frozenset(pairs | set(re.findall(r"[\u30a1-\u30faー]{3,}", folded)))


def stem(word: str) -> str:
    """An English word without its ending."""
    for ending in ("ingly", "ing", "edly", "ied", "ies", "ed", "es", "ly", "s"):
        if word.endswith(ending) and len(word) - len(ending) > 3:
            return word[: -len(ending)]
    return word


# -- language right ---------------------------------------------------------------------------------------------------

_LATIN = re.compile(r"[A-Za-z][A-Za-z'’-]*(?:\s+[A-Za-z][A-Za-z'’-]*)*")
_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]+")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa]+")
_ABBREVIATION = 5


def language_right(written: Written) -> Scored:
    """Each section in the asked language and script; a strange word in it, or a character of the other script: half."""
    marks, faults = {}, []
    for name, read in written.reads.items():
        complaint = in_language(read) or in_script(read)
        strange = list(_strange(read, written))
        marks[name] = 0.0 if complaint else 0.5 if strange else 1.0
        if complaint:
            why = "another language" if complaint.reason == "wrong_language" else "the other script"
            faults.append(Fault(Rule.LANGUAGE_RIGHT, name, f"written in {why}", excerpt(read.own_words.strip())))
        else:
            faults += [Fault(Rule.LANGUAGE_RIGHT, name, "words of another writing", each) for each in strange[:3]]
    return over_sections(marks, len(SECTIONS), faults)


def _strange(read: ReadDraft, written: Written) -> Iterable[str]:
    """Pieces of the text that are of another writing than its language's; what the asker brought in is not."""
    language, own = written.language, read.own_words
    if language is Language.EN:
        found = [each[0] for each in _EAST_ASIAN.finditer(own)]
    else:
        found = [each[0] for each in _LATIN.finditer(own) if not (len(each[0]) <= _ABBREVIATION and each[0].isupper())]
        if language.is_chinese:
            found += [each[0] for each in _KANA.finditer(own)]
        found += sorted({mark for mark in own if _of_other_script(mark, language)})
    return [each for each in found if each.casefold() not in written.question.casefold()]


def _of_other_script(mark: str, language: Language) -> bool:
    tables = script_tables()
    if language is Language.ZH_HANT:
        return mark in tables.simplified
    if language is Language.ZH_HANS:
        return mark in tables.traditional
    return mark in tables.simplified and not _in_japan(mark)


def _in_japan(mark: str) -> bool:
    try:
        mark.encode("shift_jis")
    except UnicodeEncodeError:
        return False
    return True


# -- sections distinct ------------------------------------------------------------------------------------------------

_SHARED_FREELY, _SHARED_TOO_MUCH = 0.15, 0.5
_SENTENCE = re.compile(r"[^。！？!?\n.]+[。！？!?.]?")
_LONG_SENTENCE = {Language.EN: 24, Language.JA: 12, Language.ZH_HANT: 10, Language.ZH_HANS: 10}


def sections_distinct(written: Written) -> Scored:
    """How far each section is its own: 1 where it shares 15 % of its word runs with none, 0 at half, or a whole copy.

    A sentence that stands in an earlier section too: half at most.
    """
    marks: dict[SectionName, float] = {}
    faults: list[Fault] = []
    seen: dict[str, SectionName] = {}
    runs = {name: shingles(read.own_words) for name, read in written.reads.items()}
    for name, read in written.reads.items():
        most, other = max(
            ((_shared(runs[name], runs[each]), each) for each in marks), default=(0.0, None), key=lambda pair: pair[0]
        )
        mark = min(1.0, max(0.0, (_SHARED_TOO_MUCH - most) / (_SHARED_TOO_MUCH - _SHARED_FREELY)))
        if mark < 1 and other is not None:
            why = f"{most:.0%} of its word runs are in {other.value}"
            faults.append(Fault(Rule.SECTIONS_DISTINCT, name, why, _common(read.text, written.reads[other].text)))
        for sentence in _sentences(read.own_words, written.language):
            if core(sentence) in seen and mark > 0.5:
                mark = 0.5
                why = f"a sentence of {seen[core(sentence)].value} again"
                faults.append(Fault(Rule.SECTIONS_DISTINCT, name, why, sentence))
            seen.setdefault(core(sentence), name)
        marks[name] = mark
    return over_sections(marks, len(SECTIONS), faults)


def _shared(one: frozenset[int], other: frozenset[int]) -> float:
    smaller = min(len(one), len(other))
    return len(one & other) / smaller if smaller else 0.0


def _sentences(text: str, language: Language) -> list[str]:
    found = (each[0].strip() for each in _SENTENCE.finditer(text))
    return [each for each in found if len(core(each)) >= _LONG_SENTENCE[language]]


def _common(one: str, other: str) -> str:
    found = SequenceMatcher(None, one, other, autojunk=False).find_longest_match()
    return excerpt(one[found.a : found.a + found.size].strip())


# -- question addressed -----------------------------------------------------------------------------------------------


def question_addressed(written: Written) -> Scored:
    """Three of the five sections on the matter name it: by a word of the question, or one of its topic."""
    asked = _units(written.question, written.language)
    reads = [written.reads[name] for name in _ON_THE_MATTER if name in written.reads]
    on_it = [read for read in reads if _names_the_matter(read, asked, written)]
    faults = []
    if len(on_it) < min(_ENOUGH_ON_THE_MATTER, len(reads)) or not reads:
        faults = [
            Fault(Rule.QUESTION_ADDRESSED, read.draft.section, "names nothing of what was asked", excerpt(read.text))
            for read in reads
            if read not in on_it
        ] or [Fault(Rule.QUESTION_ADDRESSED, None, "the model wrote no section on the matter")]
    own = min(1.0, len(on_it) / min(_ENOUGH_ON_THE_MATTER, len(reads))) if reads else None
    return Scored(min(1.0, len(on_it) / _ENOUGH_ON_THE_MATTER), own, tuple(faults))


def _names_the_matter(read: ReadDraft, asked: frozenset[str], written: Written) -> bool:
    if asked & _units(read.text, written.language):
        return True
    text = fold_words(read.text)
    names = map(fold_words, words()["topics"][written.topic])
    return any(name in text for name in names if not name.isascii()) or any(
        _holds(text, word) for word in (*words_of(written.topic), *words()["topics"][written.topic])
    )


def _holds(text: str, word: str) -> bool:
    if not word.isascii():
        return len(word) > 1 and word in text
    at = text.find(word)
    while at >= 0:
        if not (text[at - 1 : at].isalpha() or text[at + len(word) : at + len(word) + 1].isalpha()):
            return True
        at = text.find(word, at + 1)
    return False
