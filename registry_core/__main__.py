"""The command line: ``python -m registry_core COMMAND``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .cli.auth import add_auth
from .cli.doctor import add_doctor
from .cli.serve import add_serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` name. Returns the exit code."""
    options = _parser().parse_args(arguments)
    code: int = options.run(options, os.environ)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m registry_core",
        description="A container registry without a server.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_serve(commands)
    add_doctor(commands)
    add_auth(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
