"""The work of the commands that copy: places are opened, and copied between."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from ..spec.digest import Digest
from ..transfer.copy import copy_manifest, copy_tags, list_tags
from ..transfer.locations import target_tags
from ..transfer.options import CopyOptions
from ..transfer.place import Place, Source, Target
from ..transfer.progress import OnProgress
from ..transfer.report import CopyReport
from ..transfer.run import CopyRun
from .copy_report import show_copies
from .places import Places
from .registry_access import AccessOptions
from .storage_commands import CommandFailed


@dataclass(frozen=True)
class Copied:
    """What a command has copied. ``digest``: of one manifest that was named by it."""

    report: CopyReport
    digest: Digest | None = None


async def copy_as_described(
    arguments: argparse.Namespace,
    source_access: AccessOptions,
    target_access: AccessOptions,
    environment: Mapping[str, str],
) -> Copied:
    """Copy what the arguments of `copy` or `import` describe.

    :raises RegistryError: it cannot be copied.
    :raises CommandFailed: a location cannot be accessed as the options say.
    """
    async with Places.open(
        environment, recheck=arguments.recheck, dry_run=arguments.dry_run
    ) as places:
        source = await places.source(arguments.source, source_access)
        target = await places.target(arguments.target, target_access)
        run = CopyRun(arguments.parallel)
        if arguments.imports:
            run = places.importing_run(
                arguments.parallel, target_access, must_fetch=arguments.no_stream
            )
        with show_copies(quiet=arguments.quiet) as show:
            on_progress = partial(show, str(arguments.source))
            if arguments.all_tags:
                report = await _copy_all(arguments, source, target, run, on_progress)
                return Copied(report)
            return await _copy_one(
                arguments, places, source, target, run=run, on_progress=on_progress
            )


async def _copy_all(
    arguments: argparse.Namespace,
    source: Place[Source],
    target: Place[Target],
    run: CopyRun,
    on_progress: OnProgress,
) -> CopyReport:
    tags = await list_tags(source)
    if not tags:
        raise CommandFailed(f"{arguments.source} has no tags")
    return await copy_tags(source, tags, target, _options(arguments), on_progress, run=run)


async def _copy_one(
    arguments: argparse.Namespace,
    places: Places,
    source: Place[Source],
    target: Place[Target],
    *,
    run: CopyRun,
    on_progress: OnProgress,
) -> Copied:
    selected = await places.select(arguments.source)
    reference = selected.reference
    tags = target_tags(arguments.source, selected.tag, arguments.target)
    report = await copy_manifest(
        source, reference, target, tags, _options(arguments), on_progress, run=run
    )
    return Copied(report, reference if isinstance(reference, Digest) else None)


def _options(arguments: argparse.Namespace) -> CopyOptions:
    return CopyOptions(
        platforms=tuple(arguments.platform),
        referrers=arguments.referrers,
        parallel=arguments.parallel,
        dry_run=arguments.dry_run,
    )
