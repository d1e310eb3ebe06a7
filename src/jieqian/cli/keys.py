"""`jieqian keys`: API keys for integrators."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from jieqian.cli.running import quoted_id, running_service
from jieqian.cli.screen import say, say_json, table
from jieqian.errors import UsageError
from jieqian.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys. A running server knows them at once.")
_LONGEST_NAME = 80
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key this is.")],
    as_json: JsonOption = False,
) -> None:
    """Make a key. It is shown this once; only its hash is kept.

    Example: jieqian keys create "temple app"
    """
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise UsageError(f"A key needs the name of whose it is, {_LONGEST_NAME} characters at most.", usage=True)
    made = _ask("POST", "", {"name": name})
    if as_json:
        say_json(made)
        return
    say(f"{made['key']}\nid: {made['id']}\nUse it as the header  Authorization: Bearer {made['key']}")


@app.command(name="list")
def list_keys(as_json: JsonOption = False) -> None:
    """List the keys: id, when made, whether revoked, name.

    Example: jieqian keys list --json
    """
    keys = _ask("GET", "")
    if as_json:
        say_json(keys)
        return
    table(("id", "made (UTC)", "state", "name"), [_row(key) for key in keys])


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id, from `jieqian keys list`.")]) -> None:
    """Revoke a key; whoever uses it is refused from now on.

    Example: jieqian keys revoke 3f0c9a52-6d0e-4b7b-9d4e-2c1c5b8f7a10
    """
    _ask("DELETE", f"/{quoted_id(key_id, 'jieqian keys list')}")
    say("revoked")


def _row(key: Mapping[str, Any]) -> tuple[str, ...]:
    made = datetime.fromtimestamp(key["created_at"], UTC).strftime("%Y-%m-%d %H:%M")
    return key["id"], made, "revoked" if key["revoked_at"] else "active", key["name"]


def _ask(method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    async def ask() -> Any:
        async with running_service(load_settings()) as service:
            return await service.call(method, f"/api/v1/admin/keys{path}", body)

    return asyncio.run(ask())
