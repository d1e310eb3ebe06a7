"""Builds a reading's prompt from the versioned templates.

The prefix depends on the lot's text, the collection's name and the language alone, so a model server that keeps the
work of a shared beginning does it once a lot. Marks in it that may be relied on (a stand-in model reads them):

- `<lot collection="月老靈籤" number="1" language="zh-Hant">` … `</lot>`, once, on a line of its own;
- `<line n="1">關關雎鳩</line>` inside it, one line each, from 1, in the script of the language.

`Prompt.question` may hold `<passage n="1">`, `<earlier>` and always `<question>` … `</question>`. Nothing from outside
can forge these: see `prompt/fence.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from jieqian.languages import Language
from jieqian.lots.lot import Collection, Lot
from jieqian.prompt.prompt import ParentReading, Passage, Prompt
from jieqian.prompt.verse import in_script, rank_label, rank_sense, verse_lines
from jieqian.prompt.versions import TEMPLATE_VERSION, version_names, version_of
from jieqian.sections.topics import with_topic

#: Prefixes kept, some 3 kB each: a reading's and the warming's before it are the same.
_MOST_PREFIXES = 400
_prefixes: dict[tuple[int, int, Language, str], tuple[Lot | None, Collection | None, str]] = {}
PASSAGE_CHARACTERS = 600
PARENT_CHARACTERS = 600


def build_prompt(
    *,
    lot: Lot,
    collection: Collection,
    language: Language,
    passages: Sequence[Passage],
    question: str,
    parent: ParentReading | None,
    template: str = TEMPLATE_VERSION,
) -> Prompt:
    """The prompt of one reading; what to write is added last, by the strategy. `question` is kept whole."""
    return Prompt(
        prefix=build_prefix(lot, collection, language, template),
        question=render(
            "question",
            language,
            template,
            passages=[{"title": passage.title, "text": passage.text[:PASSAGE_CHARACTERS]} for passage in passages],
            parent=parent and {"question": parent.question, "conclusion": parent.conclusion[:PARENT_CHARACTERS]},
            parent_title=parent.lot_title if parent else "",
            question=question,
        ),
        asked=question,
        about=what_it_is_about(question, parent),
        lot=lot,
        collection=collection,
        language=language,
        template_version=template,
    )


def what_it_is_about(question: str, parent: ParentReading | None) -> str:
    """The question, with what it follows where it says too little by itself: what passages are looked for by."""
    return question if parent is None else with_topic(question, parent.question, parent.conclusion)


def build_prefix(lot: Lot, collection: Collection, language: Language, template: str = TEMPLATE_VERSION) -> str:
    """Rules, then the lot and its commentary: what a server is warmed with while the asker still types.

    Counsel by topic is left to what follows the question (`sections/ordering.py`): on two processor cores a model reads
    some fifty tokens a second, and of seven topics an asker needs one.
    """
    key = id(lot), id(collection), language, version_of(template).identity
    of_lot, of_collection, prefix = _prefixes.get(key, (None, None, ""))
    if of_lot is not lot or of_collection is not collection:
        prefix = _render_prefix(lot, collection, language, template)
        _prefixes[key] = lot, collection, prefix  # which keeps their ids from being given to others
        while len(_prefixes) > _MOST_PREFIXES:
            _prefixes.pop(next(iter(_prefixes)), None)
    return prefix


def _render_prefix(lot: Lot, collection: Collection, language: Language, template: str) -> str:
    allusion, commentary = lot.allusion(language), lot.commentary(language)
    gloss = [in_script(note, language) for note in commentary.gloss] if commentary else []
    return render(
        "prefix",
        language,
        template,
        collection=collection.name(language),
        number=lot.number,
        title=in_script(lot.title(language), language) if lot.titles else "",
        rank=rank_label(lot.fortune, language) if lot.fortune else "",
        sense=rank_sense(lot.fortune.polarity, language) if lot.fortune else "",
        lines=[
            {"verse": verse, "gloss": note} for verse, note in zip_longest(verse_lines(lot, language), gloss) if verse
        ],
        allusion=in_script(allusion, language) if allusion else "",
        overall=in_script(commentary.overall, language) if commentary else "",
        foreign=commentary is not None and is_foreign(commentary.language, language),
    )


def is_foreign(own: Language, asked: Language) -> bool:
    """Whether a commentary's language is another than the asked one, the two Chinese scripts being one."""
    return own is not asked and not (own.is_chinese and asked.is_chinese)


def render(name: str, language: Language, template: str, **values: Any) -> str:
    """One template of that version in that language; every value put in is fenced."""
    found = version_of(template).templates.get_template(f"{language.value}.{name}.txt")
    return found.render(language=language.value, **values).strip()


def warm_up() -> None:
    """Compiles every template (some 30 ms), which the first reading would else wait for."""
    for name in version_names():
        version_of(name).warm_up()
