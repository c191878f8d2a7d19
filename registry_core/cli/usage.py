"""The `usage` command: what the container holds, as the last collection of garbage has found it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from ..config import GC_ENABLED, Settings
from ..maintenance.gc.report import Amount, RepositoryUsage, Usage
from ..object_store.interface import ObjectStore
from ..storage.layout import Layout
from .options import Commands, is_terminal
from .progress import format_age, format_minute, format_quantity
from .storage_commands import DONE, STORAGE_EXIT_CODES, CommandFailed, run_command

USAGE = """\
Print what the container that REGISTRY_STORAGE_AZURE_... in the environment names holds, in all and
by repository, as the last collection of garbage has found it. It reads one object.
"""
EXIT_CODES = f"""\
exit codes:
  0    printed
  1    no collection of garbage has finished yet
{STORAGE_EXIT_CODES}
examples:
  python -m registry_core usage
  python -m registry_core usage --json > usage.json
"""

MAX_SHOWN = 50
"""How many repositories are shown unless --all is given: the largest."""

_OLD_SECONDS = 2 * 86400.0
_BAR_WIDTH = 24

Rows = Sequence[tuple[str, RepositoryUsage]]


def add_usage(commands: Commands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "usage",
        help="show what the container holds, by repository",
        description=USAGE,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--all", action="store_true", help=f"show more than the {MAX_SHOWN} largest repositories"
    )
    parser.add_argument("--json", action="store_true", help="print all of it as a JSON document")
    parser.set_defaults(run=_usage)


def _usage(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    async def show(settings: Settings, store: ObjectStore, layout: Layout) -> int:
        # Imported late: options are checked, and help is printed, without it.
        from ..maintenance.gc import read_summary

        container = settings.storage.container
        summary = await read_summary(store, layout)
        if summary is None:
            raise CommandFailed(
                f"container {container}: no collection of garbage has finished yet; run "
                f"`python -m registry_core gc`, or set {GC_ENABLED}"
            )
        if arguments.json:
            print(json.dumps({"container": container} | dict(summary.to_json()), indent=2))
        else:
            most = None if arguments.all else MAX_SHOWN
            show_usage(summary.usage, container, summary.started, most=most)
        return DONE

    return run_command(environment, show)


def show_usage(
    usage: Usage, container: str, when: datetime, *, most: int | None = MAX_SHOWN
) -> None:
    """Print the usage: on a terminal with bars, otherwise as plain text.

    :param most: how many repositories to show; None: all.
    """
    print("\n".join(_head(usage, container, when, time.time())))
    rows = sorted(usage.repositories.items(), key=lambda row: (-row[1].bytes, row[0]))
    shown = rows[:most]
    if shown and is_terminal(sys.stdout):
        _print_bars(shown)
    elif shown:
        print("\n".join(_table(shown)))
    if len(rows) > len(shown):
        print(f"... and {len(rows) - len(shown):,} smaller ones; --all shows them")


def _head(usage: Usage, container: str, when: datetime, now: float) -> Iterator[str]:
    age = max(0.0, now - when.timestamp())
    advice = "; `python -m registry_core gc` looks again" if age >= _OLD_SECONDS else ""
    yield f"container {container} as of {format_minute(when)}, {format_age(age)} ago{advice}"
    yield (
        f"repositories {len(usage.repositories):,}, tags {usage.tags:,}, "
        f"manifests {usage.manifests:,}"
    )
    yield _amount("content", usage.content, "each digest once")
    yield _amount("  garbage", usage.garbage, "that nothing references")
    yield _amount("  condemned", usage.condemned, "of the garbage; goes after the grace")
    yield _amount("  trash", usage.trash, "records of deletions; bytes that only they keep")


def _amount(name: str, amount: Amount, meaning: str) -> str:
    size = format_quantity(amount.bytes, "bytes")
    return f"{name:14}{amount.number:>12,}{size:>14}  {meaning}"


def _table(rows: Rows) -> Iterator[str]:
    width = max(len("repository"), *(len(name) for name, _ in rows))
    yield f"{'repository':{width}}{'tags':>10}{'manifests':>12}{'size':>14}"
    for name, usage in rows:
        size = format_quantity(usage.bytes, "bytes")
        yield f"{name:{width}}{usage.tags:>10,}{usage.manifests:>12,}{size:>14}"


def _print_bars(rows: Rows) -> None:
    # Imported here: it takes a tenth of a second, and is not needed in a pipe.
    from rich.bar import Bar
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("repository", overflow="fold")
    for title in ("tags", "manifests", "size"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("")
    largest = max(1, *(usage.bytes for _, usage in rows))
    for name, usage in rows:
        size = format_quantity(usage.bytes, "bytes")
        bar = Bar(largest, 0, usage.bytes, width=_BAR_WIDTH)
        table.add_row(name, f"{usage.tags:,}", f"{usage.manifests:,}", size, bar)
    Console().print(table)
