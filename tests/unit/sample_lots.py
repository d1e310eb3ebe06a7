"""Two small collections and their lots, for the tests of prompt and sections."""

from jieqian.languages import Language
from jieqian.lots.lot import TOPICS, Collection, Commentary, Fortune, Lot, Polarity

YUELAO = Collection(
    id="yuelao",
    names={
        Language.ZH_HANT: "月老靈籤",
        Language.ZH_HANS: "月老灵签",
        Language.EN: "Yue Lao's Hundred Lots",
        Language.JA: "月老霊籤",
    },
    deity={Language.ZH_HANT: "月下老人"},
    aliases=("YueLao",),
    size=100,
    edition="a",
    source="",
    licence="",
)

_HANT = Commentary(
    language=Language.ZH_HANT,
    gloss=("水鳥應和著鳴叫。", "牠們在河中的沙洲上。", "那位文靜美好的女子。", "是君子想追求的伴侶。"),
    overall="詩從水鳥的應和寫起，講的是彼此有回應的好事。順著自然的節奏走，事情會有好的開始。",
    topics={topic: f"關於{topic}的提醒：先聽對方怎麼說，再慢慢靠近。" for topic in TOPICS},
)
_EN = Commentary(
    language=Language.EN,
    gloss=("Water birds call to each other.", "They are on an islet.", "A gentle lady.", "A good match for him."),
    overall="The poem opens with birds that answer each other. What is met with an answer begins well.",
    topics={topic: f"On {topic}: listen first, then come closer." for topic in TOPICS},
)
_JA = Commentary(
    language=Language.JA,
    gloss=("水鳥が呼び合います。", "川の中洲にいます。", "しとやかな人です。", "良い伴侶となる人です。"),
    overall="呼び合う水鳥から始まる詩です。応えのあることは、良い始まりになります。",
    topics={},
)


def sample_lot(
    *,
    lines: tuple[str, ...] = ("關關雎鳩", "在河之洲", "窈窕淑女", "君子好逑"),
    polarity: Polarity | None = Polarity.GREAT,
    commentaries: tuple[Language, ...] = (Language.ZH_HANT, Language.EN),
    number: int = 1,
) -> Lot:
    """A lot of the sample collection; `commentaries` says which of its three it has, the Japanese without counsel."""
    notes = {Language.ZH_HANT: _HANT, Language.EN: _EN, Language.JA: _JA}
    return Lot(
        collection="yuelao",
        number=number,
        lines=lines,
        fortune=Fortune("大吉", polarity) if polarity else None,
        edition="a",
        allusions={Language.ZH_HANT: "出自《詩經》。", Language.EN: "From the Book of Songs."} if commentaries else {},
        commentaries={language: notes[language] for language in commentaries},
    )
