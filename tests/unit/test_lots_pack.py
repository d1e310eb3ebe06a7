import json
import re
from pathlib import Path

import jsonschema
import pytest
from sample_packs import collection, commentary, lot, write_pack

from jieqian.errors import PackError
from jieqian.languages import Language
from jieqian.lots.library import PACKAGED
from jieqian.lots.lot import TOPICS, Polarity
from jieqian.lots.pack import MAX_LINE_BYTES, load_pack, read_pack
from jieqian.lots.pack_format import SCHEMA_FOLDER, SCHEMAS, CollectionEntry, LotEntry, TopicsEntry, schema_text
from jieqian.lots.script import simplify_all, to_simplified


def test_a_whole_pack_becomes_values(tmp_path):
    note = commentary()
    first = lot(1, commentary={"zh-Hant": note}, allusion={"zh-Hant": "「春江」出自張若虛〈春江花月夜〉。"})
    pack, lots = load_pack(write_pack(tmp_path / "sample", [first, lot(2, fortune=None), lot(3)]))
    assert (pack.id, pack.size, pack.aliases) == ("sample", 3, ("Sam Ple", "樣本"))
    assert [each.number for each in lots] == [1, 2, 3]
    assert lots[0].lines == ("春江潮水連海平", "海上明月共潮生")
    assert lots[0].fortune.polarity is Polarity.GOOD
    assert lots[1].fortune is None
    assert lots[1].commentary(Language.EN) is None
    assert lots[0].commentary(Language.ZH_HANT).gloss == tuple(note["gloss"])
    assert tuple(lots[0].commentary(Language.ZH_HANT).topics) == TOPICS
    assert lots[0].edition == "Made for tests."


def test_titles_are_made_in_four_languages(tmp_path):
    names = {"zh-Hant": "月老靈籤", "en": "Yue Lao Oracle", "ja": "月老霊籤"}
    _, lots = load_pack(write_pack(tmp_path, [lot(n) for n in range(1, 101)], collection(size=100, names=names)))
    assert dict(lots[6].titles) == {
        Language.ZH_HANT: "月老靈籤 第七籤",
        Language.ZH_HANS: "月老灵签 第七签",
        Language.EN: "Yue Lao Oracle, lot 7",
        Language.JA: "月老霊籤 第七番",
    }
    assert lots[99].title(Language.ZH_HANT) == "月老靈籤 第一百籤"
    assert lots[99].title(Language.JA) == "月老霊籤 第百番"


def test_a_title_of_its_own_is_kept(tmp_path):
    own = {"zh-Hant": "春江第一籤", "en": "Spring River"}
    _, lots = load_pack(write_pack(tmp_path, [lot(1, title=own), lot(2), lot(3)]))
    assert lots[0].title(Language.ZH_HANT) == "春江第一籤"
    assert lots[0].title(Language.ZH_HANS) == "春江第一签"
    assert lots[0].title(Language.EN) == "Spring River"
    assert lots[0].title(Language.JA) == "樣本靈籤 第一番"


def test_simplified_commentary_is_made_from_traditional(tmp_path):
    note = commentary(overall="著急沒有用，裡外都先看看「行程」。")
    first = lot(1, commentary={"zh-Hant": note}, allusion={"zh-Hant": "見〈樂府〉。"})
    _, lots = load_pack(write_pack(tmp_path, [first, lot(2), lot(3)]))
    made = lots[0].commentary(Language.ZH_HANS)
    assert made.language is Language.ZH_HANS
    assert made.overall == "着急没有用，里外都先看看“行程”。"
    assert made.gloss[0] == "春天的江水与海连成一片。"
    assert made.topics["travel"] == "车票提早订好，雨具放在最上面的袋子。"
    assert lots[0].allusion(Language.ZH_HANS) == "见《乐府》。"


def test_simplified_commentary_of_its_own_is_kept(tmp_path):
    own = commentary(overall="自己写的。")
    first = lot(1, commentary={"zh-Hant": commentary(), "zh-Hans": own})
    _, lots = load_pack(write_pack(tmp_path, [first, lot(2), lot(3)]))
    assert lots[0].commentary(Language.ZH_HANS).overall == "自己写的。"


