"""The `doctor` command: reports the content and the problems of a container, and repairs them."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from ..config import ROOT_DIRECTORY, Settings
from ..maintenance.doctor import DoctorOptions, DoctorReport, Finding, Problem, examine
from .options import Commands, seconds
from .progress import format_age, format_quantity, show_progress
from .storage_commands import (
    DONE,
    PROBLEMS,
    STORAGE_EXIT_CODES,
    print_problem,
    run_on_storage,
    with_settings,
)

if TYPE_CHECKING:
    from ..object_store.azure import AzureBlobStore

DOCTOR = """\
Examine the container that REGISTRY_STORAGE_AZURE_... in the environment names, and report what it
contains and what is wrong. Nothing is changed without --repair. A repair never deletes content:
what is damaged is moved to _quarantine/. It may run beside a registry, but only one --repair at a
time. Ctrl-C stops it after the write in progress.
"""
EXIT_CODES = f"""\
exit codes:
  0    healthy: nothing is wrong, or everything was repaired
  1    there are problems
{STORAGE_EXIT_CODES}
examples:
  python -m registry_core doctor
  python -m registry_core doctor --verify --json > report.json
  python -m registry_core doctor --repair
"""

_MAX_SHOWN = 20
"""How many findings of one problem the text shows."""
_DIGEST_PREFIX = re.compile(r"((sha256|sha512):[0-9a-f]{0,128})?")


def add_doctor(commands: Commands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "doctor",
        help="find problems in the container and repair them",
        description=DOCTOR,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--verify",
        nargs="?",
        const="",
        type=_prefix,
        metavar="PREFIX",
        help="read and hash all content, or that whose digests begin so: sha256:0, for example",
    )
    parser.add_argument("--repair", action="store_true", help="repair what can be repaired")
    parser.add_argument("--json", action="store_true", help="print the report as a JSON document")
    parser.add_argument(
        "--grace",
        type=seconds,
        default=300,
        metavar="SECONDS",
        help="do not judge younger objects: a push may be in progress (default %(default)s)",
    )
    parser.set_defaults(run=_doctor)


def _prefix(text: str) -> str:
    if not _DIGEST_PREFIX.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the beginning of a digest, such as sha256:0"
        )
    return text


def _doctor(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    return with_settings(environment, lambda settings: _examine(settings, arguments))


def _examine(settings: Settings, arguments: argparse.Namespace) -> int:
    options = DoctorOptions(
        root=settings.root,
        root_setting=ROOT_DIRECTORY,
        repair=arguments.repair,
        verify=arguments.verify is not None,
        verify_prefix=arguments.verify or "",
        grace=timedelta(seconds=arguments.grace),
    )
    report = DoctorReport()

    async def work(_: Settings, store: AzureBlobStore) -> int:
        for what in await store.immutability():
            message = f"the container has {what}: tags cannot move, and nothing can be deleted"
            report.add(Finding(Problem.CONTAINER_IMMUTABLE, "", message))
        with show_progress() as on_progress:
            await examine(store, report, options, on_progress)
        return PROBLEMS if report.remaining else DONE

    ended = run_on_storage(settings, work)
    report.stopped = ended.stopped
    if arguments.json:
        container = {"container": settings.storage.container}
        print(json.dumps(container | dict(report.to_json()), indent=2))
    elif report.number_of_objects or not report.stopped:
        print(render(report, settings.storage.container, verify=options.verify))
    if report.stopped:
        print_problem(report.stopped)
    return ended.code


def render(report: DoctorReport, container: str, *, verify: bool) -> str:
    """Return the report as text. ``verify``: whether all content was to be hashed."""
    lines = [f"container {container}: {_describe_roots(report)}"]
    if report.number_of_objects:
        lines += _inventory(report, verify=verify)
    for problem in Problem:
        if report.found[problem]:
            lines += _findings(report, problem)
    return "\n".join([*lines, _verdict(report)])


def _describe_roots(report: DoctorReport) -> str:
    if not report.number_of_objects:
        return "empty"
    if not report.roots:
        return "contains no registry"
    forms = {"": "names without a leading slash", "/": "names with a leading slash"}
    return " and ".join(forms.get(root, f"names that begin with {root!r}") for root in report.roots)


def _inventory(report: DoctorReport, *, verify: bool) -> Iterator[str]:
    yield f"  {'':16}{'block blobs':>14}{'append blobs':>14}{'bytes':>14}"
    for kind, count in report.objects.items():
        if count.block or count.append:
            size = format_quantity(count.bytes, "bytes")
            yield f"  {kind.replace('_', ' '):16}{count.block:>14,}{count.append:>14,}{size:>14}"
    yield (
        f"repositories {report.repositories:,}, manifests {report.manifests:,}, "
        f"tags {report.tags:,}"
    )
    uploads = report.uploads
    if uploads.number:
        yield (
            f"uploads {uploads.number:,}, the oldest {format_age(uploads.oldest)} old; "
            f"{uploads.left_behind:,} not continued for a week"
        )
    yield from _storage_state(report)
    if report.unreferenced.number:
        size = format_quantity(report.unreferenced.bytes, "bytes")
        yield f"content that nothing references: {report.unreferenced.number:,}, {size}"
    yield from _on_its_way_out(report)
    if verify:
        verified = report.verified
        size = format_quantity(verified.bytes if verified else 0, "bytes")
        yield f"hashed: {verified.number if verified else 0:,}, {size}"


def _on_its_way_out(report: DoctorReport) -> Iterator[str]:
    """Yield what collections of garbage will delete, and what they keep to be restored."""
    if report.trashed.number:
        size = format_quantity(report.trashed.bytes, "bytes")
        yield f"content that only the trash keeps: {report.trashed.number:,}, {size}"
    if report.condemned:
        counts = (
            f"{kind.replace('_', ' ')} {count.number:,} ({format_quantity(count.bytes, 'bytes')})"
            for kind, count in sorted(report.condemned.items())
        )
        yield "condemned by collections of garbage: " + ", ".join(counts)


def _storage_state(report: DoctorReport) -> Iterator[str]:
    """Yield what storage has besides objects, and where it keeps those."""
    if report.tiers.keys() - {"Hot"}:
        tiers = (
            f"{tier} {count.number:,} ({format_quantity(count.bytes, 'bytes')})"
            for tier, count in sorted(report.tiers.items())
        )
        yield "access tiers: " + ", ".join(tiers)
    for kind, count in sorted(report.uncommitted.items()):
        size = format_quantity(count.bytes, "bytes")
        yield (
            f"uncommitted blocks of {kind}: {count.blocks:,}, {size}, paths: {count.paths:,}; "
            "storage drops them after a week"
        )


def _findings(report: DoctorReport, problem: Problem) -> Iterator[str]:
    found, repaired = report.found[problem], report.repaired[problem]
    yield f"{problem}: {found:,}" + (f", {repaired:,} repaired" if repaired else "")
    shown = [finding for finding in report.findings if finding.problem is problem][:_MAX_SHOWN]
    yield from map(_finding, shown)
    if found > len(shown):
        yield f"  ... and {found - len(shown):,} more"


def _finding(finding: Finding) -> str:
    repository = f"{finding.repository}: " if finding.repository else ""
    repaired = f"  [{finding.repaired}]" if finding.repaired else ""
    return f"  {repository}{finding.message}  {finding.path}{repaired}"


def _verdict(report: DoctorReport) -> str:
    if report.stopped:
        return "incomplete: the examination was stopped"
    if not report.remaining:
        return "healthy" if not report.found else f"healthy: {report.found.total():,} repaired"
    repairable = sum(finding.repairable and not finding.repaired for finding in report.findings)
    hint = f" ({repairable:,} can be repaired with --repair)" if repairable else ""
    return f"problems remaining: {report.remaining:,}{hint}"
