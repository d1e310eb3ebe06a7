"""What every store promises of experiments and of the tasks in them."""

import pytest
from store_steps import NOW, accept, claim

from jieqian.errors import ExperimentExists, ExperimentRunning, UnknownExperiment
from jieqian.events.event import Completed
from jieqian.experiments.experiment import State, Variant
from jieqian.experiments.figures import TaskFigures
from jieqian.tasks.store import TaskStore
from jieqian.tasks.task import Feedback, Mode, Status, StrategyName
from jieqian.testing.made_up_experiment import sample_experiment
from jieqian.testing.sample_tasks import SAMPLE_TIME

FULL = Variant(name="c", share=10, model="qwen3:8b", strategy=StrategyName.PARALLEL, template="v1")


async def test_an_experiment_is_kept_as_it_is_and_ends_once(store: TaskStore) -> None:
    first = sample_experiment("first", (Variant(name="a", share=90), FULL), started_at=5.0)
    await store.add_experiment(first)
    assert await store.experiment("first") == first
    ended = await store.end_experiment("first", 9.0)
    assert (ended.state, ended.ended_at) == (State.STOPPED, 9.0)
    assert (await store.end_experiment("first", 11.0)).ended_at == 9.0
    second = sample_experiment("second", started_at=10.0)
    await store.add_experiment(second)
    assert [one.name for one in await store.experiments()] == ["second", "first"]
    for missing in (store.experiment("none"), store.end_experiment("none", 1.0)):
        with pytest.raises(UnknownExperiment):
            await missing


async def test_a_mode_has_one_at_a_time_and_a_name_is_used_once(store: TaskStore) -> None:
    await store.add_experiment(sample_experiment("first"))
    with pytest.raises(ExperimentRunning) as refused:
        await store.add_experiment(sample_experiment("second"))
    assert refused.value.extra == {"running": "first"}
    await store.add_experiment(sample_experiment("fast", mode=Mode.FAST))
    await store.end_experiment("first", 1.0)
    with pytest.raises(ExperimentExists):
        await store.add_experiment(sample_experiment("first"))
    await store.add_experiment(sample_experiment("second"))
    assert len(await store.experiments()) == 3


async def test_a_task_keeps_its_variant_and_tells_its_figures(store: TaskStore) -> None:
    await accept(store, id="outside")
    task = await accept(store, id="one", experiment="larger", variant="now")
    assert (task.experiment, task.variant) == ("larger", "now")
    await accept(store, id="two", caller="other", experiment="larger", variant="new", parent_id="x", created_at=NOW)
    await accept(store, id="three", experiment="larger", variant="now")
    await accept(store, id="elsewhere", experiment="another", variant="now")
    await store.stop("outside", "asker", NOW)
    claimed = await claim(store)
    assert (claimed.id, claimed.experiment, claimed.variant) == ("one", "larger", "now")
    timings = {
        "total_time_ms": 1234.5,
        "time_to_first_token_ms": 99.5,
        "cache_hit": "none",
        "degraded": True,
        "model_error": "model_busy",
    }
    await store.end("one", "token", Status.COMPLETED, timings, [Completed({})])
    await store.add_feedback("one", "asker", Feedback(-1, None), NOW)
    await store.stop("three", "asker", NOW)
    one, two, three = await store.experiment_tasks("larger")
    assert one == TaskFigures(
        caller="asker",
        variant="now",
        status="completed",
        created_at=SAMPLE_TIME,
        collection="yuelao",
        lot=7,
        follows=False,
        cache_hit="none",
        degraded=True,
        total_ms=1234.5,
        first_token_ms=99.5,
        model_error="model_busy",
        score=-1,
    )
    assert (two.caller, two.variant, two.status, two.follows, two.created_at) == ("other", "new", "queued", True, NOW)
    assert (two.cache_hit, bool(two.degraded), two.total_ms, two.score) == (None, False, None, None)
    assert three.status == "stopped"
    await store.erase("one", "asker")
    assert [found.variant for found in await store.experiment_tasks("larger")] == ["new", "now"]
