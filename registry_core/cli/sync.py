"""The `sync` command: copies what a document lists, as far as it has changed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .copy import add_copying_options
from .options import Commands
from .registry_access import AccessOptions, access_of_document
from .registry_commands import REGISTRY_EXIT_CODES, run_on_registries
from .storage_commands import DONE, MISCONFIGURED, PROBLEMS, CommandFailed, print_problem

if TYPE_CHECKING:
    from ..transfer.sync import EntryReport
    from ..transfer.sync_document import SyncDocument

SYNC = """\
Copy what a document lists (docs/sync.md): images, tags of repositories, repositories of registries.
What is the same on both sides costs two small requests. It runs once; a timer repeats it.
"""
EXIT_CODES = f"""\
exit codes:
  0    done
  1    something could not be copied; everything else was
{REGISTRY_EXIT_CODES}
examples:
  python -m registry_core sync --dry-run sync.toml
  python -m registry_core sync sync.toml
"""

_MAX_DOCUMENT_BYTES = 2**20


def add_sync(commands: Commands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "sync",
        help="keep repositories in sync, as a document says",
        description=SYNC,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a document in TOML")
    add_copying_options(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    def prepare() -> Coroutine[Any, Any, int]:
        document = _read(arguments.file)
        accesses = {
            host: access_of_document(access, environment)
            for host, access in document.registries.items()
        }
        return _sync(arguments, document, accesses, environment)

    return run_on_registries(prepare)


async def _sync(
    arguments: argparse.Namespace,
    document: SyncDocument,
    accesses: Mapping[str, AccessOptions],
    environment: Mapping[str, str],
) -> int:
    reports = await _copy(arguments, document, accesses, environment)
    from .copy_report import entry_to_json

    if arguments.json:
        entries = [entry_to_json(report) for report in reports]
        print(json.dumps({"version": 1, "entries": entries}, indent=2))
    failed = sum(report.failed for report in reports)
    if failed:
        print_problem(f"{failed:,} of {len(reports):,} entries could not be copied completely")
    return PROBLEMS if failed else DONE


def _read(file: Path) -> SyncDocument:
    """:raises CommandFailed: the file cannot be read, or is not a valid document."""
    from ..toml_tables import DocumentInvalid
    from ..transfer.sync_document import parse_document

    try:
        with file.open("rb") as content:
            text = content.read(_MAX_DOCUMENT_BYTES + 1).decode()
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}", MISCONFIGURED) from None
    except UnicodeDecodeError:
        raise CommandFailed(f"{file} is not UTF-8", MISCONFIGURED) from None
    if len(text) > _MAX_DOCUMENT_BYTES:
        raise CommandFailed(f"{file} has more than 1 MiB", MISCONFIGURED)
    try:
        return parse_document(text, str(file))
    except DocumentInvalid as error:
        *others, last = error.problems
        for problem in others:
            print_problem(problem)
        raise CommandFailed(last, MISCONFIGURED) from None


async def _copy(
    arguments: argparse.Namespace,
    document: SyncDocument,
    accesses: Mapping[str, AccessOptions],
    environment: Mapping[str, str],
) -> list[EntryReport]:
    # Imported late: options and documents are checked without the client.
    from ..transfer.options import CopyOptions
    from ..transfer.run import CopyRun
    from ..transfer.sync import sync
    from .copy_report import entry_problems, render_entry, show_copies
    from .places import OpenerByHost, Places

    reports: list[EntryReport] = []

    def done(report: EntryReport) -> None:
        reports.append(report)
        if not arguments.json:
            print(render_entry(report), flush=True)
        for line in entry_problems(report):
            print_problem(line)

    options = CopyOptions(parallel=arguments.parallel, dry_run=arguments.dry_run)
    async with Places.open(
        environment, recheck=arguments.recheck, dry_run=arguments.dry_run
    ) as places:
        run = CopyRun(arguments.parallel)
        opener = OpenerByHost(places, accesses)
        with show_copies(quiet=arguments.quiet) as show:
            await sync(
                document.entries,
                opener,
                options,
                run,
                on_progress=lambda entry, progress: show(str(entry), progress),
                on_entry=done,
            )
    return reports
