import asyncio
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_packs import collection, lot, write_pack

from jieqian.errors import InvalidLot, PackError, UnknownCollection, UnknownLot
from jieqian.lots.following import follow_folders
from jieqian.lots.library import COLLECTIONS_FOLDER, PACKAGED, LotLibrary
from jieqian.lots.numbers import LARGEST


@pytest.fixture(scope="module")
def packaged():
    return LotLibrary()


SIZES = {"guandi": 100, "guanyin": 100, "jiazi": 60, "sensoji": 100, "wongtaisin": 100, "yuelao": 100}


def test_the_package_brings_six_collections(packaged):
    assert {each.id: each.size for each in packaged.collections()} == SIZES
    assert [each.number for each in packaged.lots("yuelao")] == list(range(1, 101))


@pytest.mark.parametrize(
    "alias",
    [
        "yuelao",
        "YueLao",
        "yue-lao",
        "yue_lao",
        "Yue Lao",
        " ＹｕｅＬａｏ　",
        "月老",
        "月老靈籤",
        "月老灵签",
        "月老籤",
        "月老签",
        "yue\u2010lao",
    ],
)
def test_aliases_are_folded(packaged, alias):
    assert packaged.collection(alias).id == "yuelao"


def test_a_lot_is_found_by_alias_and_number(packaged):
    assert packaged.lot("月老", 1).lines[0] == "關關雎鳩"
    assert packaged.lot("觀音", 100).id == "guanyin/100"


@pytest.mark.parametrize("number", [0, -1, 101, 10**18])
def test_a_number_outside_says_which_there_are(packaged, number):
    with pytest.raises(UnknownLot, match="lots 1 to 100") as unknown:
        packaged.lot("yuelao", number)
    assert unknown.value.problem()["last"] == 100


@pytest.mark.parametrize(("alias", "nearest"), [("yuelo", "yuelao"), ("guan-yn", "guanyin"), ("觀阴", "guanyin")])
def test_an_unknown_collection_names_the_nearest(packaged, alias, nearest):
    with pytest.raises(UnknownCollection, match=f"Did you mean {nearest}") as unknown:
        packaged.collection(alias)
    assert unknown.value.problem()["nearest"] == nearest


@pytest.mark.parametrize("alias", ["", " ", "-", "\x00", "\ud800", "x" * 100_000, "\x1b[31m", "yue\x00lao", "xyz"])
def test_what_is_no_name_is_unknown_and_not_echoed_raw(packaged, alias):
    with pytest.raises(UnknownCollection) as unknown:
        packaged.collection(alias)
    assert unknown.value.detail.isprintable()
    assert len(unknown.value.detail) < 200
    unknown.value.detail.encode()


def test_look_ups_and_hits_are_counted():
    library = LotLibrary()
    library.lot("yuelao", 1)
    for wrong in (("yuelao", 101), ("nowhere", 1)):
        with pytest.raises((UnknownLot, UnknownCollection)):
            library.lot(*wrong)
    assert (library.lookups, library.hits) == (3, 1)


def test_an_operators_collection_stands_beside_the_packaged_ones(tmp_path):
    folder = write_pack(tmp_path / COLLECTIONS_FOLDER / "sample")
    library = LotLibrary.in_data_dir(tmp_path)
    assert [each.id for each in library.collections()] == [*SIZES, "sample"]
    assert library.lot("SAM-PLE", 2).lines == ("灩灩隨波千萬里",)
    assert library.collection("樣本灵签").id == "sample"
    assert library.folder("sample") == folder
    assert library.problems == []


def test_a_broken_pack_of_an_operator_stops_no_other(tmp_path):
    write_pack(tmp_path / COLLECTIONS_FOLDER / "broken", [lot(1)])
    write_pack(tmp_path / COLLECTIONS_FOLDER / "sample")
    library = LotLibrary.in_data_dir(tmp_path)
    assert library.collection("sample").size == 3
    assert [problem.file for problem in library.problems] == [
        str(tmp_path / COLLECTIONS_FOLDER / "broken" / "lots.jsonl")
    ]


def test_a_broken_pack_in_a_folder_that_must_load_raises(tmp_path):
    write_pack(tmp_path / "broken", [lot(1)])
    assert len(LotLibrary([tmp_path]).problems) == 1
    with pytest.raises(PackError, match="2 of 3 lots missing"):
        LotLibrary([tmp_path], must_load=tmp_path)


