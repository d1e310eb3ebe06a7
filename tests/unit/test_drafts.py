"""The operator's work on imported collections: drafts, mends, publishing, withdrawing, and what is refused."""

import json
import os
import threading
import zipfile

import pytest
from import_sources import old_lot, verse_of, write_zip
from sample_packs import write_pack

from jieqian.errors import (
    ChangedMeanwhile,
    CollectionFixed,
    EntryRefused,
    ImportAtWork,
    ImportRefused,
    JieqianError,
    UnknownCollection,
)
from jieqian.lots.importing.drafts import Drafts, columns_told, wish_of
from jieqian.lots.importing.entries import mark_of
from jieqian.lots.importing.mending import mark_of_collection
from jieqian.lots.importing.placing import changing
from jieqian.lots.importing.shelf import State
from jieqian.lots.importing.uploads import MOST_TOLD, incoming_file, largest, safe_name
from jieqian.lots.library import LotLibrary

HEADS = "籤號,詩文,等第,解\n"


class Desk:
    """An operator at work on a data folder."""

    def __init__(self, data_dir):
        data_dir.mkdir()
        self.data_dir = data_dir
        self.library = LotLibrary.in_data_dir(
            data_dir, offered=("yuelao", "river", "sample")
        )  # one of six packaged: quicker
        self.drafts = Drafts(data_dir, self.library)

    def upload(self, held, name="lots.csv", **told):
        path = incoming_file(self.data_dir, safe_name(name))
        path.write_bytes(held if isinstance(held, bytes) else held.encode())
        return self.drafts.take(path, wish_of({"id": "river", **told}))

    def lot(self, number=1, collection="river"):
        return self.drafts.look(collection).held.lot(number)

    def line(self, number=1):
        return self.lot(number).model_dump(mode="json", exclude_defaults=True)

    def mend(self, number, *, mark=None, **changed):
        return self.drafts.mend_lot("river", number, {**self.line(number), **changed}, mark)

    def served(self, number=1):
        return self.library.lot("river", number)

    def states(self):
        return {(each.id, each.state.value) for each in self.drafts.listed() if each.state is not State.PACKAGED}

    def left(self):
        """Every file of drafts and uploads, with what it holds."""
        tops = (self.data_dir / "collections", self.data_dir / "imports")
        files = [path for top in tops for path in top.rglob("*") if path.is_file() and path.name != ".import.lock"]
        return {str(path.relative_to(self.data_dir)): path.read_bytes() for path in files}


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "data")


def table(*numbers, rank="上上", verse=verse_of):
    return HEADS + "".join(f"{at},{verse(at)},{rank},潮水漸平{at}。\n" for at in numbers)


def test_from_upload_to_service_and_back(desk):
    report = desk.upload(table(1, 2, 3))
    assert (report["counts"]["taken"], report["file"]) == (3, "lots.csv")
    assert desk.states() == {("river", "draft")}
    with pytest.raises(UnknownCollection):
        desk.library.collection("river")
    seen = desk.drafts.look("river")
    assert (seen.held.state, seen.upload, seen.report["columns"]["2"]) == (State.DRAFT, "lots.csv", "verse")
    desk.drafts.publish("river")
    assert desk.served(3).lines == tuple(verse_of(3).split("，"))
    assert desk.states() == {("river", "served")}
    assert sorted(desk.left()) == [
        f"collections/river/{name}" for name in ("collection.json", "imported.json", "lots.jsonl")
    ]
    desk.drafts.withdraw("river")
    assert desk.states() == {("river", "withdrawn")}
    with pytest.raises(UnknownCollection):
        desk.library.collection("river")
    desk.drafts.publish("river")
    assert desk.states() == {("river", "served")}
    assert desk.drafts.look("river").held.record.keys() == {"format", "lots"}


