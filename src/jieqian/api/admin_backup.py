"""Backups over HTTP: made in the data folder, with progress, then fetched once.

The archive is sent to the caller, never written where the caller says: ADMIN_TOKEN works from other machines, and must
not become a way to write files on this one.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from jieqian.api.house import Housed
from jieqian.api.progress import progress_response
from jieqian.errors import BackupError, UnknownBackup
from jieqian.keeping.archive import CHUNK
from jieqian.keeping.backup import Made, make_archive
from jieqian.keeping.folder import BACKUPS, OUTGOING
from jieqian.settings import Settings

router = APIRouter()
_ID = re.compile(r"[0-9a-f]{32}")
#: An archive nobody fetched for so long is thrown away with the next one, in seconds.
_KEPT_SECONDS = 3600.0


@router.post("/backup")
async def make_backup(house: Housed) -> StreamingResponse:
    """Make a backup: lines `{"done", "of", "what"}`, then `{"result": {"id", "bytes", "sha256", "manifest"}}`.

    `GET /api/v1/admin/backup/{id}` sends it, once; `DELETE` throws it away.
    """
    return progress_response(_steps(house.settings))


@router.get("/backup/{backup_id}")
async def fetch_backup(backup_id: str, house: Housed) -> StreamingResponse:
    """The archive, which is then thrown away."""
    path = _path(house.settings.data_dir, backup_id)
    file, size = await asyncio.to_thread(_take, path)
    headers = {"Content-Length": str(size), "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_pieces(file), media_type="application/zip", headers=headers)


@router.delete("/backup/{backup_id}", status_code=204)
async def drop_backup(backup_id: str, house: Housed) -> Response:
    """Throw it away unfetched: who asked for it has no room for it."""
    path = _path(house.settings.data_dir, backup_id)
    try:
        await asyncio.to_thread(path.unlink)
    except FileNotFoundError as error:
        raise UnknownBackup from error
    return Response(status_code=204)


async def _steps(settings: Settings) -> AsyncIterator[dict[str, Any]]:
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
    left = threading.Event()

    def hear(done: int, of: int, what: str) -> None:
        if left.is_set():
            raise BackupError("The caller went away.")
        loop.call_soon_threadsafe(heard.put_nowait, {"done": done, "of": of, "what": what})

    backup_id = uuid.uuid4().hex
    making = asyncio.create_task(asyncio.to_thread(_make, settings, backup_id, hear))
    making.add_done_callback(lambda _: heard.put_nowait(None))
    making.add_done_callback(lambda made: made.cancelled() or made.exception())  # told below, unless the caller left
    try:
        while (step := await heard.get()) is not None:
            yield step
        made = await making
        yield {"result": {"id": backup_id, "bytes": made.bytes, "sha256": made.sha256, "manifest": _told(made)}}
    finally:
        left.set()


def _make(settings: Settings, backup_id: str, hear: Any) -> Made:
    path = _path(settings.data_dir, backup_id)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        for earlier in path.parent.glob(f"{OUTGOING}*.zip"):
            if earlier.stat().st_mtime < time.time() - _KEPT_SECONDS:
                earlier.unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(f"The folder {path.parent} for the backup cannot be used: {error.strerror}.") from error
    return make_archive(settings, path, hear)


def _told(made: Made) -> dict[str, Any]:
    return made.manifest.as_dict()


def _path(data_dir: Path, backup_id: str) -> Path:
    if not _ID.fullmatch(backup_id):
        raise UnknownBackup
    return data_dir / BACKUPS / f"{OUTGOING}{backup_id}.zip"


def _take(path: Path) -> tuple[IO[bytes], int]:
    """Open the archive and take its name away: it goes with the last who reads it."""
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise UnknownBackup from error
    path.unlink()
    return file, file.seek(0, 2)


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    try:
        await asyncio.to_thread(file.seek, 0)
        while piece := await asyncio.to_thread(file.read, CHUNK):
            yield piece
    finally:
        file.close()
