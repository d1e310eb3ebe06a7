"""`jieqian draw --verify`: was a draw fair?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from jieqian.errors import UsageError
from jieqian.lots.draw import verify
from jieqian.lots.library import LotLibrary
from jieqian.settings import load_settings


def draw(
    check: Annotated[Path, typer.Option("--verify", help="The reveal's answer as a JSON file.", show_default=False)],
) -> None:
    """Check a revealed draw: its seeds against the commitment, its lot and throws against the seeds.

    The file holds the answer of POST /draws/{id}/reveal; put the commitment told before the reveal into it.

    Example: jieqian draw --verify draw.json
    """
    try:
        document = json.loads(check.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{check}: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{check}: this is no JSON in UTF-8. Save the reveal's answer as it came.") from error
    library = LotLibrary.in_data_dir(load_settings().data_dir)
    problems = verify(document, {collection.id: collection.size for collection in library.collections()})
    if problems:
        raise UsageError(" ".join(problems))
    print(f"The draw is right: lot {document.get('number', '')} of {document['collection']}, as its seeds give it.")