def test_a_mend_is_kept_by_a_second_upload_and_reaches_the_service_at_once(desk):
    desk.upload(table(1, 2))
    desk.mend(1, lines=["手改的一行"])
    second = desk.upload(table(1, 2, 3, rank="下下"))
    assert [told["reason"] for told in second["refused"]] == [
        "was mended by hand since the last import; the mend is kept"
    ]
    assert second["counts"]["taken"] == 2
    desk.drafts.publish("river")
    assert desk.served(1).lines == ("手改的一行",)
    desk.mend(2, sign="甲子")
    assert desk.served(2).sign == "甲子"
    with pytest.raises(ImportRefused, match="lot 2: was mended by hand"):
        desk.upload(table(2, rank="中平"))


def test_a_lot_given_by_hand_fills_the_gap_and_is_kept(desk):
    desk.upload(table(1, 3))
    assert desk.drafts.look("river").held.collection.missing == [2]
    desk.drafts.mend_lot("river", 2, {"lines": ["手寫的第二籤"]}, "")
    held = desk.drafts.look("river").held
    assert ([lot.number for lot in held.lots], held.collection.missing) == ([1, 2, 3], [])
    assert desk.upload(table(2))["refused"][0]["lot"] == 2
    with pytest.raises(EntryRefused):
        desk.drafts.mend_lot("river", 4, {"lines": ["第四籤"]}, "")


def test_a_save_on_an_older_state_is_told_and_writes_nothing(desk):
    desk.upload(table(1, 2))
    mark = mark_of(desk.lot(1))
    desk.mend(1, mark=mark, sign="甲子")
    before = desk.left()
    with pytest.raises(ChangedMeanwhile):
        desk.mend(1, mark=mark, sign="乙丑")
    with pytest.raises(ChangedMeanwhile):
        desk.mend(1, mark="", sign="乙丑")
    assert desk.left() == before
    desk.mend(1, mark=mark_of(desk.lot(1)), sign="乙丑")
    assert desk.lot(1).sign == "乙丑"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"lines": []}, "lines"),
        ({"lines": ["字" * 61]}, "lines"),
        ({"lines": ["<script>alert(1)</script>"]}, "lines"),
        ({"fortune": {"label": "大吉", "polarity": "bad"}}, "fortune"),
        ({"fortune": {"label": "大吉", "polarity": ""}}, "fortune.polarity"),
        ({"title": {"en": "a\u202eb"}}, "title.en"),
        ({"commentary": {"en": {"topics": {"love": "Well."}}}}, "commentary.en.overall"),
        ({"commentary": {"en": {"overall": "x", "topics": {"love": "字" * 1201}}}}, "commentary.en.topics.love"),
        ({"commentary": {"en": {"overall": "Well.", "gloss": ["one"]}}}, ""),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_does_not_fit_is_told_by_its_field_and_writes_nothing(desk, changed, field):
    desk.upload(table(1))
    before = desk.left()
    with pytest.raises(EntryRefused) as refused:
        desk.mend(1, **changed)
    assert refused.value.extra["faults"].keys() == {field}
    assert desk.left() == before


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"lines": []}, ("empty", None)),
        ({"lines": ["字" * 61]}, ("long", 60)),
        ({"lines": ["字"] * 21}, ("many", 20)),
        ({"lines": ["<b>x"]}, ("markup", None)),
        ({"lines": ["a\u202eb"]}, ("invisible", None)),
        ({"lines": ["。。"]}, ("letters", None)),
        ({"fortune": {"label": "大吉", "polarity": "bad"}}, ("sense", None)),
        ({"fortune": {"label": "大吉", "polarity": ""}}, ("choose", None)),
        ({"commentary": {"en": {}}}, ("empty", None)),
    ],
)
def test_usual_faults_have_a_kind_that_pages_can_say(desk, changed, kind):
    desk.upload(table(1))
    with pytest.raises(EntryRefused) as refused:
        desk.mend(1, **changed)
    assert list(refused.value.extra["kinds"].values()) == [kind]


