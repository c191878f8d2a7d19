"""`serve`: the registry on this machine."""

from __future__ import annotations

import argparse
from collections.abc import MutableMapping
from pathlib import Path

from .options import Commands, port, seconds

SERVE = """\
Serve the registry from this machine, and run its maintenance jobs. Storage is configured by
REGISTRY_STORAGE_AZURE_... in the environment; without such settings the server starts an Azurite
of its own. SIGTERM or Ctrl-C stops the server, a second one stops it at once. The exit code is 1 if
the server cannot start, and 2 if an option or a setting is not valid.
"""
EXAMPLES = """\
examples:
  %(prog)s
  REGISTRY_AUTH=htpasswd REGISTRY_AUTH_HTPASSWD_PATH=htpasswd %(prog)s --host 0.0.0.0 --port 8080
  REGISTRY_STORAGE_AZURE_CONNECTIONSTRING=... %(prog)s --no-access-log
"""


def add_serve(commands: Commands) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "serve",
        help="serve the registry from this machine",
        description=SERVE,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    listening = parser.add_argument_group("address")
    listening.add_argument(
        "--host", default="127.0.0.1", help="address or name to listen on (default %(default)s)"
    )
    listening.add_argument(
        "--port", type=port, default=5000, help="0 picks a free one (default %(default)s)"
    )
    listening.add_argument(
        "--uds", type=Path, metavar="PATH", help="listen on a unix socket instead"
    )
    listening.add_argument(
        "--allow-anonymous",
        action="store_true",
        help="serve other machines without authentication: everybody may push and delete",
    )
    storage = parser.add_argument_group("storage, if none is configured")
    storage.add_argument(
        "--data",
        type=Path,
        default=Path(".local"),
        metavar="DIR",
        help="folder that keeps all data (default %(default)s)",
    )
    storage.add_argument(
        "--azurite-port",
        type=port,
        default=0,
        metavar="PORT",
        help="port of Azurite; 0 picks a free one (default %(default)s)",
    )
    parser.add_argument(
        "--grace",
        type=seconds,
        default=30,
        metavar="SECONDS",
        help="time that requests in progress have to finish at a stop (default %(default)s)",
    )
    parser.add_argument(
        "--no-access-log",
        dest="access_log",
        action="store_false",
        help="do not log a line for each request",
    )
    parser.set_defaults(run=_serve)


def _serve(arguments: argparse.Namespace, environment: MutableMapping[str, str]) -> int:
    # Imported here because other commands do not need a web server.
    from ..serve.run import Options, serve

    options = {name: value for name, value in vars(arguments).items() if name != "run"}
    return serve(Options(**options), environment)
