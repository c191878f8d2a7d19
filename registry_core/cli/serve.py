"""`serve`: the registry on this machine."""

from __future__ import annotations

import argparse
from collections.abc import MutableMapping
from pathlib import Path

from .options import Commands, number

SERVE = """\
Serve the registry from this machine, with the functions and timers of function_app.py.
Storage is what REGISTRY_STORAGE_AZURE_... in the environment says; when it says nothing,
an Azurite of its own is started. SIGTERM or Ctrl-C stops it, a second one at once.
"""
EXAMPLES = """\
examples:
  python -m registry_core serve
  python -m registry_core serve --host 0.0.0.0 --port 8080
  REGISTRY_STORAGE_AZURE_CONNECTIONSTRING=... python -m registry_core serve --no-access-log
"""


def add_serve(commands: Commands) -> None:
    """Its options."""
    parser = commands.add_parser(
        "serve",
        help="serve the registry from this machine",
        description=SERVE,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    where = parser.add_argument_group("where it listens")
    where.add_argument("--host", default="127.0.0.1", help="address or name (default %(default)s)")
    where.add_argument(
        "--port", type=_port, default=5000, help="0 picks a free one (default %(default)s)"
    )
    where.add_argument("--uds", type=Path, metavar="PATH", help="a unix socket instead")
    storage = parser.add_argument_group("its own storage")
    storage.add_argument(
        "--data", type=Path, metavar="DIR", help="folder that keeps data (default .local)"
    )
    storage.add_argument(
        "--azurite-port", type=_port, default=0, metavar="PORT", help="default 0: a free one"
    )
    parser.add_argument(
        "--grace",
        type=_seconds,
        default=30,
        metavar="SECONDS",
        help="how long a stop waits for requests under way (default %(default)s)",
    )
    parser.add_argument(
        "--no-access-log", dest="access_log", action="store_false", help="no line for each request"
    )
    parser.set_defaults(run=_serve)


def _serve(arguments: argparse.Namespace, environment: MutableMapping[str, str]) -> int:
    # Imported here so that other commands need not wait for a web server.
    from ..serve.run import Options, serve

    options = {name: value for name, value in vars(arguments).items() if name != "run"}
    return serve(Options(**options), environment)


def _port(text: str) -> int:
    return number(text, 0, 65535)


def _seconds(text: str) -> int:
    return number(text, 0, 86400)