def test_a_collections_own_fields(desk):
    desk.upload(table(1, 3))
    collection = desk.drafts.look("river").held.collection
    made = {
        "names": {"zh-Hant": "春江靈籤", "en": "Spring River"}, "deity": {"zh-Hant": "江神", "en": "River God"},
        "aliases": ["Chunjiang"], "size": 5, "edition": "Of 1985.", "source": "Tang.", "licence": "Public domain.",
    }  # fmt: skip
    mended = desk.drafts.mend_collection("river", made, mark_of_collection(collection))
    assert (mended.collection.missing, mended.collection.names["en"]) == ([2, 4, 5], "Spring River")
    for changed in ({"size": 2}, {"size": "many"}, {"names": {"en": "x"}}, {"licence": ""}, {"id": "other"}):
        with pytest.raises(EntryRefused) as refused:
            desk.drafts.mend_collection("river", {**made, **changed}, None)
        assert refused.value.extra["faults"].keys() == set(changed)
    with pytest.raises(ImportRefused, match="belongs to yuelao"):
        desk.drafts.mend_collection("river", {**made, "aliases": ["月老"]}, None)
    with pytest.raises(ChangedMeanwhile):
        desk.drafts.mend_collection("river", made, mark_of_collection(collection))


def test_a_table_read_again_gives_other_lots_and_keeps_what_was_mended(desk):
    rows = "".join(f"{at},{at + 100},{verse_of(at)},備註\n" for at in (1, 2, 3))
    report = desk.upload(rows)
    assert report["columns"]["1"] == "number"
    desk.mend(2, sign="甲子")
    again = desk.drafts.take_again("river", columns_told("number=2,verse=3"))
    held = desk.drafts.look("river").held
    assert [lot.number for lot in held.lots] == [2, 101, 102, 103]
    assert again["told_columns"] == {"2": "number", "3": "verse"}
    desk.drafts.take_again("river", columns_told("number=1,verse=3"))
    assert [lot.number for lot in desk.drafts.look("river").held.lots] == [1, 2, 3]
    assert desk.lot(2).sign == "甲子"
    with pytest.raises(ImportRefused, match="no column"):
        desk.drafts.take_again("river", {"9": "verse"})
    desk.drafts.publish("river")
    with pytest.raises(UnknownCollection):
        desk.drafts.take_again("river", {})


def test_a_table_read_again_leaves_lots_of_an_earlier_file(desk):
    desk.upload(table(1, 2), "first.csv")
    desk.upload(table(3, 4), "second.csv")
    desk.drafts.take_again("river", columns_told("number=1,verse=2"))
    held = desk.drafts.look("river").held
    assert [(lot.number, lot.fortune is None) for lot in held.lots] == [(1, False), (2, False), (3, True), (4, True)]
    assert [path.name for path in (desk.data_dir / "imports" / "river" / "upload").iterdir()] == ["second.csv"]


@pytest.mark.parametrize(
    ("name", "held", "told"),
    [
        ("empty.csv", b"", "No lot could be taken"),
        ("broken.zip", b"PK\x03\x04 nothing", "is no ZIP file"),
        ("no.json", b"[[[[", "No lot could be taken"),
        ("noise.csv", bytes(range(256)) * 8, "No lot could be taken"),
        ("deep.json", b"[" * 100_000, "No lot could be taken"),
    ],
)
def test_a_bad_upload_is_told_in_words_and_leaves_nothing(desk, name, held, told):
    with pytest.raises(ImportRefused, match=told) as refused:
        desk.upload(held, name)
    assert str(desk.data_dir) not in refused.value.detail
    assert desk.left() == {}
    assert list((desk.data_dir / "imports").iterdir()) == []


