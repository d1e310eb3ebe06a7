"""What is taken out of a text before it is kept."""

from __future__ import annotations

import pytest
from masking_classes import LIKE_NAMES, MISSED
from masking_examples import BENIGN, HARDER, SECRETS

from jieqian.faq.masking import MARKS, OwnWords, marks_in, mask, own_words, without_marks
from jieqian.lots.library import PACKAGED, LotLibrary

LIBRARY = LotLibrary([PACKAGED])
SECRET = [*((question, secrets) for each in SECRETS.values() for question, secrets in each), *HARDER]
SECRET += [(question, (secret,)) for each in MISSED.values() for question, secret in each]
HARMLESS = [*(question for each in BENIGN.values() for question in each), *LIKE_NAMES]


def masked(text: str, own: OwnWords | None = None) -> str:
    return mask([text], own)[0]


@pytest.mark.parametrize(("question", "secrets"), SECRET)
def test_what_tells_of_a_person_is_masked(question: str, secrets: tuple[str, ...]):
    assert all(secret in question for secret in secrets), "the example is wrong"
    told = masked(question)
    assert [secret for secret in secrets if secret in told] == []
    assert marks_in(told) > 0
    assert without_marks(told).strip(), "the whole question is gone"


@pytest.mark.parametrize("question", HARMLESS)
def test_what_tells_of_nobody_is_left(question: str):
    assert masked(question) == question


def test_there_are_examples_enough():
    assert len(SECRET) >= 120
    assert len(HARMLESS) >= 60
    assert set(SECRETS) == set(BENIGN) == {"zh-Hant", "zh-Hans", "en", "ja"}


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("我叫王小明，電話0912-345-678", "我叫‹name›，電話‹contact›"),
        ("I'm 34, my name is Ann Lee, at 12 Baker Street!", "I'm ‹number›, my name is ‹name›, at ‹address›!"),
        ("生日是1990年5月20日", "生日是‹date›"),
        ("田中さんは35歳です", "‹name›さんは‹number›歳です"),
        ("We live at 12 Baker Street, will he find me?", "We live at ‹address›, will he find me?"),
        ("I owe $25,000. Will I pay it back?", "I owe ‹number›. Will I pay it back?"),
        ("Is my 17-year-old son all right?", "Is my ‹number›-year-old son all right?"),
        ("三軒茶屋2−14−5に住んでいます", "三軒茶屋‹number›に住んでいます"),
        ("My wallet stolen twice, will luck turn?", "My wallet stolen twice, will luck turn?"),
        ("Is Nguyễn Thị Hồng the one?", "Is ‹name› the one?"),
    ],
)
def test_marks_say_of_what_kind_it_was(question: str, told: str):
    assert masked(question) == told


def test_a_name_in_hiragana_is_not_found_inside_other_words():
    told = mask(["妹のまいの結婚はうまくいきますか", "迷ってしまいますが、うまい話には気をつけて、まいさん"])
    assert told[1] == "迷ってしまいますが、うまい話には気をつけて、‹name›さん"
    assert mask(["妹のまいの結婚はうまくいきますか", "まいって呼ばれる人"])[1] == "‹name›って呼ばれる人"


def test_a_name_found_once_is_masked_everywhere():
    told = mask(["My name is Marigold Quince. Will it work?", "Dear marigold, be patient; QUINCE is a good name."])
    assert told == ("My name is ‹name›. Will it work?", "Dear ‹name›, be patient; ‹name› is a good name.")
    assert mask(["我叫王小明，會順利嗎", "小明，慢慢來"]) == ("我叫‹name›，會順利嗎", "‹name›，慢慢來")


def test_a_name_that_is_a_word_is_masked_only_as_it_was_written():
    assert mask(["My name is Grace. Will I marry?", "Grace, wait with grace."])[1] == "‹name›, wait with grace."


def test_letters_of_full_width_and_invisible_ones_hide_nothing():
    assert masked("電話０９１２３４５６７８") == "電話‹contact›"
    assert masked("a\u200bn\u200bn\u200b@\u200bexample.com") == "‹contact›"
    assert masked("王\u2060小\u00ad明和我合適嗎") == "‹name›和我合適嗎"


def test_white_space_becomes_one_blank():
    assert masked(" 會順利嗎\n\n\t請 指點\x00 ") == "會順利嗎 請 指點"


@pytest.mark.parametrize("collection", ["yuelao", "guanyin"])
def test_a_lots_own_words_stay(collection: str):
    home = LIBRARY.collection(collection)
    for lot in LIBRARY.lots(collection):
        own = own_words(lot, home)
        told = "，".join([*lot.lines, *home.names.values(), *(name for name in home.aliases if not name.isascii())])
        assert masked(told, own) == told
        for named in (*lot.titles.values(), *home.deity.values(), f"第{lot.number}籤", f"lot {lot.number}"):
            assert masked(named, own) == named


def test_a_story_the_lot_tells_stays_and_the_askers_name_goes():
    lot, home = LIBRARY.lot("yuelao", 7), LIBRARY.collection("yuelao")
    own = own_words(lot, home)
    assert masked("As Liu Yuxi wrote, be content.", own) == "As Liu Yuxi wrote, be content."
    assert masked("As Liu Yuxi wrote, be content.") == "As ‹name› wrote, be content."
    assert masked("My name is Liu Yan.", own) == "My name is ‹name›."


PIECES = "a|1|一|王|1 |a.|a@|明|A |1-|路|市區|田中|あ|ア|@|12 baker |May |住在|line id |a-|王小|さん|，我和|my |'s "
PIECES += "|我媽|老公|張三，|，婷|筱|弟子王|讀建|大學|八月|廿|夫の|彼のア|love "


@pytest.mark.parametrize("piece", PIECES.split("|"))
def test_any_text_is_masked_in_bounded_time(piece: str):
    assert isinstance(masked(piece * (800 // len(piece))), str)


def test_masking_what_is_masked_changes_nothing():
    for question, _ in SECRET:
        told = masked(question)
        assert masked(told) == told
    assert all(masked(mark) == mark for mark in MARKS.values())
