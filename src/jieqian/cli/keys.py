"""`jieqian keys`: API keys for integrators."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer

from jieqian.errors import UsageError
from jieqian.settings import OURS_ALONE, load_settings, make_data_dir
from jieqian.tasks.database import migrate, url_of
from jieqian.tasks.keys import new_key
from jieqian.tasks.sql_store import SqlTaskStore
from jieqian.tasks.store import ApiKey

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys. A running server knows them at once.")
Result = TypeVar("Result")


@app.command()
def create(name: Annotated[str, typer.Argument(help="Whose key this is.")]) -> None:
    """Make a key. It is shown this once; only its hash is kept.

    Example: jieqian keys create "temple app"
    """
    key, key_hash = new_key()
    kept = ApiKey(id=str(uuid.uuid4()), name=name[:80], key_hash=key_hash, created_at=time.time())
    _with_store(lambda store: store.add_key(kept))
    print(f"{key}\nid: {kept.id}\nUse it as the header  Authorization: Bearer {key}")


@app.command(name="list")
def list_keys() -> None:
    """List the keys: id, when made, whether revoked, name."""
    for key in _with_store(lambda store: store.keys()):
        made = datetime.fromtimestamp(key.created_at, UTC).strftime("%Y-%m-%d %H:%M")
        print(f"{key.id}  {made}  {'revoked' if key.revoked_at else 'active '}  {key.name}")


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id, from `jieqian keys list`.")]) -> None:
    """Revoke a key; whoever uses it is refused from now on."""
    if not _with_store(lambda store: store.revoke_key(key_id, time.time())):
        raise UsageError(f"There is no active key {key_id!r}. `jieqian keys list` shows them.")
    print("revoked")


def _with_store(act: Callable[[SqlTaskStore], Awaitable[Result]]) -> Result:
    settings = load_settings()
    os.umask(OURS_ALONE)
    make_data_dir(settings.data_dir)
    url = url_of(settings)
    migrate(url)

    async def run() -> Result:
        store = SqlTaskStore(url)
        try:
            return await act(store)
        finally:
            await store.close()

    return asyncio.run(run())
