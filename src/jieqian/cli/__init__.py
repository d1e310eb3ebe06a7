"""The command line: `jieqian`, also `python -m jieqian`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from jieqian import __version__
from jieqian.cli.corpus import app as corpus_app
from jieqian.cli.draw import draw
from jieqian.cli.keys import app as keys_app
from jieqian.cli.serve import serve, worker
from jieqian.errors import JieqianError, UsageError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Readings of temple oracle lots (解籤).",
)
app.command()(serve)
app.command()(worker)
app.command()(draw)
app.add_typer(corpus_app, name="corpus")
app.add_typer(keys_app, name="keys")


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole traceback of an error.")] = False,
) -> None:
    """Readings of temple oracle lots (解籤)."""
    context.obj = {"debug": debug}


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def main() -> None:
    """Run a command. Exit status 0 on success, 2 on wrong usage, 1 on failure with one line on stderr."""
    try:
        app()
    except JieqianError as error:
        if "--debug" in sys.argv:
            raise
        print(f"jieqian: {error.detail}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) and error.extra.get("usage") else 1)
    except OSError as error:  # a full disk, a folder without rights
        if "--debug" in sys.argv:
            raise
        print(f"jieqian: {error}", file=sys.stderr)
        sys.exit(1)
