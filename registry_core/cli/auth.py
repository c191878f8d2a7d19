"""`auth`: check and explain rules, hash passwords, make keys. Only `keys` needs storage."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Mapping

from .auth_keys import add_keys
from .auth_rules import add_check, add_explain
from .options import Commands, number

DONE, PROBLEMS = 0, 1

AUTH = """\
Check and explain access rules, and make passwords and keys.
"""
EXAMPLES = """\
examples:
  python -m registry_core auth check rules.toml
  python -m registry_core auth explain --rules rules.toml --user alice push team-a/app
  python -m registry_core auth hash alice >> htpasswd
  python -m registry_core auth token-key > signing-key.pem
  python -m registry_core auth keys create --name ci --user alice --expires 90d
"""


def add_auth(commands: Commands) -> None:
    """Add the command and its subcommands."""
    parser = commands.add_parser(
        "auth",
        help="check and explain access rules, hash passwords, make keys",
        description=AUTH,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_check(subcommands)
    add_explain(subcommands)
    _add_hash(subcommands)
    _add_token_key(subcommands)
    add_keys(subcommands)


def _add_hash(subcommands: Commands) -> None:
    parser = subcommands.add_parser(
        "hash",
        help="hash a password for an htpasswd file",
        description="Read a password from the terminal or the first line of standard input, and "
        "print a line for an htpasswd file.",
        allow_abbrev=False,
    )
    parser.add_argument("user", metavar="USER")
    parser.add_argument(
        "--cost",
        type=_cost,
        default=10,
        metavar="N",
        help="each step doubles the work of a guess, and of a login (default %(default)s)",
    )
    parser.set_defaults(run=_hash)


def _hash(arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    from ..auth.sources.htpasswd import htpasswd_line

    try:
        print(htpasswd_line(arguments.user, _password(), arguments.cost))
    except ValueError as error:
        print(f"registry: {error}", file=sys.stderr)
        return PROBLEMS
    return DONE


def _password() -> str:
    """:raises ValueError: the two inputs differ, or the input is not UTF-8."""
    if not sys.stdin.isatty():
        try:
            return sys.stdin.buffer.readline().decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise ValueError("the password is not UTF-8") from None
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise ValueError("the passwords differ")
    return password


def _add_token_key(subcommands: Commands) -> None:
    parser = subcommands.add_parser(
        "token-key",
        help="make a key that signs tokens",
        description="Print a new private key (ES256, in PEM) for REGISTRY_AUTH_BUILTIN_SIGNINGKEY. "
        "Keep it secret: it can sign a token for any user.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_token_key)


def _token_key(_arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    # Imported late: other commands need not wait for cryptography.
    from ..auth.tokens.keys import SigningKey

    print(SigningKey.generate().pem(), end="")
    return DONE


def _cost(text: str) -> int:
    from ..auth.sources.htpasswd import LEAST_COST, MOST_COST

    return number(text, LEAST_COST, MOST_COST)
