"""How model servers say they stand, spoken over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from jieqian.llm.client import Message, ModelRequest
from jieqian.llm.llamacpp import LlamaCppClient, engine_installed, packaged_model
from jieqian.llm.ollama import OllamaClient
from jieqian.llm.openai import OpenAIClient
from jieqian.llm.standing import Standing
from jieqian.testing.wire_process import WireProcess, wire_server

PACKAGED = packaged_model()


@pytest.fixture(scope="module")
def ollama() -> Iterator[WireProcess]:
    with wire_server("ollama") as wire:
        yield wire


@pytest.fixture(scope="module")
def openai() -> Iterator[WireProcess]:
    with wire_server("openai") as wire:
        yield wire


async def of_ollama(server: WireProcess, model: str = "qwen3:8b") -> Standing:
    client = OllamaClient(server.url)
    try:
        return await client.standing(model)
    finally:
        await client.close()


async def of_openai(server: WireProcess, model: str, flavour: str, **more: object) -> Standing:
    await server.models({"flavour": flavour, "models": [model], "loaded": [], "window": 8192, **more})
    client = OpenAIClient(server.url)
    try:
        return await client.standing(model)
    finally:
        await client.close()


async def test_ollama_is_cold_until_it_is_asked_and_then_tells_window_and_memory(ollama: WireProcess) -> None:
    cold = await of_ollama(ollama)
    assert (cold.kind, cold.loaded, cold.slots, cold.trouble) == ("Ollama 0.32.14", False, None, None)
    assert cold.seconds is not None
    await ollama.script()
    client = OllamaClient(ollama.url)
    request = ModelRequest(model="qwen3:8b", messages=(Message("user", "Hello."),), max_tokens=20, context_tokens=4096)
    async for _ in client.stream(request):
        pass
    await client.close()
    warm = await of_ollama(ollama)
    assert (warm.loaded, warm.window) == (True, 4096)
    assert warm.until is not None
    assert warm.size is not None
    assert warm.on_gpu is not None
    assert 0 < warm.on_gpu < warm.size


async def test_the_date_of_its_answers_tells_how_far_a_servers_clock_is(ollama: WireProcess) -> None:
    level = await of_ollama(ollama)
    assert level.ahead is not None
    assert abs(level.ahead) < 60
    await ollama.clock(-7200)
    behind = await of_ollama(ollama)
    assert behind.ahead is not None
    assert -7260 < behind.ahead < -7140
    await ollama.clock(0)


async def test_a_llama_cpp_server_tells_its_slots_and_the_window_of_one(openai: WireProcess) -> None:
    found = await of_openai(openai, "qwen", "llamacpp", total_slots=4)
    assert (found.kind, found.slots, found.window, found.loaded) == ("llama.cpp's server", 4, 4096, True)


async def test_vllm_tells_its_version_and_has_its_model_loaded(openai: WireProcess) -> None:
    found = await of_openai(openai, "qwen", "vllm")
    assert (found.kind, found.slots, found.loaded) == ("vLLM 0.19.1", None, True)


async def test_lm_studio_tells_what_is_loaded(openai: WireProcess) -> None:
    cold = await of_openai(openai, "qwen", "organization_owner")
    assert (cold.kind, cold.loaded, cold.window) == ("LM Studio", False, None)
    warm = await of_openai(openai, "qwen", "organization_owner", loaded=["qwen"])
    assert (warm.loaded, warm.window) == (True, 8192)


async def test_of_another_server_nothing_is_guessed(openai: WireProcess) -> None:
    found = await of_openai(openai, "qwen", "somebody")
    assert (found.kind, found.loaded, found.slots) == ("an OpenAI-compatible server", None, None)


async def test_a_server_that_is_not_there_is_told_and_not_raised() -> None:
    for client in (OllamaClient("http://127.0.0.1:9"), OpenAIClient("http://127.0.0.1:9")):
        found = await client.standing("qwen3:8b")
        assert "No model server answers" in (found.trouble or "")
        await client.close()


async def test_a_server_that_never_answers_is_waited_for_a_while_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system takes the connection, and nobody reads
        client = OllamaClient(f"http://127.0.0.1:{silent.getsockname()[1]}")
        async with asyncio.timeout(30):
            found = await client.standing("qwen3:8b")
        await client.close()
    assert "did not answer" in (found.trouble or "")


@pytest.mark.skipif(PACKAGED is None or not engine_installed(), reason="no embedded model is installed")
async def test_an_embedded_model_is_cold_until_it_is_loaded_and_told_where_it_cannot_be() -> None:
    assert PACKAGED is not None
    client = LlamaCppClient(PACKAGED, context_tokens=2048)
    cold = await client.standing("")
    assert (cold.loaded, cold.slots, cold.window, cold.trouble) == (False, 1, 2048, None)
    await client.start()
    assert (await client.standing("")).loaded is True
    await client.close()
    full = LlamaCppClient(PACKAGED, available=lambda: 1)
    assert "too large for the memory" in ((await full.standing("")).trouble or "")
    await full.close()
