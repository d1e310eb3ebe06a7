"""The command line: `jieqian`, also `python -m jieqian`."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer
from typer.exceptions import TyperException

from jieqian import __version__
from jieqian.cli import screen
from jieqian.errors import JieqianError
from jieqian.loading import loading

#: Where each command and group of commands is, in the order of the help.
_PLACES = {
    "serve": "serve.serve",
    "worker": "serve.worker",
    "read": "read.read",
    "draw": "draw.draw",
    "doctor": "doctor.doctor",
    "backup": "backup.backup",
    "restore": "backup.restore",
    "analyze": "analyze.analyze",
    "bench": "bench.app",
    "cache": "cache.app",
    "corpus": "corpus.app",
    "experiments": "experiments.app",
    "faq": "faq.app",
    "keys": "keys.app",
    "model": "model.app",
    "plan": "plan.plan",
}


def app_for(arguments: Sequence[str] = ()) -> typer.Typer:
    """The command that is asked for, or all where none is named first: to load them all takes half a second."""
    app = typer.Typer(
        no_args_is_help=True,
        invoke_without_command=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help: the same in a pipe, in a dumb terminal and in a narrow one
        help="Readings of temple oracle lots (解籤).",
    )
    app.callback()(options)
    asked = arguments[0] if arguments else None
    for name in (asked,) if asked in _PLACES else _PLACES:
        module, attribute = _PLACES[name].split(".")
        with loading():
            found = getattr(import_module(f"jieqian.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command()(found)
    app.command()(version)
    return app


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


def version() -> None:
    """Print the version.

    Example: jieqian version
    """
    print(__version__)


def main() -> None:
    """Run a command. Exit status: 0 success, 1 failure with one line on stderr, 2 wrong usage, 130 Ctrl-C."""
    screen.prepare()
    debug = "--debug" in sys.argv[1:]  # a person writes it where it comes to mind, also after the command
    arguments = [each for each in sys.argv[1:] if each != "--debug"]
    try:
        # Not standalone: what is wrong is told here, in one line, and not in a box.
        sys.exit(app_for(arguments)(arguments, prog_name="jieqian", standalone_mode=False) or 0)
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
