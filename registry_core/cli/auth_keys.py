"""`auth keys`: personal access keys, made, listed and revoked in the container of the registry."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from ..auth.limits import parse_limits
from ..auth.personal_keys import PersonalKey
from ..config import ConfigError, Settings, read_storage_settings
from ..object_store.interface import StoreUnavailable
from ..storage.layout import Layout
from ..storage.personal_keys import KeyExists, KeyUnknown, PersonalKeys
from ..storage.root import PLAIN, RootAmbiguous
from .options import Commands
from .storage_errors import explain

DONE, PROBLEMS, MISCONFIGURED, NO_STORAGE = 0, 1, 2, 3

KEYS = """\
Personal access keys are passwords that the registry makes (REGISTRY_AUTH=builtin), each for one
purpose and until a day. Only their hashes are kept, in the container that
REGISTRY_STORAGE_AZURE_... in the environment names. A revoked key gets no token from then on;
tokens that it got before end by themselves, within REGISTRY_AUTH_BUILTIN_EXPIRATION seconds.
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
    """Its subcommands."""
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
        help="make a key and print it, this one time",
        description="Make a key. It is printed this one time; nobody can show it again.",
        allow_abbrev=False,
    )
    parser.add_argument("--name", required=True, help="what the key is called; also its user name")
    parser.add_argument(
        "--user",
        default="",
        help="a user of the password file, for whom it stands; without it rules name it key:NAME",
    )
    parser.add_argument(
        "--expires",
        type=_lifetime,
        default="90d",
        metavar="TIME",
        help="when it ends: in days (90d), hours (12h), or on a date (2027-01-31); default 90d",
    )
    parser.add_argument(
        "--scope",
        action="append",
        type=_limit,
        metavar="SCOPE",
        help="what it is good for at most, as repository:team/**:pull; may be repeated",
    )
    parser.set_defaults(run=_create)


def _create(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    now = datetime.now(UTC).replace(microsecond=0)
    scopes = tuple(parse_limits(arguments.scope)) if arguments.scope else None
    try:
        text, key = PersonalKey.make(
            arguments.name,
            arguments.user,
            created=now,
            expires=arguments.expires,
            limits=scopes,
        )
    except ValueError as error:
        print(f"registry: {error}", file=sys.stderr)
        return PROBLEMS

    async def add(keys: PersonalKeys) -> None:
        await keys.add(key)
        print(text)
        print(
            f"the password of user {key.user or key.name} until {_day(key.expires)}; "
            "it is not shown again",
            file=sys.stderr,
        )

    return _with_keys(environment, add)


def _list(_arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    async def tell(keys: PersonalKeys) -> None:
        print(f"{'name':24}{'user':16}{'created':18}{'expires':18}scopes")
        async for key in keys.list():
            ended = " (expired)" if key.has_expired(datetime.now(UTC)) else ""
            scopes = "all" if key.limits is None else " ".join(map(str, key.limits))
            row = f"{key.name:24}{key.user or '-':16}{_day(key.created):18}{_day(key.expires):18}"
            print(f"{row}{scopes}{ended}")

    return _with_keys(environment, tell)


def _revoke(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    async def revoke(keys: PersonalKeys) -> None:
        await keys.revoke(arguments.name)

    return _with_keys(environment, revoke)


def _with_keys(environment: Mapping[str, str], work: _Work) -> int:
    """Do it with the keys of the registry that the environment names. Returns the exit code."""
    try:
        settings = read_storage_settings(environment)
        asyncio.run(_run(settings, work))
    except ConfigError as error:
        for problem in error.problems:
            print(f"registry: {problem}", file=sys.stderr)
        return MISCONFIGURED
    except (KeyExists, KeyUnknown, RootAmbiguous) as error:
        print(f"registry: {error}", file=sys.stderr)
        return PROBLEMS
    except StoreUnavailable as error:
        print(f"registry: {explain(str(error), settings.storage)}", file=sys.stderr)
        return NO_STORAGE
    return DONE


async def _run(settings: Settings, work: _Work) -> None:
    # Imported here so that other commands need not wait for the SDK.
    from ..app import build_store, settle_root

    try:
        store = build_store(settings.storage)
    except ValueError as error:
        raise ConfigError([str(error)]) from None
    try:
        settled = await settle_root(settings, store)
        await work(PersonalKeys(store, Layout(settled.root or PLAIN)))
    finally:
        await store.close()


def _lifetime(text: str) -> datetime:
    """When a key ends that is made now.

    :raises ArgumentTypeError: it is no time, is over, or too far away.
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
            f"{text!r} is no time such as 90d, 12h or 2027-01-31"
        ) from None
    if not now < end <= now + _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is over, or more than {_LONGEST.days} days off")
    return end.replace(microsecond=0)


def _limit(text: str) -> str:
    """:raises ArgumentTypeError: not a scope."""
    try:
        parse_limits([text])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
