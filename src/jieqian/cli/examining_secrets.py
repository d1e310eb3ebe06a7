"""What `jieqian doctor` finds of secrets, and of settings that do not go together. No secret is ever told."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from jieqian.cli.examining import Examined, State
from jieqian.keeping.placing import DATABASE_FILES, SECRET
from jieqian.settings import Settings

_LONG_ENOUGH, _FEWEST_MARKS = 32, 8
_KEPT = re.compile(rb"[0-9a-f]{64}\s*")
#: Parts of what stands in guides and examples where a secret should.
_EXAMPLE = re.compile(
    r"change.?me|example|your.?(secret|token|key|own)|secret.?key|password|admin.?token|01234|12345|abcdef", re.I
)
_NEW = """python3 -c "import secrets; print(secrets.token_urlsafe(32))\""""
_SECRET_NAME = re.compile(r"JIEQIAN_\w*(KEY|TOKEN|SECRET)")
#: What is shorter is no secret, and stands in many a word of ours.
_LEAST_HIDDEN = 8
_IN_ADDRESS = re.compile(r"(//)[^/\s@]+(@)")
_HIDDEN = "…"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def secrets_here(environment: Mapping[str, str], env_file: Path = Path(".env")) -> list[str]:
    """Every secret the settings hold, as they are given, valid or not; longest first."""
    pairs: list[tuple[str, str | None]] = list(environment.items())
    with suppress(OSError, ValueError):
        pairs += dotenv_values(env_file).items() if env_file.is_file() else ()
    ours = {value.strip() for name, value in pairs if value and _SECRET_NAME.fullmatch(name.upper())}
    return sorted((value for value in ours if len(value) >= _LEAST_HIDDEN), key=len, reverse=True)


def hidden(text: str, secrets: list[str]) -> str:
    """The text without these, and without the user and password of an address."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return _IN_ADDRESS.sub(rf"\1{_HIDDEN}\2", text)


def examine_secrets(settings: Settings) -> Iterator[Examined]:
    """Files of secrets, and whether the secrets can be guessed."""
    found = [*_files(settings.data_dir), *_guessable(settings)]
    yield from found
    if not found:
        kind = "set" if settings.secret_key else "kept in the data folder"
        admin = "set" if settings.admin_token else "not set (the operator's pages are closed)"
        yield Examined(State.OK, "secrets", f"SECRET_KEY {kind}; ADMIN_TOKEN {admin}")


def _files(data_dir: Path) -> Iterator[Examined]:
    for name in (SECRET, "server.json", *DATABASE_FILES):
        path = data_dir / name
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            broken = name == SECRET and not _KEPT.fullmatch(path.read_bytes())
        except OSError:
            continue
        if os.name == "posix" and mode & 0o077:
            told = f"{path} can be reached by other users (mode {mode:04o})"
            yield Examined(State.WARN, "secrets", told, f"chmod 600 {shlex.quote(str(path))}")
        if broken:
            told = f"{path} holds no secret; a start makes a new one, and earlier sessions end"
            yield Examined(State.WARN, "secrets", told, f"rm {shlex.quote(str(path))}")


def _guessable(settings: Settings) -> Iterator[Examined]:
    key, token = settings.secret_key, settings.admin_token
    if key is not None and (len(key) < _LONG_ENOUGH or _is_guessed(key)):
        why = f"has {len(key)} characters" if len(key) < _LONG_ENOUGH else "looks like an example's"
        told = f"SECRET_KEY {why}, and can be guessed: whoever does signs in as anybody"
        yield Examined(State.WARN, "secrets", told, f"set JIEQIAN_SECRET_KEY to what this prints: {_NEW}")
    if token is not None and _is_guessed(token):
        told = "ADMIN_TOKEN looks like an example's, or has few different characters: it can be guessed"
        yield Examined(State.WARN, "secrets", told, f"set JIEQIAN_ADMIN_TOKEN to what this prints: {_NEW}")
    if key is not None and key == token:
        told = "ADMIN_TOKEN is SECRET_KEY: who is given the one can sign sessions"
        yield Examined(State.WARN, "secrets", told, f"set JIEQIAN_ADMIN_TOKEN to what this prints: {_NEW}")


def _is_guessed(secret: str) -> bool:
    return len(set(secret)) < _FEWEST_MARKS or _EXAMPLE.search(secret) is not None


def examine_contradictions(settings: Settings) -> Iterator[Examined]:
    """Settings that are each well and do not go together, or open more than is meant."""
    found = [*_of_addresses(settings), *_of_webhook(settings), *_of_model_server(settings)]
    for told, mend in found:
        yield Examined(State.WARN, "addresses", told, mend)
    if not found:
        yield Examined(State.OK, "addresses", settings.public_url or "as the visitor's own browser reaches the service")


def _of_addresses(settings: Settings) -> Iterator[tuple[str, str]]:
    public = settings.public_url or ""
    if public.startswith("https://") and not settings.trusted_proxies:
        told = f"PUBLIC_URL is {public}, and no proxy is trusted: visitors count as one, cookies go without Secure"
        yield told, "set JIEQIAN_TRUSTED_PROXIES to the address of the proxy, such as 127.0.0.1"
    if public.startswith("http://") and settings.admin_token and urlsplit(public).hostname not in _LOOPBACK:
        yield (
            f"ADMIN_TOKEN goes over the network in the clear, at {public}",
            "serve by https behind a proxy, and set JIEQIAN_PUBLIC_URL to that address",
        )
    if settings.embed_origins == ("*",):
        told = "EMBED_ORIGINS is *: any page may show the widget, and spend this machine's model"
        yield told, "set JIEQIAN_EMBED_ORIGINS to the sites that may, such as https://example.org"
    for name, origins in (("CORS_ORIGINS", settings.cors_origins), ("EMBED_ORIGINS", settings.embed_origins)):
        plain = next((each for each in origins if each.startswith("http://")), None)
        if plain and public.startswith("https://") and urlsplit(plain).hostname not in _LOOPBACK:
            told = f"{name} has {plain}, and PUBLIC_URL is https: what that page sends can be read on its way"
            yield told, f"write it as https in JIEQIAN_{name}"


def _of_webhook(settings: Settings) -> Iterator[tuple[str, str]]:
    url = settings.webhook_url
    if url is None and settings.webhook_secret is not None:
        yield (
            "WEBHOOK_SECRET is set and WEBHOOK_URL is not: nobody is told",
            "set JIEQIAN_WEBHOOK_URL, or unset the secret",
        )
    if url is not None and url.startswith("http://") and urlsplit(url).hostname not in _LOOPBACK:
        yield (
            "WEBHOOK_URL is http: who was told of which lot can be read on its way",
            "write JIEQIAN_WEBHOOK_URL as https",
        )


def _of_model_server(settings: Settings) -> Iterator[tuple[str, str]]:
    url = settings.llm_base_url or ""
    if settings.llm_api_key is not None and _IN_ADDRESS.search(url):
        told = "LLM_BASE_URL has a user name in it and LLM_API_KEY is set: a request can bear one of them"
        yield told, "unset JIEQIAN_LLM_API_KEY, or take the user name out of JIEQIAN_LLM_BASE_URL"
