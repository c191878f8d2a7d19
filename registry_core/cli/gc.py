"""The `gc` command: collects garbage now, says what it would collect, or pardons everything."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from ..config import GC_ENABLED, Settings
from ..object_store.interface import ObjectStore
from ..storage.layout import Layout
from .gc_report import has_problems, render
from .options import Commands
from .progress import show_progress
from .storage_commands import (
    DONE,
    PROBLEMS,
    STORAGE_EXIT_CODES,
    check_writable,
    print_problem,
    run_command,
)

GC = """\
Collect garbage in the container that REGISTRY_STORAGE_AZURE_... in the environment names, with the
settings REGISTRY_GC_... and the retention rules of the registry. It runs beside any number of
instances, while clients push and pull. Garbage is condemned first; a later run deletes what was
condemned at least REGISTRY_GC_GRACE before and has not been used since. Ctrl-C stops it after the
write in progress, and the next run goes on from there.
"""
EXIT_CODES = f"""\
exit codes:
  0    complete
  1    something stays that may be garbage, or another collection goes on with the run: the report
       says what and why. Or the registry is read-only, where only --dry-run is possible
{STORAGE_EXIT_CODES}
examples:
  python -m registry_core gc --dry-run
  python -m registry_core gc --json > report.json
  python -m registry_core gc --pardon-all
"""


def add_gc(commands: Commands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "gc",
        help="collect garbage, also while clients push",
        description=GC,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--dry-run",
        action="store_true",
        help="change nothing; say what would go, when and why, and how many bytes",
    )
    what.add_argument(
        "--pardon-all",
        action="store_true",
        help="take the mark off everything that is condemned, before an older version, or "
        "distribution, serves the container",
    )
    parser.add_argument("--json", action="store_true", help="print the report as a JSON document")
    parser.set_defaults(run=_gc)


def _gc(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    async def collect_now(settings: Settings, store: ObjectStore, layout: Layout) -> int:
        return await _collect(
            settings, store, layout, dry_run=arguments.dry_run, as_json=arguments.json
        )

    async def pardon(settings: Settings, store: ObjectStore, layout: Layout) -> int:
        return await _pardon_all(settings, store, layout, as_json=arguments.json)

    return run_command(environment, pardon if arguments.pardon_all else collect_now)


async def _collect(
    settings: Settings, store: ObjectStore, layout: Layout, *, dry_run: bool, as_json: bool
) -> int:
    if not dry_run:
        check_writable(settings)
    # Imported late: options are checked, and help is printed, without it.
    from ..jobs import gc_options
    from ..maintenance.gc import collect

    options = gc_options(settings, dry_run=dry_run)
    with show_progress() as on_progress:
        report = await collect(store, layout, options, on_progress=on_progress)
    container, shared = settings.storage.container, bool(options.shared)
    if as_json:
        print(json.dumps({"container": container} | dict(report.to_json()), indent=2))
    else:
        print(
            render(
                report, container=container, base=layout.base, grace=options.grace, shared=shared
            )
        )
    return PROBLEMS if has_problems(report, shared=shared) else DONE


async def _pardon_all(
    settings: Settings, store: ObjectStore, layout: Layout, *, as_json: bool
) -> int:
    check_writable(settings)
    from ..maintenance.gc import pardon_all

    with show_progress() as on_progress:
        number = await pardon_all(store, layout, on_progress=on_progress)
    container = settings.storage.container
    if as_json:
        print(json.dumps({"container": container, "pardoned": number}, indent=2))
    else:
        print(f"container {container}: pardoned {number:,}; nothing is condemned any more")
    if settings.gc.enabled:
        print_problem(f"{GC_ENABLED} is true: the next run condemns garbage again")
    return DONE
