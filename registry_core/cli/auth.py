"""`auth`: rules checked and explained, passwords hashed, keys made. Only `keys` needs storage."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Mapping
from pathlib import Path

from .auth_explain import add_explain
from .auth_keys import add_keys
from .auth_rules import read_rules
from .options import Commands, number

DONE, PROBLEMS = 0, 1

AUTH = """\
Check what decides who may do what, explain it, and make what logging in needs.
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
    """Its subcommands."""
    parser = commands.add_parser(
        "auth",
        help="check and explain access rules, hash passwords, make keys",
        description=AUTH,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_check(subcommands)
    add_explain(subcommands)
    _add_hash(subcommands)
    _add_token_key(subcommands)
    add_keys(subcommands)


def _add_check(subcommands: Commands) -> None:
    parser = subcommands.add_parser(
        "check",
        help="tell all that is wrong with a rules document",
        description="Tell all that is wrong with a rules document, with lines. Exit code 1 if any.",
        allow_abbrev=False,
    )
    parser.add_argument("rules", type=Path, metavar="RULES_FILE")
    parser.set_defaults(run=_check)


def _check(arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    rules = read_rules(arguments.rules)
    if rules is None:
        return PROBLEMS
    count = len(rules.rules)
    print(f"{arguments.rules}: {count} rule{'' if count == 1 else 's'}, nothing is wrong")
    return DONE


def _add_hash(subcommands: Commands) -> None:
    parser = subcommands.add_parser(
        "hash",
        help="hash a password: a line of an htpasswd file",
        description="Read a password, from the terminal or the first line of standard input, and "
        "print a line of an htpasswd file.",
        allow_abbrev=False,
    )
    parser.add_argument("user", metavar="USER")
    parser.add_argument(
        "--cost",
        type=_cost,
        default=10,
        metavar="N",
        help="each more doubles the work of a guess, and of a login (default %(default)s)",
    )
    parser.set_defaults(run=_hash)


def _hash(arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    from ..auth.htpasswd_file import htpasswd_line

    try:
        print(htpasswd_line(arguments.user, _password(), arguments.cost))
    except ValueError as error:
        print(f"registry: {error}", file=sys.stderr)
        return PROBLEMS
    return DONE


def _password() -> str:
    """:raises ValueError: typed twice, it is not the same; or it is no UTF-8."""
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
        description="Print a new private key (ES256, as PEM) for REGISTRY_AUTH_BUILTIN_SIGNINGKEY. "
        "Whoever has it can let anybody in.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_token_key)


def _token_key(_arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    # Imported here so that other commands need not wait for cryptography.
    from ..auth.signing_key import SigningKey

    print(SigningKey.generate().pem(), end="")
    return DONE


def _cost(text: str) -> int:
    from ..auth.htpasswd_file import LEAST_COST, MOST_COST

    return number(text, LEAST_COST, MOST_COST)
