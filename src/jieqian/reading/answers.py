"""Which readings may be answered by an earlier one, and what a reading that is looks like."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from jieqian.cache.answer import KeptAnswer
from jieqian.cache.key import KeyParts, key_of, lot_hash, parent_hash, same_words
from jieqian.cache.near import NearReading
from jieqian.events.event import Event, SectionDelta, SectionFinished, SectionStarted
from jieqian.languages import Language
from jieqian.lots.lot import Collection, Lot
from jieqian.prompt.prompt import ParentReading
from jieqian.prompt.versions import TEMPLATE_VERSION, version_of
from jieqian.reading.engines import Engine
from jieqian.sections.section import SECTIONS, Section
from jieqian.tasks.task import Mode

#: Keys this process kept an answer under, remembered so that only a task that waited meanwhile looks again.
MOST_REMEMBERED = 10_000
_WAITS = ("first_token_seconds", "between_tokens_seconds")


class Answers:
    """Makes keys, and remembers which of them got an answer since when.

    `corpus_version` tells which passages a reading of a collection is given now; `on` False: nothing is kept and
    nothing looked up.
    """

    def __init__(self, secret: str, corpus_version: Callable[[str], str], *, on: bool = True) -> None:
        self._secret = secret
        self._corpus_version = corpus_version
        self._on = on
        self._kept: OrderedDict[str, float] = OrderedDict()

    def key(
        self,
        *,
        lot: Lot,
        collection: Collection,
        language: Language,
        mode: Mode,
        engine: Engine | None,
        question: str,
        parent: ParentReading | None,
        passages: str | None = None,
        template: str = TEMPLATE_VERSION,
        variant: str = "",
    ) -> str | None:
        """The key of that reading; None where the model would not write all of it, so that nothing is ever kept.

        `passages`: the version of those it was given (`Found.version`), where that is known already; empty: no key.
        `variant`: of an experiment, whose answers are nobody else's; empty: outside of any.
        """
        if passages is None:
            passages = self._corpus_version(lot.collection)
        if (
            not self._on
            or not passages
            or engine is None
            or engine.model.tiny
            or language not in engine.model.languages
        ):
            return None
        options = {name: value for name, value in asdict(engine.options).items() if name not in _WAITS}
        parts = KeyParts(
            collection=lot.collection,
            lot=lot.number,
            lot_hash=lot_hash(lot, collection, language),
            language=language.value,
            mode=mode.value,
            strategy=engine.strategy.name,
            variant=variant,
            provider=engine.client.provider,
            model=engine.model.name,
            weights=engine.model.digest or f"{engine.client.base_url} {engine.model.name}",
            template_version=version_of(template).identity,
            options=options,
            parent_hash=parent_hash(parent),
            corpus_version=passages,
            question=same_words(question),
        )
        return key_of(parts, self._secret)

    def has_kept(self, key: str) -> None:
        """An answer was kept under that key just now."""
        self._kept[key] = time.monotonic()
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_REMEMBERED:
            self._kept.popitem(last=False)

    def may_have(self, key: str) -> bool:
        """Whether this process kept one: a task that waited looks for it before it asks the model."""
        return key in self._kept


def replay_events(finished: Sequence[Section]) -> list[Event]:
    """Finished sections as the events they would have been written with."""
    events: list[Event] = []
    for section in finished:
        events.append(SectionStarted(section.name, section.attempt, SECTIONS.index(section.name) + 1, len(SECTIONS)))
        events.append(SectionDelta(section.name, section.text))
        events.append(SectionFinished(section))
    return events


def reuse_facts(answer: KeptAnswer, near: NearReading | None = None) -> Mapping[str, Any]:
    """What the timings of a reading tell that an earlier answer completes; `near`: one to other words."""
    return {
        **answer.facts,
        "cache_hit": "exact" if near is None else "semantic",
        "cache_similarity": None if near is None else near.similarity,
        "cache_task_id": None if near is None else near.reading.task_id,
        "cache_created_at": answer.created_at,
        "attempts": 0,
        "section_ms": {section.name.value: 0 for section in answer.sections},
        "sections_from_model": len(answer.sections),
        "degraded": False,
        "llm_stream_enabled": False,
    }