def test_the_converter_keeps_texts_apart():
    assert simplify_all(["靈", "籤\n詩", ""]) == ["灵", "签\n诗", ""]
    assert simplify_all([]) == []
    assert to_simplified("「靈」") == "「灵」"


GOOD = json.dumps(lot(1), ensure_ascii=False)

BROKEN_LINES = {
    "byte-order mark": (b"\xef\xbb\xbf" + GOOD.encode(), "byte-order mark"),
    "UTF-16": (GOOD.encode("utf-16"), "byte-order mark"),
    "Big5": (GOOD.encode("cp950"), "not UTF-8"),
    "raw NUL": (GOOD.replace("春江", "春\x00江"), "not valid JSON"),
    "escaped NUL": (GOOD.replace("春江", "春\\u0000江"), r"U\+0000"),
    "escape sequence": (GOOD.replace("春江", "春\\u001b[31m江"), r"U\+001B"),
    "bidi override": (GOOD.replace("春江", "春\u202e江"), r"U\+202E"),
    "zero-width space": (GOOD.replace("春江", "春\u200b江"), r"U\+200B"),
    "lone surrogate": (GOOD.replace("春江", "春\\ud800江"), "lines.1"),
    "HTML": (lot(1, lines=["<b>春江</b>"]), "markup: <b>"),
    "HTML entity": (lot(1, lines=["春&nbsp;江"]), "markup: &nbsp;"),
    "script in commentary": (lot(1, commentary={"en": commentary(overall="x<script>y")}), "markup"),
    "no lines": (lot(1, lines=[]), "lines"),
    "an empty line of verse": (lot(1, lines=["春江", ""]), "lines.2"),
    "a blank line of verse": (lot(1, lines=["春江", "　"]), "lines.2"),
    "only marks": (lot(1, lines=["——"]), "no letter"),
    "an endless line": (lot(1, lines=["春" * 61]), "lines.1"),
    "lines missing": ({"number": 1, "fortune": None}, "lines is missing"),
    "fortune missing": ({"number": 1, "lines": ["春江"]}, "fortune is missing"),
    "wrong polarity": (lot(1, fortune={"label": "上", "polarity": "fine"}), "fortune.polarity"),
    "a rank that contradicts its polarity": (lot(1, fortune={"label": "大吉", "polarity": "bad"}), "大吉 cannot"),
    "a bad rank called good": (lot(1, fortune={"label": "凶", "polarity": "great"}), "凶 cannot"),
    "an empty rank": (lot(1, fortune={"label": "", "polarity": "good"}), "fortune.label"),
    "rank as text": (lot(1, fortune="上"), "fortune"),
    "number as text": (lot("1"), "number"),
    "number as a fraction": (lot(1.5), "number"),
    "number true": (lot(True), "number"),
    "lot 0": (lot(0), "number"),
    "unknown key": (lot(1, colour="red"), "colour is no key"),
    "unknown language": (lot(1, commentary={"fr": commentary()}), "fr"),
    "a reference that is no text": (lot(1, reference=["a book"]), "reference"),
    "an unknown topic": (lot(1, commentary={"en": commentary(topics={**commentary()["topics"], "luck": "x"})}), "luck"),
    "glosses too few": (lot(1, commentary={"en": commentary(lines=1)}), "1 entries, the verse 2 lines"),
    "variant of a line that is not there": (
        lot(1, variants=[{"line": 3, "ours": "甲", "other": "乙", "decided_by": "sense"}]),
        "line 3",
    ),
    "no JSON": ("{number: 1}", "not valid JSON"),
    "an array": ("[1]", "valid dictionary"),
    "an empty row": ("", "empty"),
    "a key twice": (GOOD[:-1] + ', "number": 1}', "stands twice: 'number'"),
    "NaN": (GOOD.replace("1,", "NaN,", 1), "NaN"),
    "a number too long to read": (GOOD.replace("1,", "9" * 5000 + ",", 1), "not valid JSON"),
    "nested without end": ("[" * 100_000, "not valid JSON"),
    "a line without end": ("x" * (MAX_LINE_BYTES + 1), "the limit is"),
    "a line of 10 MB": ("x" * 10_000_000, "10,000,000 bytes"),
}


