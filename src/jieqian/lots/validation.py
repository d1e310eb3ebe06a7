"""A pack looked over as an editor would: every fault of format, then what the texts say; nothing stops at the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from jieqian.languages import Language
from jieqian.lots.finding import Finding, Severity
from jieqian.lots.lot import TOPICS
from jieqian.lots.overlaps import near_copies, overlap, sentences, shingles
from jieqian.lots.pack import COLLECTION_FILE, LOTS_FILE, LotRow, read_pack
from jieqian.lots.pack_format import CollectionEntry, CommentaryEntry
from jieqian.lots.text_faults import script_faults, text_faults, verse_faults, verse_script_faults

NEAR_COPY = 0.5
"""Above this share of common four-word runs two lots' texts count as near-copies."""

_SAME_COUNSEL = 0.6
#: Counsel as short as 吉 or "Good." may well be the same.
_A_WORD = 8


def validate_pack(folder: Path) -> list[Finding]:
    """Every finding, in order of file and line; empty when there is nothing to mend. Never raises for bad content.

    A pack without an `error` can be loaded.
    """
    contents = read_pack(folder)
    findings = list(contents.findings)
    file = str(folder / LOTS_FILE)
    if contents.collection is not None:
        findings.extend(_collection_findings(str(folder / COLLECTION_FILE), contents.collection))
        findings.extend(_missing_lots(str(folder / COLLECTION_FILE), contents.collection))
    script = Language(contents.collection.script) if contents.collection else Language.ZH_HANT
    for row in contents.rows:
        findings.extend(_row_findings(file, row, script))
    findings.extend(_polarity_findings(file, contents.rows))
    findings.extend(_verse_twice(file, contents.rows))
    findings.extend(_missing_commentary(file, contents.rows))
    for language in Language:
        findings.extend(_overlap_findings(file, contents.rows, language))
    return sorted(set(findings), key=lambda each: (each.file, each.line or 0, each.lot or 0, each.severity, each.what))


def _collection_findings(file: str, collection: CollectionEntry) -> Iterator[Finding]:
    told = {
        "names": collection.names,
        "deity": collection.deity,
        "notes": collection.notes,
        "story": collection.story,
        "asked_for": collection.asked_for,
        "custom": collection.custom and collection.custom.text,
    }
    for key, texts in told.items():
        for tag, text in (texts or {}).items():
            # English may name ranks in Chinese, and `notes`, `source` and `licence` may hold links.
            if tag != "en":
                # A name without a Chinese form stands as it is.
                severity = Severity.WARNING if texts and text == texts.get("en") else Severity.ERROR
                yield from (
                    Finding(file, None, None, f"{key}.{tag} {fault}", severity)
                    for fault in script_faults(text, Language(tag))
                )


def _row_findings(file: str, row: LotRow, script: Language) -> Iterator[Finding]:
    lot = row.lot

    def finding(what: str, severity: Severity = Severity.ERROR) -> Finding:
        return Finding(file, row.line, lot.number, what, severity)

    for place, line in enumerate(lot.lines, start=1):
        told = f"line {place} of the verse"
        yield from (finding(f"{told} {fault}") for fault in verse_faults(line))
        # Print has its variants, and only a person can tell them from slips.
        yield from (finding(f"{told} {fault}", Severity.WARNING) for fault in verse_script_faults(line, script))
    for variant in lot.variants:
        if variant.ours != lot.lines[variant.line - 1]:
            yield finding(f"a variant says line {variant.line} is {variant.ours}; it is {lot.lines[variant.line - 1]}")
        if variant.ours == variant.other:
            yield finding(f"the variant of line {variant.line} is no difference")
    for tag, text in [*lot.title.items(), *lot.allusion.items()]:
        yield from (finding(f"title or allusion {what}", how) for what, how in _text_faults(text, Language(tag)))
    for tag, commentary in lot.commentary.items():
        for key, text in _texts(commentary).items():
            told = f"commentary.{tag}.{key}"
            yield from (finding(f"{told} {what}", how) for what, how in _text_faults(text, Language(tag)))
        yield from (finding(*found) for found in _same_counsel(tag, commentary))
        yield from (finding(what, Severity.WARNING) for what in _left_out(tag, commentary))
    if lot.commentary:
        for wanted in ("zh-Hant", "en"):
            if wanted not in lot.commentary:
                yield finding(f"has commentary, but none in {wanted}", Severity.WARNING)


