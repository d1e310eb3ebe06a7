"""Compiled templates are kept, never old, and never in the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import jinja2
import pytest

from jieqian.compiled import compiled_beside


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    monkeypatch.setattr("sys.pycache_prefix", None)
    (tmp_path / "__pycache__").mkdir()
    return tmp_path / "pages.py"


def rendered(module: Path, text: str) -> str:
    cache = compiled_beside(str(module))
    loader = jinja2.DictLoader({"page.html": text})
    return jinja2.Environment(loader=loader, bytecode_cache=cache).get_template("page.html").render(name="lot")


def test_a_template_is_kept_and_a_changed_one_compiled_anew(module: Path) -> None:
    assert rendered(module, "A {{ name }}.") == "A lot."
    (kept,) = (module.parent / "__pycache__").iterdir()
    before = kept.read_bytes()
    assert rendered(module, "A {{ name }}.") == "A lot."
    assert kept.read_bytes() == before
    assert rendered(module, "No {{ name }}.") == "No lot."
    kept.write_bytes(b"")  # a power cut
    assert rendered(module, "No {{ name }}.") == "No lot."


def test_where_nothing_can_be_kept_it_is_compiled(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = compiled_beside(str(module))
    shutil.rmtree(module.parent / "__pycache__")
    loader = jinja2.DictLoader({"page.html": "A {{ name }}."})
    page = jinja2.Environment(loader=loader, bytecode_cache=cache).get_template("page.html")
    assert page.render(name="lot") == "A lot."
    assert compiled_beside(str(module)) is None
    (module.parent / "__pycache__").mkdir()
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    assert compiled_beside(str(module)) is None
