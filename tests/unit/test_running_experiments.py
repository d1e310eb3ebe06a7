"""The experiments of a running service: who takes part, what may be started, and what another process changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from jieqian.cache.filling import CALLER as FILLING
from jieqian.cache.filling import Wanted
from jieqian.errors import ExperimentRefused, ExperimentRunning, ModelNotFound, ModelUnreachable, UnknownModel
from jieqian.experiments.experiment import State, variant_for
from jieqian.experiments.running import Experiments
from jieqian.experiments.wish import VariantWish, Wish
from jieqian.languages import Language
from jieqian.tasks.task import Mode, NewTask, StrategyName
from jieqian.testing.made_up_experiment import sample_experiment
from jieqian.testing.memory_store import MemoryTaskStore
from jieqian.testing.sample_tasks import sample_request

NOW, LARGE = VariantWish(name="now", share=50), VariantWish(name="new", share=50, model="large")


class Models:
    """Models by name, each with whose it is; what readings are written with besides."""

    def __init__(self, own: tuple[str, bool] | None = ("small", False)) -> None:
        self.own = own
        self.there = {"small": "ollama", "large": "ollama", "a.gguf": "llamacpp", "b.gguf": "llamacpp"}
        self.there["another-name.gguf"] = "llamacpp"
        self.learnt: set[str] = set()

    async def check_named(self, model: str) -> str:
        if model == "away":
            raise ModelUnreachable
        if model not in self.there:
            raise ModelNotFound("There is no such model; large is nearest.")
        return self.there[model]

    async def is_in_use(self, model: str) -> bool:
        return model == "another-name.gguf"

    async def learn(self, models: Collection[str]) -> None:
        self.learnt = set(models)

    def own_model(self, mode: Mode) -> tuple[str, bool] | None:
        return self.own


async def service(models: Models | None = None) -> tuple[Experiments, MemoryTaskStore]:
    store = MemoryTaskStore()
    experiments = Experiments(store, models or Models(), "secret")
    await experiments.load()
    return experiments, store


def wish(*variants: VariantWish, mode: str = "quality", name: str = "larger") -> Wish:
    return Wish(name=name, mode=mode, variants=variants or (NOW, LARGE))


async def test_a_request_gets_its_callers_variant_unless_it_is_outside() -> None:
    models = Models()
    experiments, _ = await service(models)
    assert experiments.assign(sample_request()).experiment is None
    started = await experiments.start(wish())
    assert models.learnt == {"large"}
    for number in range(20):
        new = experiments.assign(sample_request(f"session:{number}"))
        assert (new.experiment, new.variant) == ("larger", variant_for(started, new.caller, "secret").name)
        assert experiments.variant_in(Mode.QUALITY, new.caller) == experiments.variant("larger", str(new.variant))
    outside: list[NewTask] = [
        sample_request(mode=Mode.FAST),
        sample_request(model="large"),
        sample_request(strategy=StrategyName.SEQUENTIAL),
        sample_request(care={"kind": "self_harm"}),
        sample_request("operator"),
        sample_request(FILLING),
    ]
    assert [experiments.assign(new) for new in outside] == outside
    await experiments.stop("larger")
    assert experiments.assign(sample_request()).experiment is None
    assert experiments.variant("larger", "new") is not None, "tasks under way still need it"
    assert models.learnt == set()


async def test_an_outcome_tells_at_once_that_it_was_stopped_also_elsewhere() -> None:
    experiments, store = await service()
    await experiments.start(wish())
    assert (await experiments.outcome("larger")).experiment.state is State.RUNNING
    assert await experiments.outcome("larger") is await experiments.outcome("larger")
    await store.end_experiment("larger", 5.0)
    assert (await experiments.outcome("larger")).experiment.state is State.STOPPED


async def test_another_process_started_one() -> None:
    experiments, store = await service()
    await store.add_experiment(sample_experiment("elsewhere"))
    assert experiments.variant("elsewhere", "new") is None
    found = await experiments.find_variant("elsewhere", "new")
    assert found is not None
    assert found.model == "large"
    assert await experiments.find_variant("none", "new") is None
    await experiments.look()
    assert experiments.assign(sample_request()).experiment == "elsewhere"
    await store.end_experiment("elsewhere", 5.0)
    await experiments.look()
    assert experiments.assign(sample_request()).experiment is None


@pytest.mark.parametrize(
    ("own", "variants", "error", "told"),
    [
        (("small", False), (NOW, VariantWish(name="x", share=50, model="lrge")), UnknownModel, "large is nearest"),
        (("small", False), (NOW, VariantWish(name="x", share=50, model="away")), UnknownModel, "server"),
        (None, (NOW, LARGE), ExperimentRefused, "No model writes"),
        (
            ("tiny", True),
            (NOW, VariantWish(name="x", share=50, strategy="parallel")),
            ExperimentRefused,
            "only retells",
        ),
        (
            ("small", False),
            (VariantWish(name="a", share=50, model="a.gguf"), VariantWish(name="b", share=50, model="b.gguf")),
            ExperimentRefused,
            "loaded in turn",
        ),
        (
            ("small", False),
            (NOW, VariantWish(name="x", share=50, model="another-name.gguf")),
            ExperimentRefused,
            "same",
        ),
        (
            ("tiny", True),
            (NOW, replace(LARGE, strategy="parallel", model="another-name.gguf")),
            ExperimentRefused,
            "only retells",
        ),
    ],
)
async def test_what_cannot_be_compared_is_refused_and_nothing_is_kept(
    own: tuple[str, bool] | None, variants: tuple[VariantWish, ...], error: type[Exception], told: str
) -> None:
    experiments, store = await service(Models(own))
    with pytest.raises(error, match=told):
        await experiments.start(wish(*variants))
    assert await store.experiments() == []


async def test_the_cache_is_filled_once_a_variant_and_summaries_tell_of_those_that_run() -> None:
    experiments, _ = await service()
    wanted = [Wanted("yuelao", 1, "?", Language.EN, mode) for mode in Mode]
    assert experiments.spread(wanted) == wanted
    await experiments.start(wish())
    spread = experiments.spread(wanted)
    assert [(one.mode, one.variant) for one in spread] == [
        (Mode.FAST, None),
        (Mode.QUALITY, "now"),
        (Mode.QUALITY, "new"),
    ]
    with pytest.raises(ExperimentRunning):
        await experiments.start(wish(name="second"))
    (told,) = await experiments.summaries()
    assert (told["name"], told["mode"]) == ("larger", "quality")
    assert "too few to say anything yet" in told["summary"]
