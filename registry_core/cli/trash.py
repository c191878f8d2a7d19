"""The `trash` command: lists deletions that can be undone, undoes them, and purges them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..aio import run_to_completion
from ..globs import RepositoryGlobs
from ..spec.durations import parse_duration
from ..spec.errors import ManifestInvalid, RegistryError
from ..spec.references import NamedReference
from ..storage.trash_record import (
    TrashEntry,
    TrashKind,
    TrashUnknown,
    TrashUnreadable,
    is_trash_id,
)
from .options import Commands, is_terminal, printable
from .progress import format_quantity
from .storage_commands import (
    DONE,
    MISCONFIGURED,
    PROBLEMS,
    STORAGE_EXIT_CODES,
    CommandFailed,
    check_writable,
    print_problem,
    run_command,
)

if TYPE_CHECKING:
    from ..config import Settings
    from ..object_store.interface import ObjectStore
    from ..storage.layout import Layout
    from ..storage.restoring import Restoration
    from ..storage.stored_registry import StoredRegistry
    from ..storage.trash import Trash

TRASH = """\
List, undo or purge deletions, in the container that REGISTRY_STORAGE_AZURE_... in the environment
names. Each deletion of a manifest, a tag or a blob leaves a record in the trash, and what it names
is kept, for REGISTRY_DELETE_RETENTION.
"""
EXAMPLES = """\
examples:
  python -m registry_core trash list --repository 'team/**'
  python -m registry_core trash restore team/app:v1
  python -m registry_core trash purge --older-than 3d
