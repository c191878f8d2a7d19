"""The command line: ``moorage COMMAND``, or ``python -m registry_core COMMAND``."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .auth import add_auth
from .copy import add_copy, add_import
from .doctor import add_doctor
from .gc import add_gc
from .history import add_history
from .relay import add_relay
from .retention import add_retention
from .serve import add_serve
from .storage_commands import INTERRUPTED, PROBLEMS, print_problem
from .sync import add_sync
from .trash import add_trash
from .usage import add_usage

CONSOLE_SCRIPT = "moorage"

OUTPUT_CLOSED = 128 + 13
"""The exit code where whatever reads the output has closed it, as `head` does: that of SIGPIPE."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    :param arguments: those of the process by default.
    """
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options, os.environ)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return OUTPUT_CLOSED
    except KeyboardInterrupt:  # before or after the work on storage
        print_problem("interrupted")
        return INTERRUPTED
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _discard_output()
        print_problem(f"{error.filename or 'the output'} cannot be written: {error.strerror}")
        return PROBLEMS
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("registry_core"):
            raise
        print(
            f"registry: this command needs the package {error.name}: pip install 'moorage[serve]', "
            "or, in a clone, scripts/setup and .venv/bin/python",
            file=sys.stderr,
        )
        return 1
    return code


def _discard_output() -> None:
    """Drop what is left to print. Python would try to write it at exit, and report the failure."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    is_console_script = Path(sys.argv[0]).stem == CONSOLE_SCRIPT
    parser = argparse.ArgumentParser(
        prog=CONSOLE_SCRIPT if is_console_script else "python -m registry_core",
        description="A container registry without a server.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_serve(commands)
    add_relay(commands)
    add_doctor(commands)
    add_gc(commands)
    add_retention(commands)
    add_history(commands)
    add_trash(commands)
    add_usage(commands)
    add_copy(commands)
    add_sync(commands)
    add_import(commands)
    add_auth(commands)
    return parser
