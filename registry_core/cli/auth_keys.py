"""`auth keys`: make, list and revoke personal access keys, in the registry's container."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from ..auth.identity import parse_limits
from ..auth.sources.personal_keys import PersonalKey
from ..config import Settings
from ..object_store.interface import ObjectStore
from ..storage.layout import Layout
from ..storage.personal_keys import KeyExists, KeyUnknown, PersonalKeys
from .options import Commands
from .storage_commands import DONE, PROBLEMS, CommandFailed, print_problem, run_command

KEYS = """\
Personal access keys are passwords that the registry generates (REGISTRY_AUTH=builtin), each with a
purpose and an expiry. Only their hashes are stored, in the container that the environment's
REGISTRY_STORAGE_AZURE_... settings name. A revoked key gets no further tokens; tokens that it
already got expire within REGISTRY_AUTH_BUILTIN_EXPIRATION seconds.
"""
EXAMPLES = """\
examples:
  python -m registry_core auth keys create --name ci --user alice --expires 90d
  python -m registry_core auth keys create --name puller --scope 'repository:team/**:pull'
  python -m registry_core auth keys list
  python -m registry_core auth keys revoke ci
"""
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}
_LONGEST = timedelta(days=3650)

_Work = Callable[[PersonalKeys], Awaitable[None]]


def add_keys(commands: Commands) -> None:
    """Add the command and its subcommands."""
    parser = commands.add_parser(
        "keys",
        help="make, list and revoke personal access keys",
        description=KEYS,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_create(subcommands)
    listing = subcommands.add_parser("list", help="list all keys", allow_abbrev=False)
    listing.set_defaults(run=_list)
    revoke = subcommands.add_parser("revoke", help="revoke a key", allow_abbrev=False)
    revoke.add_argument("name", metavar="NAME")
    revoke.set_defaults(run=_revoke)


def _add_create(subcommands: Commands) -> None:
    parser = subcommands.add_parser(
        "create",
        help="make a key and print it, once",
        description="Make a key and print it. It cannot be displayed again.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--name", required=True, help="the name of the key, also usable as its user name"
    )
    parser.add_argument(
        "--user",
        default="",
        help="the user of the password file whose key it is; without, rules name it key:NAME",
    )
    parser.add_argument(
        "--expires",
        type=_lifetime,
        default="90d",
        metavar="TIME",
        help="when it expires: days (90d), hours (12h) or a date (2027-01-31); default %(default)s",
    )
    parser.add_argument(
        "--scope",
        action="append",
        type=_limit,
        metavar="SCOPE",
        help="what it may do at most, as repository:team/**:pull; can be repeated",
    )
    parser.set_defaults(run=_create)


def _create(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    now = datetime.now(UTC).replace(microsecond=0)
    limits = parse_limits(arguments.scope) if arguments.scope else None
    try:
        text, key = PersonalKey.make(
            arguments.name,
            arguments.user,
            created=now,
            expires=arguments.expires,
            limits=limits,
        )
    except ValueError as error:
        print_problem(str(error))
        return PROBLEMS

    async def add(keys: PersonalKeys) -> None:
        await keys.add(key)
        print(text)
        print(
            f"This is a password of user {key.user or key.name} until {_minute(key.expires)} UTC. "
            "It cannot be displayed again.",
            file=sys.stderr,
        )

    return _with_keys(environment, add)


def _list(_arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    async def print_all(keys: PersonalKeys) -> None:
        print(f"{'name':24}{'user':16}{'created':18}{'expires':18}scopes")
        async for key in keys.list():
            ended = " (expired)" if key.has_expired(datetime.now(UTC)) else ""
            scopes = "all" if key.limits is None else " ".join(map(str, key.limits))
            times = f"{_minute(key.created):18}{_minute(key.expires):18}"
            print(f"{key.name:24}{key.user or '-':16}{times}{scopes}{ended}")

    return _with_keys(environment, print_all)


def _revoke(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    async def revoke(keys: PersonalKeys) -> None:
        await keys.revoke(arguments.name)

    return _with_keys(environment, revoke)


def _with_keys(environment: Mapping[str, str], work: _Work) -> int:
    """Do work on the keys of the registry in the environment's settings. Return the exit code."""

    async def run(_: Settings, store: ObjectStore, layout: Layout) -> int:
        try:
            await work(PersonalKeys(store, layout))
        except (KeyExists, KeyUnknown) as error:
            raise CommandFailed(str(error)) from None
        return DONE

    return run_command(environment, run)


def _lifetime(text: str) -> datetime:
    """Return the expiry of a key that is made now.

    :raises ArgumentTypeError: the text is not a time, or the time is past or too far away.
    """
    match = re.fullmatch(r"([0-9]{1,6})([hd])", text)
    now = datetime.now(UTC)
    try:
        end = (
            now + int(match[1]) * _UNITS[match[2]]
            if match
            else datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        )
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 90d, 12h or 2027-01-31"
        ) from None
    if not now < end <= now + _LONGEST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is in the past, or more than {_LONGEST.days} days ahead"
        )
    return end.replace(microsecond=0)


def _limit(text: str) -> str:
    """:raises ArgumentTypeError: the text is not a scope."""
    try:
        parse_limits([text])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
