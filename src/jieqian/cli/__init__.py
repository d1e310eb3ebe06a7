"""The command line: `jieqian`, also `python -m jieqian`."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer
from typer.exceptions import TyperException

from jieqian import __version__
from jieqian.cli import screen
from jieqian.cli.analyze import analyze
from jieqian.cli.backup import backup, restore
from jieqian.cli.bench import app as bench_app
from jieqian.cli.cache import app as cache_app
from jieqian.cli.corpus import app as corpus_app
from jieqian.cli.doctor import doctor
from jieqian.cli.draw import draw
from jieqian.cli.faq import app as faq_app
from jieqian.cli.keys import app as keys_app
from jieqian.cli.model import app as model_app
from jieqian.cli.read import read
from jieqian.cli.serve import serve, worker
from jieqian.errors import JieqianError

app = typer.Typer(
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: the same in a pipe, in a dumb terminal and in a narrow one
    help="Readings of temple oracle lots (解籤).",
)
app.command()(serve)
app.command()(worker)
app.command()(read)
app.command()(draw)
app.command()(doctor)
app.command()(backup)
app.command()(restore)
app.command()(analyze)
app.add_typer(bench_app, name="bench")
app.add_typer(cache_app, name="cache")
app.add_typer(corpus_app, name="corpus")
app.add_typer(faq_app, name="faq")
app.add_typer(keys_app, name="keys")
app.add_typer(model_app, name="model")


@app.callback()
def options(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole traceback of an error.")] = False,
) -> None:
    """Readings of temple oracle lots (解籤)."""
    context.obj = {"debug": debug}
    if show_version:
        version()
        raise typer.Exit


@app.command()
def version() -> None:
    """Print the version.

    Example: jieqian version
    """
    print(__version__)


def main() -> None:
    """Run a command. Exit status: 0 success, 1 failure with one line on stderr, 2 wrong usage, 130 Ctrl-C."""
    screen.prepare()
    arguments = sys.argv[1:]
    debug = "--debug" in arguments  # a person writes it where it comes to mind, also after the command
    try:
        # Not standalone: what is wrong is told here, in one line, and not in a box.
        sys.exit(
            app([each for each in arguments if each != "--debug"], prog_name="jieqian", standalone_mode=False) or 0
        )
    except TyperException as error:
        _tell_usage(error)
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(1)
    except JieqianError as error:
        _tell(error.detail, debug)
        sys.exit(2 if error.extra.get("usage") else 1)
    except OSError as error:  # a full disk, a folder without rights
        _tell(str(error), debug)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 (a fault of ours is told in one line too)
        _tell(f"An unexpected error: {type(error).__name__}: {error}. With --debug its traceback is shown.", debug)
        sys.exit(1)


def _tell(wrong: str, debug: bool) -> None:
    """One line, or the traceback of the error being handled."""
    if debug:
        print(screen.clean(traceback.format_exc()), end="", file=sys.stderr)
    else:
        screen.complain(wrong)


def _tell_usage(error: TyperException) -> None:
    """What is wrong with the command line, and where help is; the help itself where nothing was asked."""
    context = getattr(error, "ctx", None)
    said = error.format_message().strip()
    if "\n" in said:  # no command was given: typer made the help the message
        print(said, file=sys.stderr)
    else:
        screen.complain(f"{said.rstrip('.')}. See: {context.command_path} --help" if context is not None else said)
