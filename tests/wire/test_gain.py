"""What servers gain by several calls at a time, timed over real connections; and who is never timed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from jieqian.errors import ModelError
from jieqian.llm.client import ModelInfo
from jieqian.llm.gain import Gain, measure_gain
from jieqian.llm.ollama import OllamaClient
from jieqian.llm.openai import OpenAIClient
from jieqian.reading.gauge import Gauge, key_of
from jieqian.testing.memory_store import MemoryTaskStore
from jieqian.testing.wire_process import WireProcess, wire_server

MODEL = ModelInfo(name="qwen2.5:7b", digest="d")
PACE = {"first_token_ms": 30, "tokens_per_second": 400, "tokens": 300}


@pytest.fixture(scope="module", params=[1, 16])
def slots(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(scope="module")
def server(slots: int):
    with wire_server("ollama", "--slots", str(slots)) as running:
        yield running


@pytest.fixture(scope="module")
def liar(slots: int):
    with wire_server("openai", "--slots", str(slots)) as running:
        yield running


@pytest.fixture
async def client(server: WireProcess) -> AsyncIterator[OllamaClient]:
    await server.script(default=PACE)
    client = OllamaClient(server.url)
    yield client
    await client.close()


async def test_slots_and_gain_are_what_they_are(client: OllamaClient, slots: int) -> None:
    gain = await measure_gain(client, MODEL, 4096)
    if slots == 1:
        assert gain.slots == 1
        assert not gain.pays
    else:
        assert gain.slots > 1
        assert gain.gain > 1.25
        assert gain.pays


async def test_what_a_server_tells_of_its_slots_is_not_believed(liar: WireProcess, slots: int) -> None:
    """It tells sixteen and answers one call at a time, or the other way about."""
    await liar.models({"flavour": "llamacpp", "total_slots": 17 - slots, "models": [MODEL.name]})
    await liar.script(default=PACE)
    client = OpenAIClient(liar.url)
    try:
        gain = await measure_gain(client, MODEL, 4096)
    finally:
        await client.close()
    assert gain.pays is (slots == 16)
    assert (gain.slots > 1) is (slots == 16)


async def test_it_asks_for_nine_short_answers(client: OllamaClient, server: WireProcess) -> None:
    await measure_gain(client, MODEL, 4096)
    seen = await server.seen_ended(9)
    asked = [entry["body"]["options"]["num_predict"] for entry in seen]
    assert asked == [1, 168, *[24] * 7]
    assert len({str(entry["body"]["messages"]) for entry in seen}) == 9
    assert all("format" not in entry["body"] for entry in seen)


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429}, {"cut_after": 2}, {"text": ""}])
async def test_a_server_that_fails_is_not_measured(client: OllamaClient, server: WireProcess, fault: dict) -> None:
    await server.script({}, {**fault, "times": 20}, default=PACE)
    with pytest.raises(ModelError):
        await measure_gain(client, MODEL, 4096)


async def test_where_one_call_fails_the_others_are_ended(client: OllamaClient, server: WireProcess, slots: int) -> None:
    if slots == 1:
        pytest.skip("calls come one after another there")
    await server.script({}, {}, {"status": 503}, default={**PACE, "tokens_per_second": 5})
    measuring = asyncio.create_task(measure_gain(client, MODEL, 4096))
    await server.seen_arrived(2)
    await server.script({"status": 503}, default={**PACE, "tokens_per_second": 1, "first_token_ms": 0})
    with pytest.raises(ModelError):
        await measuring
    seen = await server.seen_ended(7)
    assert sum(entry["client_left"] for entry in seen) == 6


@pytest.fixture
async def gauge_of(client: OllamaClient):
    opened: list[Gauge] = []

    async def make(store: MemoryTaskStore, model: ModelInfo = MODEL, busy=lambda: False, *, measures=True) -> Gauge:
        gauge = Gauge(store, lambda: [(client, model, 4096)], busy, quiet_seconds=0.05)
        opened.append(gauge)
        await gauge.start(measures=measures)
        return gauge

    yield make
    for gauge in opened:
        await gauge.stop()


async def until(true) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.01)


async def test_it_is_measured_once_and_kept(client: OllamaClient, server: WireProcess, gauge_of) -> None:
    store = MemoryTaskStore()
    gauge = await gauge_of(store)
    await until(lambda: gauge.of(client, MODEL) is not None)
    asked = len(await server.seen())
    another = await gauge_of(store)
    assert another.of(client, MODEL) == gauge.of(client, MODEL)
    await asyncio.sleep(0.2)
    assert len(await server.seen()) == asked, "what is known is not asked again"
    assert another.of(client, replace(MODEL, digest="other weights")) is None


async def test_nobody_waits_for_it(client: OllamaClient, server: WireProcess, gauge_of) -> None:
    busy = await gauge_of(MemoryTaskStore(), busy=lambda: True)
    tiny = await gauge_of(MemoryTaskStore(), replace(MODEL, tiny=True))
    off = await gauge_of(MemoryTaskStore(), measures=False)
    await asyncio.sleep(0.3)
    assert await server.seen() == []
    assert busy.of(client, MODEL) is tiny.of(client, MODEL) is off.of(client, MODEL) is None


async def test_whoever_asks_ends_it_at_once(client: OllamaClient, server: WireProcess, gauge_of) -> None:
    await server.script(default={**PACE, "tokens_per_second": 5})
    gauge = await gauge_of(MemoryTaskStore())
    await server.seen_arrived(2)
    gauge.disturb()
    seen = await server.seen_ended(2)
    assert seen[1]["client_left"]
    assert gauge.of(client, MODEL) is None


async def test_a_fault_of_ours_is_told_and_not_met_again_at_once(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        provider = "ollama"
        base_url = "http://127.0.0.1:1"
        asked = 0

        def stream(self, _request):
            self.asked += 1
            raise ZeroDivisionError

    broken = Broken()
    gauge = Gauge(MemoryTaskStore(), lambda: [(broken, MODEL, 4096)], lambda: False, quiet_seconds=0.01)
    await gauge.start(measures=True)
    await until(lambda: broken.asked)
    await asyncio.sleep(0.2)
    await gauge.stop()
    assert broken.asked == 1
    assert "ZeroDivisionError" in caplog.text


def test_an_embedded_model_has_one_slot_and_is_never_timed() -> None:
    class Embedded:
        provider = "llamacpp"
        base_url = None

    gauge = Gauge(MemoryTaskStore(), list, lambda: False)
    assert gauge.of(Embedded(), MODEL) == Gain(1, 1.0, 0.0)
    assert key_of(Embedded(), MODEL) != key_of(Embedded(), replace(MODEL, name="other"))