def test_a_bomb_is_refused(desk, tmp_path):
    bomb = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.json", "w", force_zip64=True) as out,
    ):
        for _ in range(100):
            out.write(b" " * (1 << 20))
    with pytest.raises(ImportRefused, match="larger than 64 MiB"):
        desk.upload(bomb.read_bytes(), "bomb.zip")
    assert desk.left() == {}


def test_nobody_writes_outside_by_a_files_name(desk, tmp_path):
    held = {"../../evil.json": old_lot(1), "/abs.json": old_lot(2), "fine.json": old_lot(3)}
    report = desk.upload(write_zip(tmp_path / "x.zip", held).read_bytes(), "../../../x.zip")
    assert (report["file"], report["counts"]["taken"]) == ("x.zip", 1)
    assert not list(tmp_path.rglob("evil.json"))


@pytest.mark.parametrize(
    ("told", "safe"),
    [
        ("lots.csv", "lots.csv"),
        ("C:\\Users\\me\\籤 詩.CSV", "籤 詩.CSV"),
        ("../../etc/x.json", "x.json"),
        ("....json.zip", "json.zip"),
        ("a\x00b\n<script>.json", "a_b__script_.json"),
        ("長" * 300 + ".json", "長" * 60 + ".json"),
    ],
)
def test_a_name_becomes_safe(told, safe):
    assert safe_name(told) == safe
    assert len(safe.encode()) < 255


@pytest.mark.parametrize("told", ["", ".csv", "lots", "lots.exe", "..", "/"])
def test_other_names_are_refused(told):
    with pytest.raises(ImportRefused):
        safe_name(told)


def test_a_zip_may_be_larger():
    assert (largest("a.ZIP") >> 20, largest("a.json") >> 20) == (256, 64)


@pytest.mark.parametrize(
    "told", [{"size": "0"}, {"size": "10001"}, {"size": "ten"}, {"columns": "verse"}, {"columns": "x=1"}]
)
def test_a_wish_that_cannot_be_is_refused(told):
    with pytest.raises(ImportRefused):
        wish_of(told)


@pytest.mark.parametrize("id", ["../x", "_river", "River", "a/b", "", ".", "x" * 41, "a--b"])
def test_only_an_id_is_a_folders_name(desk, id):
    for step in (desk.drafts.look, desk.drafts.publish, desk.drafts.withdraw, desk.drafts.discard):
        with pytest.raises(UnknownCollection):
            step(id)


def test_what_was_not_imported_is_not_touched(desk):
    write_pack(desk.data_dir / "collections" / "sample")
    write_pack(desk.data_dir / "collections" / "_aside")
    desk.library.reload()
    before = desk.left()
    listed = {each.id: (each.state.value, each.reason) for each in desk.drafts.listed()}
    assert listed["sample"] == ("by_hand", "")
    assert listed["_aside"][0] == "broken"
    for collection in ("sample", "yuelao"):
        assert desk.drafts.look(collection).held.lots
        for step in (
            desk.drafts.withdraw,
            lambda id: desk.drafts.mend_lot(id, 1, {"lines": ["春江"]}, None),
            lambda id: desk.drafts.mend_collection(id, {}, None),
        ):
            with pytest.raises(CollectionFixed):
                step(collection)
        for step in (desk.drafts.publish, desk.drafts.discard):
            with pytest.raises(UnknownCollection):
                step(collection)
        with pytest.raises(ImportRefused):
            desk.upload(table(1), id=collection)
    with pytest.raises(CollectionFixed):
        desk.drafts.discard("aside")
    assert desk.left() == before


def test_folders_that_do_not_load_are_listed_with_the_reason(desk):
    desk.upload(table(1))
    (desk.data_dir / "collections" / "_river" / "lots.jsonl").write_text("no json\n")
    broken = write_pack(desk.data_dir / "collections" / "<b>broken", lots=["{}"])
    desk.library.reload()
    reasons = {each.id: each.reason for each in desk.drafts.listed() if each.state is State.BROKEN}
    assert reasons.keys() == {"_river", broken.name}
    assert {each.discards for each in desk.drafts.listed()} == {None, "river"}
    assert all("lots.jsonl" in reason for reason in reasons.values())
    with pytest.raises(UnknownCollection, match="not valid JSON"):
        desk.drafts.look("river")
    desk.drafts.discard("river")
    assert {each.id for each in desk.drafts.listed() if each.state is State.BROKEN} == {broken.name}