@pytest.mark.parametrize(("row", "what"), BROKEN_LINES.values(), ids=BROKEN_LINES)
def test_a_broken_line_is_refused_by_file_and_line(tmp_path, row, what):
    folder = write_pack(tmp_path / "sample", [lot(1), row, lot(3)])
    with pytest.raises(PackError, match=what) as refused:
        load_pack(folder)
    assert (refused.value.file, refused.value.line) == (str(folder / "lots.jsonl"), 2)
    assert f"{folder / 'lots.jsonl'}:2: " in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("numbers", "line", "what"),
    [
        ([1, 2, 2], 3, "stands already in line 2"),
        ([1, 3], None, "1 of 3 lots missing: 2"),
        ([1, 2, 4], 3, "size is 3"),
        ([2, 1, 3], 2, "in order of number"),
        ([], None, "holds no lots"),
    ],
)
def test_numbers_are_each_there_once_and_in_order(tmp_path, numbers, line, what):
    folder = write_pack(tmp_path, [lot(number) for number in numbers])
    with pytest.raises(PackError, match=what) as refused:
        load_pack(folder)
    assert refused.value.line == line


def test_a_collection_may_lack_lots_and_says_which(tmp_path):
    folder = write_pack(tmp_path, [lot(1), lot(3)], collection(size=4, missing=[2, 4]))
    there, lots = load_pack(folder)
    assert [each.number for each in lots] == list(there.numbers()) == [1, 3]
    assert {key: there.as_dict()[key] for key in ("lots", "size", "missing")} == {
        "lots": 2,
        "size": 4,
        "missing": [2, 4],
    }


@pytest.mark.parametrize(
    ("missing", "numbers", "what"),
    [
        ([3], [1, 2, 3], "lot 3: collection.json says that it is missing"),
        ([3], [1], "1 of 3 lots missing: 2"),
        ([3, 2], [1], "each once and in order"),
        ([2, 2], [1, 3], "each once and in order"),
        ([4], [1, 2, 3], "each once and in order"),
        ([1, 2, 3], [1], "names every lot"),
    ],
)
def test_missing_agrees_with_what_is_there(tmp_path, missing, numbers, what):
    with pytest.raises(PackError, match=what):
        load_pack(write_pack(tmp_path, [lot(number) for number in numbers], collection(missing=missing)))


def test_commentary_may_be_partial(tmp_path):
    note = {"overall": "潮水漸平。", "topics": {"love": "把話說清楚。"}}
    folder = write_pack(tmp_path, [lot(1, commentary={"zh-Hant": note, "en": {"overall": "The tide is even."}})])
    contents = read_pack(folder)
    (row,) = contents.rows
    assert row.lot.commentary["zh-Hant"].counsel() == {"love": "把話說清楚。"}
    assert (row.lot.commentary["en"].gloss, row.lot.commentary["en"].counsel()) == ([], {})