"""
LIST_EXIT_CODES = f"""\
exit codes:
  0    the trash was listed
  1    some of its records are damaged
{STORAGE_EXIT_CODES}"""
RESTORE = """\
Undo deletions. A manifest comes back with the tags that were deleted with it, the manifests that it
lists and its referrers, a tag with its manifest, as far as these were deleted too. A tag that
exists by now stays as it is.
"""
RESTORE_EXIT_CODES = f"""\
exit codes:
  0    everything was restored; tags that exist by now stayed as they are
  1    something was not: it is not in the trash, or what it needs is gone
{STORAGE_EXIT_CODES}"""
PURGE = """\
Delete records from the trash. What only they name cannot be restored any more, and goes with the
next collections of garbage.
"""
PURGE_EXIT_CODES = f"""\
exit codes:
  0    the records are gone
  1    one of the ids does not exist, or is being restored
{STORAGE_EXIT_CODES}"""

_SHORT = 12
"""Digits of a digest that a table shows."""


def add_trash(commands: Commands) -> None:
    """Add the command and its subcommands."""
    parser = commands.add_parser(
        "trash",
        help="list and undo deletions",
        description=TRASH,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = _add(subcommands, "list", "list deletions", TRASH, LIST_EXIT_CODES)
    listing.add_argument(
        "--repository", type=_glob, metavar="GLOB", help="only of these repositories: team/**"
    )
    listing.add_argument("--json", action="store_true", help="print a JSON document")
    listing.set_defaults(run=_list)
    restore = _add(subcommands, "restore", "undo deletions", RESTORE, RESTORE_EXIT_CODES)
    restore.add_argument(
        "deletions",
        nargs="+",
        type=_deletion,
        metavar="ID|REPOSITORY:TAG|REPOSITORY@DIGEST",
        help="as trash list shows them; of a name, the newest deletion",
    )
    restore.add_argument(
        "--no-referrers", action="store_true", help="leave signatures and the like in the trash"
    )
    restore.set_defaults(run=_restore)
    purge = _add(subcommands, "purge", "delete records", PURGE, PURGE_EXIT_CODES)
    purge.add_argument("ids", nargs="*", type=_id, metavar="ID", help="as trash list shows them")
    purge.add_argument("--all", action="store_true", help="everything")
    purge.add_argument(
        "--older-than", type=_age, metavar="TIME", help="deletions older than, for example, 3d"
    )
    purge.set_defaults(run=_purge)


def _add(
    subcommands: Commands, name: str, text: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    return subcommands.add_parser(
        name,
        help=text,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _glob(text: str) -> RepositoryGlobs:
    try:
        return RepositoryGlobs((text,))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _id(text: str) -> str:
    """Return the id of a record; a damaged one may have been given any name by whoever wrote it."""
    if not text or set(text) & set("/:@"):
        raise argparse.ArgumentTypeError(f"{text!r} is not an id, as trash list shows them")
    return text


def _age(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _deletion(text: str) -> str | NamedReference:
    if is_trash_id(text):
        return text
    try:
        found = NamedReference.parse(text)
    except RegistryError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if found.tag is None and found.digest is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} names a whole repository; add a tag or a digest, or take an id of trash list"
        )
    return found


def _list(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    globs: RepositoryGlobs | None = arguments.repository

    async def show(settings: Settings, store: ObjectStore, _: Layout) -> int:
        found = [
            entry
            async for entry in _registry(settings, store).trash.list()
            if globs is None or globs.match(entry.repository)
        ]
        if arguments.json:
            print(json.dumps([to_json(entry) for entry in found], indent=2))
        elif is_terminal(sys.stdout):
            _print_table(found)
        else:
            print(render(found))
        damaged = sum(entry.kind is None for entry in found)
        if damaged:
            print_problem(
                f"damaged records: {damaged:,}. What they name may be unknown, and then no content "
                "is collected while they are there; purge them by their ids"
            )
        return PROBLEMS if damaged else DONE

    return run_command(environment, show)


def _restore(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    async def restore(settings: Settings, store: ObjectStore, _: Layout) -> int:
        check_writable(settings)
        registry, code = _registry(settings, store), DONE
        for deletion in arguments.deletions:
            work = _restore_one(registry, deletion, with_referrers=not arguments.no_referrers)
            try:
                done = await run_to_completion(work)  # Ctrl-C leaves none half done
            except (TrashUnknown, TrashUnreadable, CannotRestore, ManifestInvalid) as error:
                print_problem(str(error))
                code = PROBLEMS
            else:
                print("\n".join(_describe_restoration(done)))
        return code

    from ..storage.restoring import CannotRestore

    return run_command(environment, restore)


async def _restore_one(
    registry: StoredRegistry, deletion: str | NamedReference, *, with_referrers: bool
) -> Restoration:
    if isinstance(deletion, NamedReference):
        deletion = (await registry.trash.find(deletion)).id
    return await registry.restoring.restore(deletion, with_referrers=with_referrers)


def _describe_restoration(done: Restoration) -> Iterator[str]:
    for each in done.restored:
        record = each.record
        tags = f", tags {', '.join(each.tags)}" if each.tags else ""
        yield f"restored: {record.kind} {record.repository}@{record.digest}{tags}"
        for tag, digest in each.kept.items():
            yield f"  tag {tag} stays as it is: it points to {digest} by now"
    for ident, reason in done.left.items():
        yield f"not restored: a referrer, {ident}: {reason}"


def _purge(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    if bool(arguments.ids) + arguments.all + (arguments.older_than is not None) != 1:
        print_problem("name the ids to purge, or --all, or --older-than TIME: one of the three")
        return MISCONFIGURED

    async def purge(settings: Settings, store: ObjectStore, _: Layout) -> int:
        check_writable(settings)
        trash = _registry(settings, store).trash
        found = [entry async for entry in _chosen(trash, arguments)]
        if unknown := sorted(set(arguments.ids) - {entry.id for entry in found}):
            raise CommandFailed(
                f"the trash has no record {unknown[0]}: it was restored or purged, or never "
                "existed; nothing was purged"
            )
        number = await trash.purge(found)
        print(f"purged: {format_quantity(number, 'records' if number != 1 else 'record')}")
        if number < len(found):
            raise CommandFailed(
                f"not purged: {len(found) - number:,}, which are being restored or are gone"
            )
        return DONE

    return run_command(environment, purge)


async def _chosen(trash: Trash, arguments: argparse.Namespace) -> AsyncIterator[TrashEntry]:
    """Yield the records that the options name."""
    age: timedelta | None = arguments.older_than
    until = None if age is None else datetime.now(UTC) - age
    async for entry in trash.list():
        if arguments.all or entry.id in arguments.ids or (until and entry.deleted < until):
            yield entry


def _registry(settings: Settings, store: ObjectStore) -> StoredRegistry:
    from ..app import build_stored_registry

    return build_stored_registry(settings, store)


def to_json(entry: TrashEntry) -> Mapping[str, object]:
    """Return an entry as a JSON object."""
    return {
        "id": entry.id,
        "kind": entry.kind or "damaged",
        "repository": entry.repository,
        "digest": str(entry.digest) if entry.digest else None,
        "mediaType": entry.media_type,
        "size": entry.size,
        "tags": entry.tags,
        "numberOfTags": entry.number_of_tags,
        "subject": str(entry.subject) if entry.subject else None,
        "deleted": entry.deleted.isoformat(),
        "deletedBy": entry.deleted_by,
        "reason": entry.reason,
    }


def render(entries: Sequence[TrashEntry]) -> str:
    """Return a listing as text: a line for each deletion, the oldest first."""
    if not entries:
        return "the trash is empty"
    lines = (
        f"{printable(entry.id)}  {_minute(entry.deleted)}  {entry.kind or 'damaged':8}  "
        f"{_name(entry, short=False)}  {_why(entry)}"
        for entry in entries
    )
    return "\n".join(line.rstrip() for line in lines)


def _print_table(entries: Sequence[TrashEntry]) -> None:
    # Imported here: it takes a tenth of a second, and is not needed in a pipe.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not entries:
        print(render(entries))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("deleted", no_wrap=True)
    for title in ("what", "why"):
        table.add_column(title, overflow="fold")
    table.add_column("id", no_wrap=True)
    for entry in entries:
        what = f"{entry.kind or 'damaged'} {_name(entry, short=True)}".rstrip()
        cells = (_minute(entry.deleted), what, _why(entry), printable(entry.id))
        table.add_row(*map(Text, cells))
    Console().print(table)


def _name(entry: TrashEntry, *, short: bool) -> str:
    """Return what was deleted: ``team/app:v1,v2@sha256:...``."""
    if entry.kind is None or entry.digest is None:
        return ""
    digest = f"{entry.digest.algorithm}:{entry.digest.hex[:_SHORT]}" if short else entry.digest
    more = entry.number_of_tags - len(entry.tags)
    tags = ",".join(entry.tags) + (f" and {more} more" if more else "")
    if entry.kind is TrashKind.TAG:
        return f"{entry.repository}:{tags}@{digest}"
    return f"{entry.repository}@{digest}" + (f" ({tags})" if tags else "")


def _why(entry: TrashEntry) -> str:
    by = f"by {entry.deleted_by}" if entry.deleted_by else ""
    return printable(": ".join(filter(None, (by, entry.reason))))


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
