"""A data folder with readings in it, and backups of it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from jieqian.keeping.backup import Made, make_archive
from jieqian.settings import Settings, session_secret
from jieqian.tasks.database import migrate, url_of
from jieqian.tasks.sql_store import SqlTaskStore
from jieqian.testing.sample_tasks import sample_first_events, sample_request


def hear_nothing(_done: int, _of: int, _what: str) -> None:
    """For work whose progress nobody watches."""


def settings_for(data_dir: Path, **given: str) -> Settings:
    return Settings(data_dir=data_dir, _env_file=None, **given)  # type: ignore[arg-type]


def fill(data_dir: Path, readings: int = 3) -> Settings:
    """Make a data folder with waiting tasks, a secret and a collection."""
    settings = settings_for(data_dir)
    data_dir.mkdir(exist_ok=True)
    session_secret(settings)
    migrate(url_of(settings))
    (data_dir / "collections" / "mine").mkdir(parents=True)
    (data_dir / "collections" / "mine" / "lots.yaml").write_text("a: 籤\n", encoding="utf-8")
    (data_dir / "model.json").write_text("{}", encoding="utf-8")

    async def add() -> None:
        store = await asyncio.to_thread(SqlTaskStore, url_of(settings))
        for number in range(readings):
            await store.accept(sample_request(id=f"task {number}"), sample_first_events, 10_000)
        await store.close()

    asyncio.run(add())
    return settings


def backup_of(settings: Settings, archive: Path, heard: Callable[[int, int, str], None] = hear_nothing) -> Made:
    return make_archive(settings, archive, heard)


def tasks_in(database: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [row[0] for row in connection.execute("select id from tasks order by id")]


def everything(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
