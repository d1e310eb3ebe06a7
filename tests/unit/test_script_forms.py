"""The shipped table of single characters' forms: what the installed OpenCC makes, and read without a converter."""

import json
import subprocess
import sys

from jieqian.lots.script import changed_forms, is_simplified_form, is_traditional_form
from jieqian.lots.script_forms import CONVERSIONS, FORMS, make_forms


def test_the_table_is_that_of_the_installed_opencc() -> None:
    shipped, made = json.loads(FORMS.read_text(encoding="utf-8")), make_forms()
    assert tuple(shipped) == CONVERSIONS
    for how in CONVERSIONS:
        apart = set(zip(*shipped[how], strict=True)) ^ set(zip(*made[how], strict=True))
        assert len(apart) <= len(made[how][0]) // 100, f"{how}: run python -m jieqian.lots.script_forms"


def test_forms_of_single_characters() -> None:
    assert changed_forms("s2tw")["时"] == "時"
    assert "後" not in changed_forms("s2tw")
    assert [is_simplified_form(one) for one in "时後后里"] == [True, False, False, False]
    assert [is_traditional_form(one) for one in "時后月"] == [True, False, False]


def test_no_converter_from_simplified_is_loaded_for_a_reading() -> None:
    """It would keep 30 MB for as long as the service runs."""
    asked = (
        "import opencc; real = opencc.OpenCC; made = []\n"
        "opencc.OpenCC = lambda how: (made.append(how), real(how))[1]\n"
        "from jieqian.sections.warming import warm_up; warm_up()\n"
        "from jieqian.sections.script_mend import mend_script; from jieqian.languages import Language\n"
        "assert mend_script('时间', Language.ZH_HANT) == '時間'; print(sorted(set(made)))"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout.strip() in ("[]", "['tw2s']")