def test_a_draft_of_a_served_one_stands_on_what_it_saw(desk):
    desk.upload(table(1, 2))
    desk.drafts.publish("river")
    desk.upload(table(2, 3, rank="下下"))
    assert desk.states() == {("river", "served"), ("river", "draft")}
    assert desk.drafts.look("river").held.also_served
    with pytest.raises(ChangedMeanwhile):
        desk.drafts.withdraw("river")
    desk.mend(1, sign="甲子")  # of the draft: what is served stays
    assert desk.served(1).sign is None
    rows = desk.data_dir / "collections" / "river" / "lots.jsonl"
    kept = rows.read_text(encoding="utf-8")
    rows.write_text(kept.replace("上上", "上吉"), encoding="utf-8")
    with pytest.raises(ChangedMeanwhile):
        desk.drafts.publish("river")
    rows.write_text(kept, encoding="utf-8")
    desk.drafts.publish("river")
    assert [desk.served(at).fortune.label for at in (1, 2, 3)] == ["上上", "下下", "下下"]
    assert desk.served(1).sign == "甲子"


def test_the_same_again_makes_no_draft(desk):
    desk.upload(table(1))
    desk.drafts.publish("river")
    with pytest.raises(ImportRefused, match="Nothing in it is new"):
        desk.upload(table(1))
    assert desk.states() == {("river", "served")}
    assert not list((desk.data_dir / "imports").iterdir())


def test_a_report_is_bounded(desk):
    rows = [f'{{"id": {at}, "poem": "{verse_of(at)}", "key{at}": "x"}}' for at in range(1, 901)]
    rows += ["no json"] * 900
    report = desk.upload("\n".join(rows), "many.jsonl")
    assert (report["counts"]["taken"], len(report["taken"]), len(report["refused"])) == (900, MOST_TOLD, MOST_TOLD)
    assert os.path.getsize(desk.data_dir / "imports" / "river" / "report.json") < 1 << 20
    assert desk.drafts.look("river").report == json.loads(json.dumps(report))


def test_one_import_at_a_time(desk):
    desk.upload(table(1))
    heard = []

    def mend():
        try:
            desk.mend(1, sign="甲子")
        except JieqianError as error:
            heard.append(error)

    with changing(desk.data_dir):
        other = threading.Thread(target=mend)
        other.start()
        other.join(0.3)
        assert other.is_alive()
        assert desk.lot(1).sign is None
    other.join(10)
    assert (heard, desk.lot(1).sign) == ([], "甲子")
    desk.drafts._reading.acquire()
    with pytest.raises(ImportAtWork):
        desk.upload(table(2))


def test_what_was_cut_off_goes_with_a_later_upload(desk):
    stale = incoming_file(desk.data_dir, "a.csv").parent
    fresh = incoming_file(desk.data_dir, "b.csv").parent
    os.utime(stale, (0, 0))
    desk.upload(table(1))
    assert (stale.exists(), fresh.exists()) == (False, True)


def test_a_collection_that_is_not_offered(tmp_path):
    desk = Desk(tmp_path / "data")
    desk.library = LotLibrary.in_data_dir(desk.data_dir, offered=("yuelao",))
    desk.drafts = Drafts(desk.data_dir, desk.library)
    desk.upload(table(1))
    desk.drafts.publish("river")
    assert desk.states() == {("river", "not_offered")}
    desk.mend(1, sign="甲子")
    desk.drafts.withdraw("river")
    assert desk.states() == {("river", "withdrawn")}