def test_a_failed_reload_keeps_the_old_state(tmp_path):
    folder = write_pack(tmp_path / "sample")
    library = LotLibrary([tmp_path], must_load=tmp_path)
    (folder / "lots.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(PackError):
        library.reload()
    assert library.lot("sample", 1).number == 1


@pytest.mark.parametrize(
    "about",
    [collection(id="yuelao"), collection(aliases=["YUE LAO"]), collection(names={"zh-Hant": "月老灵签", "en": "Mine"})],
)
def test_a_name_belongs_to_one_collection_only(tmp_path, about):
    write_pack(tmp_path / COLLECTIONS_FOLDER / "mine", about=about)
    library = LotLibrary.in_data_dir(tmp_path)
    assert [each.id for each in library.collections()] == [*SIZES]
    assert "belongs to yuelao already" in str(library.problems[0])
    assert library.lot("yuelao", 1).lines[0] == "關關雎鳩"


def test_reload_shows_a_new_pack_and_keeps_the_counts(tmp_path):
    library = LotLibrary.in_data_dir(tmp_path)
    library.lot("yuelao", 1)
    with pytest.raises(UnknownCollection):
        library.collection("sample")
    write_pack(tmp_path / COLLECTIONS_FOLDER / "sample")
    library.reload()
    assert library.collection("sample").id == "sample"
    assert library.hits == 1


def test_readers_never_see_half_a_reload(tmp_path):
    folder = tmp_path / COLLECTIONS_FOLDER / "sample"
    write_pack(folder)
    library = LotLibrary([tmp_path / COLLECTIONS_FOLDER])
    stop = threading.Event()
    wrong = []

    def read():
        while not stop.is_set():
            try:
                library.lot("sample", 1)
            except Exception as error:  # noqa: BLE001 - whatever a reader sees is the finding
                wrong.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(20):
        library.reload()
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_only_the_collections_on_offer_are_there(tmp_path):
    write_pack(tmp_path / COLLECTIONS_FOLDER / "mine")
    library = LotLibrary.in_data_dir(tmp_path, ["sample", "jiazi", "nowhere"])
    assert [each.id for each in library.collections()] == ["jiazi", "sample"]
    assert library.missing == ["nowhere"]
    library.reload()
    assert [each.id for each in library.collections()] == ["jiazi", "sample"]


def test_folders_that_are_not_there_are_empty(tmp_path):
    library = LotLibrary([tmp_path / "none", PACKAGED])
    assert library.collections()[0].id == "guandi"


@pytest.mark.parametrize("written", [7, 7.0, "７", "第七籤", "YueLao_7", "yuelao/7", "月老第七籤", "yue-lao-7"])
def test_a_lot_may_be_asked_for_by_number_or_by_an_id_of_the_same_collection(packaged, written):
    assert packaged.asked_lot("月老", written).id == "yuelao/7"


def test_an_id_of_another_collection_is_refused_and_told(packaged):
    with pytest.raises(InvalidLot, match="one of guanyin, and the collection asked for is yuelao"):
        packaged.asked_lot("YueLao", "Guanyin_7")


@pytest.mark.parametrize("written", ["abc", "", "1.5", 1.5, None, True, [7], "nowhere_7", "yuelao_x", "2-3"])
def test_what_is_neither_number_nor_id_is_no_lot(packaged, written):
    with pytest.raises(InvalidLot, match="no lot number"):
        packaged.asked_lot("yuelao", written)


@pytest.mark.parametrize(("written", "error"), [("yuelao_101", UnknownLot), (0, UnknownLot)])
def test_an_asked_lot_that_is_not_there_is_unknown(packaged, written, error):
    with pytest.raises(error):
        packaged.asked_lot("yuelao", written)
    for either in (7, "yuelao_7"):
        with pytest.raises(UnknownCollection):
            packaged.asked_lot("nowhere", either)


@pytest.mark.parametrize("number", [LARGEST, -LARGEST])
def test_a_number_that_was_cut_is_not_shown(packaged, number):
    with pytest.raises(UnknownLot, match="none of that number") as unknown:
        packaged.lot("yuelao", number)
    assert "000" not in unknown.value.detail.replace("100", "")


async def until(true: Callable[[], bool]) -> None:
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come true")


async def test_what_is_put_into_the_folder_is_followed(tmp_path: Path) -> None:
    library = await asyncio.to_thread(LotLibrary.in_data_dir, tmp_path)
    following = asyncio.create_task(follow_folders(library, seconds=0.02))
    pack = tmp_path / COLLECTIONS_FOLDER / "small"
    try:
        await asyncio.to_thread(write_pack, pack)
        await until(lambda: library.collections()[-1].id == "sample")
        await asyncio.to_thread((pack / "lots.jsonl").write_text, "{", encoding="utf-8")
        await until(lambda: bool(library.problems))
        await asyncio.to_thread(shutil.rmtree, pack)
        await until(lambda: not library.problems and library.collections()[-1].id == "yuelao")
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
