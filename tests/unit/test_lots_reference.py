"""The packaged verse against reference data taken down separately: no character differs without a recorded reason."""

import json
from pathlib import Path

import pytest

from jieqian.lots.library import PACKAGED
from jieqian.lots.pack import read_pack
from jieqian.lots.validation import Severity, validate_pack

REFERENCE = Path(__file__).parents[1] / "data" / "lots_reference_yuelao_guanyin.jsonl"


def reference(collection):
    rows = map(json.loads, REFERENCE.read_text(encoding="utf-8").splitlines())
    return {row["number"]: row for row in rows if row["collection"] == collection}


@pytest.mark.parametrize("collection", ["yuelao", "guanyin"])
def test_every_difference_is_a_recorded_variant_and_every_variant_a_difference(collection):
    known = reference(collection)
    lots = [row.lot for row in read_pack(PACKAGED / collection).rows]
    assert [lot.number for lot in lots] == sorted(known) == list(range(1, 101))
    for lot in lots:
        theirs = known[lot.number]["lines"]
        assert len(lot.lines) == len(theirs), lot.number
        differing = {(i, a, b) for i, (a, b) in enumerate(zip(lot.lines, theirs, strict=True), start=1) if a != b}
        recorded = {(variant.line, variant.ours, variant.other) for variant in lot.variants}
        assert differing <= recorded, f"{collection} {lot.number}: a difference without its reason"
        for line, ours, other in recorded:
            assert ours == lot.lines[line - 1], f"{collection} {lot.number}: the variant is not what stands there"
            assert ours != other, f"{collection} {lot.number}: no difference"


@pytest.mark.parametrize("collection", ["yuelao", "guanyin"])
def test_ranks_are_as_printed(collection):
    known = reference(collection)
    for row in read_pack(PACKAGED / collection).rows:
        label = row.lot.fortune.label if row.lot.fortune else None
        assert label == known[row.lot.number]["fortune"], row.lot.number


@pytest.mark.parametrize("collection", ["yuelao", "guanyin"])
def test_packaged_packs_have_nothing_to_mend(collection):
    findings = validate_pack(PACKAGED / collection)
    assert [str(finding) for finding in findings if finding.severity is Severity.ERROR] == []
    # The one warning left says how many lots wait for their commentary.
    assert [str(f) for f in findings if "have no commentary" not in f.what] == []