@pytest.mark.parametrize(
    ("about", "line", "what"),
    [
        (collection(id="Sam Ple"), 2, "id"),
        (collection(names={"zh-Hant": "樣本"}), 3, "names en is missing"),
        (collection(size=0), 15, "size"),
        (collection(size=10**9), 15, "size"),
        (collection(colour="red"), 19, "colour is no key"),
        (collection(notes={"en": "a\u202eb"}), 19, r"notes.en holds the character U\+202E"),
        ({"id": "sample"}, None, "names is missing"),
        ("{\n  nothing", 2, "not valid JSON"),
        (b"\xff\xfe{}", 1, "byte-order mark"),
        (b'{\n"id": "\xa4\xa4"}', 2, "not UTF-8"),
        ("[]", None, "valid dictionary"),
    ],
)
def test_a_broken_collection_file_is_refused_by_line(tmp_path, about, line, what):
    folder = write_pack(tmp_path, about=about)
    with pytest.raises(PackError, match=what) as refused:
        load_pack(folder)
    assert (refused.value.file, refused.value.line) == (str(folder / "collection.json"), line)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(PackError, match=r"collection\.json: cannot be read"):
        load_pack(tmp_path / "nowhere")
    folder = write_pack(tmp_path / "sample")
    (folder / "lots.jsonl").unlink()
    with pytest.raises(PackError, match=r"lots\.jsonl: cannot be read"):
        load_pack(folder)


def test_reading_finds_every_fault_and_keeps_what_is_whole(tmp_path):
    folder = write_pack(tmp_path, [lot(1, lines=[]), "{", lot(3), lot(3)])
    contents = read_pack(folder)
    assert [row.lot.number for row in contents.rows] == [3, 3]
    assert [finding.line for finding in contents.findings] == [1, 2, 4]


@pytest.mark.parametrize("name", SCHEMAS)
def test_shipped_schemas_are_made_from_the_types(name):
    assert (SCHEMA_FOLDER / name).read_text(encoding="utf-8") == schema_text(name), (
        "run `python -m jieqian.lots.pack_format`"
    )


def test_shipped_schemas_are_sound_and_take_the_packaged_packs():
    schemas = {name: json.loads((SCHEMA_FOLDER / name).read_text(encoding="utf-8")) for name in SCHEMAS}
    for schema in schemas.values():
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        jsonschema.Draft202012Validator.check_schema(schema)
    about = jsonschema.Draft202012Validator(schemas["collection.schema.json"])
    row = jsonschema.Draft202012Validator(schemas["lot.schema.json"])
    for folder in PACKAGED.iterdir():
        about.validate(json.loads((folder / "collection.json").read_text(encoding="utf-8")))
        for line in (folder / "lots.jsonl").read_text(encoding="utf-8").splitlines()[:25]:
            row.validate(json.loads(line))
    for wrong in (lot(1, lines=[]), lot(0), lot(1, colour="red"), lot(1, lines=["春\u202e江"]), {"number": 1}):
        assert not row.is_valid(wrong)
    assert not about.is_valid(collection(names={"en": "x"}))
    assert not about.is_valid(collection(names={"zh-Hant": "x", "en": "x", "fr": "x"}))


def test_the_formats_topics_are_the_seven():
    assert tuple(TopicsEntry.model_fields) == TOPICS


DOCS = Path(__file__).parents[2] / "docs" / "packs.md"


def test_the_documented_pack_loads(tmp_path):
    text = DOCS.read_text(encoding="utf-8")
    about, rows = (re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL)[1] for kind in ("json", "jsonl"))
    pack, lots = load_pack(write_pack(tmp_path / "river", [rows.rstrip("\n")], about))
    assert (pack.id, len(lots), lots[1].fortune) == ("river", 2, None)


@pytest.mark.parametrize(("heading", "model"), [("collection.json", CollectionEntry), ("lots.jsonl", LotEntry)])
def test_the_documented_keys_are_the_formats(heading, model):
    section = re.split(r"^## ", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    table = next(part for part in section if part.startswith(heading))
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(model.model_fields)


def test_japanese_may_have_gloss_and_sense_alone(tmp_path):
    """A reader of Japanese is then given the counsel of another language."""
    only_sense = {key: value for key, value in commentary().items() if key != "topics"}
    row = lot(1, commentary={"zh-Hant": commentary(), "en": commentary(), "ja": only_sense})
    _, lots = load_pack(write_pack(tmp_path / "sample", [row], collection(size=1)))
    assert lots[0].commentary(Language.JA).topics == {}
    assert lots[0].counsel(Language.JA).language is Language.EN
    assert lots[0].counsel(Language.ZH_HANS).language is Language.ZH_HANS
