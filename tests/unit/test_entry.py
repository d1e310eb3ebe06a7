"""The way into the program."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Ctrl-C at the moment this module is looked for.
INTERRUPTED_AT = """
import sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
sys.argv = ["jieqian", "version"]
from jieqian.entry import main
main()
"""


@pytest.mark.parametrize("module", ["jieqian.cli", "typer", "jieqian.settings"])
def test_ctrl_c_while_the_program_is_loaded_is_no_traceback(module: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED_AT.format(module=module)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == (130, "", "")
