"""What is known of models by their names, and how it joins what a server says."""

from dataclasses import replace

import pytest

from jieqian.languages import Language
from jieqian.llm.client import ModelInfo
from jieqian.llm.profiles import bare_name, complete, profile_of


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("qwen3:8b", "qwen3:8b"),
        ("hf.co/bartowski/Qwen3-8B-GGUF:Q4_K_M", "qwen3-8b-gguf:q4_k_m"),
        ("Qwen/Qwen3-8B", "qwen3-8b"),
        ("C:\\models\\SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct.q4_1"),
    ],
)
def test_the_bare_name(name: str, bare: str) -> None:
    assert bare_name(name) == bare


@pytest.mark.parametrize("name", ["gpt-oss:20b", "openai/gpt-oss-120b", "gpt-oss-20b.gguf"])
def test_gpt_oss_thinks_in_levels_and_cannot_be_silenced(name: str) -> None:
    info = complete(ModelInfo(name=name, thinking=(True, False)))
    assert (info.thinking, info.thinking_off) == (("low", "medium", "high"), "low")


@pytest.mark.parametrize("name", ["qwen3:8b", "Qwen/Qwen3-8B", "deepseek-r1:7b"])
def test_thinking_that_can_be_off(name: str) -> None:
    info = complete(ModelInfo(name=name))
    assert (info.thinking, info.thinking_off) == ((True, False), False)


@pytest.mark.parametrize("name", ["qwen2.5:7b", "llama3.1:8b", "gemma3:4b", "qwen3:4b-instruct-2507", "mystery:1b"])
def test_models_that_do_not_think(name: str) -> None:
    info = complete(ModelInfo(name=name))
    assert (info.thinking, info.thinking_off) == ((), None)


def test_an_unknown_model_thinks_as_its_server_says() -> None:
    told = complete(ModelInfo(name="mystery", thinking=("high", "low")))
    assert (told.thinking, told.thinking_off) == (("high", "low"), "low")
    assert complete(ModelInfo(name="mystery", thinking=(True, False))).thinking_off is False


@pytest.mark.parametrize("name", ["gemma4:12b", "qwen3.5:9b", "qwen3.6:35b-a3b"])
def test_the_schema_lost_without_thinking_is_flagged_with_links(name: str) -> None:
    profile = profile_of(name)
    assert profile.schema_with_thinking_off_ignored
    assert all(link.startswith("https://github.com/ollama/ollama/") for link in profile.links)
    assert profile.links


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "glm-5.2:cloud", "gemma4:26b-mlx"])
def test_a_schema_known_to_be_ignored(name: str) -> None:
    assert complete(ModelInfo(name=name)).schema is False
    assert complete(ModelInfo(name="gpt-oss:20b")).schema is True


def test_later_profiles_add_to_earlier_ones() -> None:
    profile = profile_of("gpt-oss:120b-cloud")
    assert (profile.schema, profile.thinking_off) == (False, "low")
    assert any("12362" in link for link in profile.links)
    assert any("11691" in link for link in profile.links)


@pytest.mark.parametrize("name", ["SmolLM2-135M-Instruct.Q4_1", "smollm2:135m", "smollm:360m"])
def test_the_smallest_only_retell_in_english(name: str) -> None:
    info = complete(ModelInfo(name=name))
    assert (info.tiny, info.languages) == (True, frozenset({Language.EN}))


def test_tiny_is_told_by_size_where_the_name_tells_nothing() -> None:
    assert complete(ModelInfo(name="mine", parameters=2.7e8)).tiny
    assert not complete(ModelInfo(name="mine", parameters=1.5e9)).tiny
    assert not complete(ModelInfo(name="mine")).tiny


def test_a_server_knows_its_window_better() -> None:
    assert complete(ModelInfo(name="qwen3:8b", context_tokens=8192)).context_tokens == 8192
    assert complete(ModelInfo(name="qwen3:8b")).context_tokens == 40960
    assert complete(ModelInfo(name="mystery")).context_tokens is None


def test_nothing_else_is_touched() -> None:
    info = ModelInfo(name="mystery", digest="d", parameters=7e9, chat=False)
    assert complete(info) == info
    assert complete(complete(replace(info, name="gpt-oss"))) == complete(replace(info, name="gpt-oss"))
