"""`jieqian backup` and `jieqian restore`."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from jieqian.cli.running import Service, running_service
from jieqian.cli.screen import Advance, note, progress, say, say_json
from jieqian.errors import BackupError, DataFolderOwned, JieqianError, ModelNotFound, ModelRefused, UsageError
from jieqian.keeping.archive import CHUNK, Heard
from jieqian.keeping.backup import database_to_keep, make_archive, usual_name
from jieqian.keeping.folder import expect_usable, own_data_dir
from jieqian.keeping.restore import restore_archive
from jieqian.llm.shelf import Shelf, offer_of
from jieqian.settings import OURS_ALONE, Settings, load_settings

_HALF_MADE = re.compile(r"\..+\.zip\.(\d{1,10})\.part(?:\.db(?:-journal|-wal|-shm)?)?")
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def backup(
    file: Annotated[
        Path | None, typer.Argument(help="File or folder to write to; none: jieqian-DATE-TIME.zip in this folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Save readings, keys, the session secret and your collections in one file. The service may go on running.

    Not in it: models, the index (it is made again) and settings.

    Example: jieqian backup /mnt/usb/
    """
    settings = load_settings()
    expect_usable(settings.data_dir)
    os.umask(OURS_ALONE)
    target = _target(file)
    database_to_keep(settings)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that nothing half made stays
    with _half_made(target) as part, progress("Backup") as advance:
        try:
            owner = own_data_dir(settings.data_dir)
        except DataFolderOwned:
            made = asyncio.run(_fetch(settings, part, advance))
        else:
            try:
                made = _make_here(settings, part, advance)
            finally:
                owner.release()
    told = made["manifest"]
    if as_json:
        say_json({"file": str(target), **{name: made[name] for name in ("bytes", "sha256", "manifest")}})
    else:
        say(f"{told['readings']:,} readings saved in {target} ({made['bytes'] / 1e3:,.0f} kB).")
    if told["secret_in_settings"]:
        note("Sessions are signed by JIEQIAN_SECRET_KEY, which is not in the backup: keep it too.")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `jieqian backup` wrote.")],
    force: Annotated[bool, typer.Option("--force", help="Move data that is there aside first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a backup into the data folder (JIEQIAN_DATA_DIR). Readings that were under way go on at the next start.

    Example: JIEQIAN_DATA_DIR=/srv/jieqian jieqian restore jieqian-20260102-030405.zip
    """
    settings = load_settings()
    with progress("Restore") as advance:
        restored = restore_archive(file, settings, _heard(advance), force=force)
    manifest, data_dir = restored.manifest, settings.data_dir.absolute()
    aside = None if restored.aside is None else str(restored.aside.absolute())
    if as_json:
        say_json({"data_dir": str(data_dir), "aside": aside, "manifest": manifest.as_dict()})
    else:
        say(f"{manifest.readings:,} readings of {manifest.created_at} restored to {data_dir}.")
        if aside is not None:
            say(f"The data that was there is kept in {aside}.")
    if manifest.secret_in_settings:
        note("Sessions were signed by JIEQIAN_SECRET_KEY: set the same here, or askers lose their readings.")
    if missing := missing_model(settings.data_dir):
        note(missing)


def missing_model(data_dir: Path) -> str | None:
    """What to do where the file of the chosen model, which no backup holds, is not here; one line."""
    try:
        picked = Shelf(data_dir).picked()
    except (ModelNotFound, ModelRefused) as error:
        return error.detail
    if picked is None or picked.file is None or picked.file.is_file():
        return None
    get = f"`jieqian model get {picked.name}` gets it" if offer_of(picked.name) else f"copy it to {picked.file}"
    return f"The model {picked.name}, chosen there, is not here: {get}, or `jieqian model use auto` takes another."


def _target(file: Path | None) -> Path:
    target = (file or Path(usual_name())).absolute()
    if target.is_dir():
        target = target / usual_name()
    if os.path.lexists(target):
        raise UsageError(f"{target} is there already, and nothing is overwritten. Give another name.")
    if not target.parent.is_dir():
        raise UsageError(f"There is no folder {target.parent} to write the backup to. Make it, or give another.")
    return target


@contextmanager
def _half_made(target: Path) -> Iterator[Path]:
    """A name beside the target for the work; what lies there in the end gets the target's name, if that is free."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    remove_half_made_by_the_dead(target.parent)
    try:
        yield part
        try:
            os.link(part, target)  # fails where something has the name by now, as a renaming would not
        except FileExistsError as error:
            raise BackupError(f"{target} was made by something else meanwhile. Give another name.") from error
        except OSError:  # a file system without such links
            part.rename(target)
    except OSError as error:
        raise BackupError(f"The backup {target} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def remove_half_made_by_the_dead(folder: Path) -> None:
    """What a `kill -9` left of an earlier backup is a copy of all readings, and nobody would ever look for it."""
    for path in folder.glob(".*.part*"):
        found = _HALF_MADE.fullmatch(path.name)
        if found is not None and not _lives(int(found[1])):
            with suppress(OSError):
                path.unlink()


def _lives(pid: int) -> bool:
    if os.name != "posix":  # there a signal would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True


def _make_here(settings: Settings, part: Path, advance: Advance) -> dict[str, Any]:
    made = make_archive(settings, part, _heard(advance))
    return {"bytes": made.bytes, "sha256": made.sha256, "manifest": made.manifest.as_dict()}


async def _fetch(settings: Settings, part: Path, advance: Advance) -> dict[str, Any]:
    """Let the service make the backup, and fetch it."""
    async with running_service(settings) as service:
        made = await service.carry_out("POST", "/api/v1/admin/backup", advance)
        try:
            await _download(service, made, part)
        except (JieqianError, OSError):
            with suppress(JieqianError):  # it was fetched, or the service is gone and throws it away when it starts
                await service.call("DELETE", f"/api/v1/admin/backup/{made['id']}")
            raise
    return made


async def _download(service: Service, made: dict[str, Any], part: Path) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < made["bytes"]:
        raise BackupError(f"The backup needs {made['bytes']:,} bytes, and {part.parent} has {free:,}. Make room there.")
    digest = hashlib.sha256()
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        async with service.stream("GET", f"/api/v1/admin/backup/{made['id']}") as response:
            async for piece in response.content.iter_chunked(CHUNK):
                digest.update(piece)
                await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(_settle, file)
    if digest.hexdigest() != made["sha256"]:
        raise BackupError("The backup did not arrive whole. Try again.")


def _settle(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _heard(advance: Advance) -> Heard:
    def hear(done: int, of: int, what: str) -> None:
        advance(done, of, what)

    return hear
