"""How `jieqian experiments start` reads a variant."""

from __future__ import annotations

import pytest

from jieqian.cli.experiments import _variant
from jieqian.errors import UsageError


def test_a_variant_is_read_by_its_parts() -> None:
    told = _variant("large=50, model=a=b ,strategy=parallel")
    assert told == {"name": "large", "share": 50, "model": "a=b", "strategy": "parallel"}


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("large", "a share of 100"),
        ("large=５０", "a share of 100"),
        ("large=50,modl=x", "none of model="),
        ("large=50,model=", "none of model="),
        ("large=50,model=x,model=y", "model stands there twice"),
        ("large=50,name=x", "none of model="),
    ],
)
def test_what_is_half_understood_is_refused(told: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        _variant(told)
