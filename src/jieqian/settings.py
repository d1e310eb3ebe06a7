"""Every setting there is: environment or `.env`, prefix `JIEQIAN_` (docs/reference/settings.md is made from here)."""

from __future__ import annotations

import logging
import os
import re
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from jieqian.errors import UsageError

logger = logging.getLogger(__name__)
#: The umask of a process that writes to DATA_DIR: what it makes there is for its user alone.
OURS_ALONE = 0o077
_SECRET = re.compile(r"[0-9a-f]{64}")
_ORIGIN = re.compile(r"https?://[^\s/*?#@]+")


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

    model_config = SettingsConfigDict(env_prefix="JIEQIAN_", env_file=".env", extra="ignore", populate_by_name=True)

    data_dir: Path = Field(Path("data"), description="Folder of the database, the signing secret and added collections")
    database_url: str | None = Field(None, description="SQLAlchemy URL; unset: SQLite in DATA_DIR")
    llm_provider: Provider = Field(Provider.AUTO, description="Who writes the readings; `auto` looks for a server")
    llm_base_url: str | None = Field(None, description="Address of an Ollama or OpenAI-compatible server")
    llm_api_key: str | None = Field(None, description="Key for that server, if it wants one", repr=False)
    llm_model: str | None = Field(
        None,
        validation_alias=AliasChoices("JIEQIAN_LLM_MODEL", "LLM_MODEL"),
        description="Model of quality mode: a name the server knows, or a GGUF file's path; `LLM_MODEL` is read too",
    )
    llm_fast_model: str | None = Field(None, description="Model of fast mode; unset: the same model")
    llm_context_tokens: int = Field(
        8192, ge=512, description="The model's window in tokens, prompt and answer together"
    )
    llm_first_token_seconds: float = Field(
        300.0, gt=0, description="Longest wait for a model's first token: a cold model has to load"
    )
    llm_silence_seconds: float = Field(30.0, gt=0, description="Longest silence of a model in the middle of its answer")
    workers: int = Field(4, ge=1, le=256, description="Concurrent readings in one process")
    max_queue: int = Field(512, ge=1, description="Waiting tasks beyond which requests are answered 429")
    task_deadline_seconds: float = Field(600.0, gt=0, description="A task's one deadline, from its first claim")
    rate_limit_per_minute: int = Field(120, ge=0, description="New tasks a caller may start in a minute; 0: no limit")
    secret_key: str | None = Field(
        None, description="Signs sessions; unset: made once and kept in DATA_DIR", repr=False
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field((), description="Other sites' origins, comma-separated")
    loop_watch_ms: int | None = Field(
        None, ge=10, description="For development: log what blocks the event loop longer than this"
    )
    log_format: LogFormat = Field(LogFormat.TEXT, description="`text` or `json`")

    @field_validator("cors_origins", mode="before")
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

    @field_validator("llm_api_key")
    @classmethod
    def _fits_a_header(cls, key: str | None) -> str | None:
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ValueError("a key is of letters, digits and marks in ASCII, in one line")
        return key

    @field_validator("database_url", "llm_base_url", "llm_api_key", "llm_model", "llm_fast_model", mode="before")
    @classmethod
    def _empty_is_unset(cls, given: object) -> object:
        return None if given == "" else given


def load_settings() -> Settings:
    """The settings of this process. Raises `UsageError` naming the setting that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        raise UsageError(f"Settings: {'; '.join(_told(fault) for fault in error.errors())}.") from error
    except UnicodeDecodeError as error:
        raise UsageError("Settings: the file .env is not UTF-8 text.") from error
    except OSError as error:
        raise UsageError(f"Settings: the file .env cannot be read: {error.strerror}.") from error


def make_data_dir(data_dir: Path) -> None:
    """Make the data folder, for this user alone, where it is not there. Raises `UsageError` where that fails."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        told = f"The data folder {data_dir} cannot be made: {error.strerror}."
        raise UsageError(f"{told} Set JIEQIAN_DATA_DIR to another.") from error


def session_secret(settings: Settings) -> str:
    """What signs sessions: `SECRET_KEY`, or one made once and kept in DATA_DIR (mode 0600), to outlive a restart.

    A file that holds anything but 64 hexadecimal digits (emptied by a full disk, say) would let anyone sign: it gets
    a new secret, and earlier sessions end. Raises `UsageError` where the file cannot be used.
    """
    if settings.secret_key:
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
    half_made = path.with_suffix(".new")
    half_made.unlink(missing_ok=True)
    handle = os.open(half_made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    half_made.replace(path)  # whole or not at all
    return secret


def _told(fault: ErrorDetails) -> str:
    name = str(fault["loc"][-1]).upper().removeprefix("JIEQIAN_")
    return f"JIEQIAN_{name}: {fault['msg'].removeprefix('Value error, ')}"