def _text_faults(text: str, language: Language) -> Iterator[tuple[str, Severity]]:
    # English that quotes Chinese is still English.
    severity = Severity.WARNING if language is Language.EN else Severity.ERROR
    yield from ((fault, severity) for fault in script_faults(text, language))
    yield from ((fault, Severity.ERROR) for fault in text_faults(text))


def _texts(commentary: CommentaryEntry) -> dict[str, str]:
    """Each text of a commentary by its key: gloss.1, overall, topics.love."""
    return {
        **{f"gloss.{place}": text for place, text in enumerate(commentary.gloss, start=1)},
        "overall": commentary.overall,
        **{f"topics.{topic}": text for topic, text in commentary.counsel().items()},
    }


def _left_out(tag: str, commentary: CommentaryEntry) -> Iterator[str]:
    if not commentary.gloss:
        yield f"commentary.{tag}.gloss is missing"
    there = commentary.counsel()
    if tag == "ja" and not there:
        return
    if lacking := [topic for topic in TOPICS if topic not in there]:
        yield f"commentary.{tag}.topics {'is missing' if not there else 'lacks ' + ', '.join(lacking)}"


def _same_counsel(tag: str, commentary: CommentaryEntry) -> Iterator[tuple[str, Severity]]:
    topics = list(commentary.counsel().items())
    for place, (topic, text) in enumerate(topics):
        for other, other_text in topics[place + 1 :]:
            if text == other_text and len(text) > _A_WORD:
                yield f"commentary.{tag}: {topic} and {other} have the same text", Severity.ERROR
            elif overlap(shingles(text), shingles(other_text)) > _SAME_COUNSEL:
                yield f"commentary.{tag}: {topic} and {other} say nearly the same", Severity.WARNING


def _polarity_findings(file: str, rows: tuple[LotRow, ...]) -> Iterator[Finding]:
    first: dict[str, LotRow] = {}
    for row in rows:
        fortune = row.lot.fortune
        if fortune is None:
            continue
        earlier = first.setdefault(fortune.label, row).lot
        if earlier.fortune and earlier.fortune.polarity != fortune.polarity:
            what = f"{fortune.label} is {fortune.polarity} here and {earlier.fortune.polarity} in lot {earlier.number}"
            yield Finding(file, row.line, row.lot.number, what)


def _verse_twice(file: str, rows: tuple[LotRow, ...]) -> Iterator[Finding]:
    first: dict[tuple[str, ...], int] = {}
    for row in rows:
        earlier = first.setdefault(tuple(row.lot.lines), row.lot.number)
        if earlier != row.lot.number:
            what = f"has the whole verse of lot {earlier}"
            yield Finding(file, row.line, row.lot.number, what, Severity.WARNING)


def _missing_lots(file: str, collection: CollectionEntry) -> Iterator[Finding]:
    if collection.missing:
        named = ", ".join(map(str, collection.missing[:20])) + (" …" if len(collection.missing) > 20 else "")
        what = f"{len(collection.missing)} of {collection.size} lots are missing: {named}"
        yield Finding(file, None, None, what, Severity.WARNING)


def _missing_commentary(file: str, rows: tuple[LotRow, ...]) -> Iterator[Finding]:
    without = sum(not row.lot.commentary for row in rows)
    if without:
        what = f"{without} of {len(rows)} lots have no commentary; they are shown by their verse"
        yield Finding(file, None, None, what, Severity.WARNING)


def _overlap_findings(file: str, rows: tuple[LotRow, ...], language: Language) -> Iterator[Finding]:
    """Sentences of one lot's commentary that stand in another's, and whole texts that are near-copies."""
    texts: dict[tuple[int, str], str] = {}
    line_of: Mapping[int, int] = {row.lot.number: row.line for row in rows}
    first: dict[str, int] = {}
    for row in rows:
        commentary = row.lot.commentary.get(language.value)
        for key, text in _texts(commentary).items() if commentary else ():
            texts[row.lot.number, key] = text
            for folded, sentence in sentences(text):
                earlier = first.setdefault(folded, row.lot.number)
                if earlier != row.lot.number:
                    what = f"commentary.{language}.{key} has a sentence of lot {earlier}: {sentence[:60]}"
                    yield Finding(file, row.line, row.lot.number, what, Severity.WARNING)
    for (one, key), (other, other_key), share in near_copies(texts, NEAR_COPY):
        if one != other and texts[one, key] != texts[other, other_key]:
            what = f"commentary.{language}.{other_key} is nearly lot {one}'s {key} ({share:.0%} the same)"
            yield Finding(file, line_of[other], other, what, Severity.WARNING)
