"""The way in: Ctrl-C ends the program without a traceback from its first moment on, also while it is loaded."""

from __future__ import annotations

import sys


def main() -> None:
    """`jieqian.cli.main`, loaded here; exit status 130 at Ctrl-C."""
    try:
        from jieqian.loading import leave_all, loading

        with loading():
            from jieqian.cli import main as run_command

        try:
            run_command()
        finally:
            leave_all()
    except KeyboardInterrupt:
        sys.exit(130)
